//! A service whose store is older than its disks, as after a backup was brought back.

use crate::cluster::{Cluster, SOON};
use crate::{content, tree};
use anyhow::Result;
use client::Status;

/// A service whose store was set back to before the last ten uploads.
pub async fn with_an_older_store() -> Result<Cluster> {
    with_an_older_store_and("").await
}

/// The same, with failpoints in the manager that is started then.
pub async fn with_an_older_store_and(failpoints: &str) -> Result<Cluster> {
    let mut cluster = set_back().await?;
    if !failpoints.is_empty() {
        cluster.manager_env = vec![("FAILPOINTS".to_owned(), failpoints.to_owned())];
    }
    restart(&mut cluster).await?;
    all_ten_are_in_quarantine(&cluster).await?;
    Ok(cluster)
}

/// Waits until the last ten uploads are in quarantine.
///
/// # Errors
/// When they are not in time.
pub async fn all_ten_are_in_quarantine(cluster: &Cluster) -> Result<Status> {
    let all = |status: &Status| status.quarantined == 10;
    cluster
        .wait_status("ten copies in quarantine", SOON, all)
        .await
}

/// The same service, still stopped.
pub async fn set_back() -> Result<Cluster> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..10 {
        client
            .put(&format!("old{i}"), content::bytes(i, 100))
            .await?;
    }
    cluster.stop().await?;
    let backup = cluster.folder().join("backup");
    tree::copy_folder(&cluster.store(), &backup)?;
    restart(&mut cluster).await?;
    for i in 0..10 {
        client
            .put(&format!("new{i}"), content::bytes(100 + i, 100))
            .await?;
    }
    cluster.stop().await?;
    std::fs::remove_dir_all(cluster.store())?;
    std::fs::rename(backup, cluster.store())?;
    Ok(cluster)
}

/// Starts what was stopped.
pub async fn restart(cluster: &mut Cluster) -> Result<()> {
    cluster.start_manager().await?;
    for index in 0..cluster.nodes.len() {
        cluster.start_node(index).await?;
    }
    cluster.wait_available(cluster.nodes.len()).await?;
    Ok(())
}

//! A volume behind FUSE, as many network file systems are: it has no rename that
//! replaces nothing and no nameless files, and its program may end.

use super::scenarios::{is_told_read_only, uploads_go_on};
use super::{Bad, Kind, REPORTED};
use crate::cluster::{SOON, Status};
use crate::tree;
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// Nodes hear once a second how old the store is.
const HEARD: Duration = Duration::from_secs(2);

/// All that a node does with its disk works there; it goes on elsewhere when the
/// volume is gone, and comes back with it.
pub(super) async fn is_behind_it() -> Result<String> {
    let mut bad = Bad::start(Kind::Fuse, 0).await?;
    let client = bad.cluster.client();
    for name in bad.on_it()?.iter().step_by(2) {
        client.delete(name).await?.expect(204)?;
    }
    let adopted = quarantines_and_adopts(&mut bad).await?;
    bad.volume.abort()?;
    let longest = uploads_go_on(&mut bad).await?;
    let told = is_told_read_only(&bad, "not connected").await?;
    bad.cluster.kill_node(0).await?;
    bad.volume.repair()?;
    bad.cluster.start_node(0).await?;
    bad.cluster.wait_available(2).await?;
    bad.takes_files_again().await?;
    bad.read_all().await?;
    bad.clean().await?;
    Ok(format!(
        "{adopted} adopted, longest upload {longest:.1?}; /readyz: {told}"
    ))
}

/// Files that the store forgot leave the tree and come back into it.
async fn quarantines_and_adopts(bad: &mut Bad) -> Result<u64> {
    let (store, backup) = (bad.cluster.store(), bad.cluster.folder().join("backup"));
    stop(bad).await?;
    tree::copy_folder(&store, &backup)?;
    bad.cluster.start_manager().await?;
    bad.cluster.wait_available(2).await?;
    bad.upload(20, 1000).await?;
    // Until the nodes heard how far the store has come.
    bad.cluster.leader(REPORTED).await?;
    tokio::time::sleep(HEARD).await;
    stop(bad).await?;
    std::fs::remove_dir_all(&store)?;
    tree::copy_folder(&backup, &store)?;
    bad.cluster.start_manager().await?;
    let quarantined = |status: &Status| status.rest["quarantined"].as_u64().unwrap_or(0);
    let status = bad
        .cluster
        .wait_status("files are in quarantine", REPORTED, |status| {
            status.nodes.iter().all(|node| node.merged) && quarantined(status) == 20
        })
        .await?;
    let adopt = ["quarantine", "adopt", "--all"];
    let (code, told) = bad.cluster.ask(&adopt).await?;
    ensure!(code == 0, "{told}");
    let back = |status: &Status| quarantined(status) == 0;
    bad.cluster
        .wait_status("all are back", REPORTED, back)
        .await?;
    bad.read_all().await?;
    Ok(quarantined(&status))
}

async fn stop(bad: &mut Bad) -> Result<()> {
    let manager = bad.cluster.manager.take().context("it runs")?;
    let status = manager.terminate(SOON).await?;
    ensure!(status.success(), "{status}");
    Ok(())
}

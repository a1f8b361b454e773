//! Between the moment at which the database becomes another cluster's and the one
//! at which that is noticed, a store must not return what the other one holds.

use super::NOTICED;
use crate::mongo::Server;
use crate::wait;
use anyhow::{Result, ensure};
use manager_protocol::store::Store;
use manager_store::Mongo;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many tasks read the lease all the time.
const ASKERS: usize = 8;
/// How long they go on after the swap.
const AFTER: Duration = Duration::from_secs(2);
/// The holder of the lease in each of the two databases.
const OURS: &str = "ours";
const THEIRS: &str = "theirs";

/// Swaps a database under a store that is read all the time.
pub(super) async fn run(folder: &Path) -> Result<()> {
    let [ours, theirs] = ["ours", "theirs"].map(|name| folder.join(name));
    std::fs::create_dir_all(&ours)?;
    std::fs::create_dir_all(&theirs)?;
    let mut server = Server::start(&theirs).await?;
    let other = Mongo::open(&server.url("dfs")).await?;
    ensure!(other.take_lease(None, THEIRS).await?.is_ok(), "it was free");
    drop(other);
    server.switch(&ours).await?;
    let store = Arc::new(Mongo::open(&server.url("dfs")).await?);
    ensure!(store.take_lease(None, OURS).await?.is_ok(), "it was free");

    let until = Instant::now() + AFTER * 2;
    let mut askers = JoinSet::new();
    for _ in 0..ASKERS {
        let store = store.clone();
        askers.spawn(async move {
            while Instant::now() < until {
                match store.lease().await {
                    Ok(Some(lease)) => ensure!(lease.holder == OURS, "{lease:?}"),
                    Ok(None) => anyhow::bail!("another's lack of a lease was told"),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
            Ok(())
        });
    }
    tokio::time::sleep(AFTER / 4).await;
    server.switch(&theirs).await?;
    while let Some(asker) = askers.join_next().await {
        asker??;
    }
    ensure!(
        store.lease().await.is_err(),
        "the other one is taken for ours"
    );
    server.switch(&ours).await?;
    wait::until(NOTICED, async || {
        let lease = store.lease().await?;
        ensure!(lease.is_some_and(|lease| lease.holder == OURS), "not ours");
        Ok(())
    })
    .await?;
    server.stop().await?;
    println!("a store tells nothing of another cluster's database, from the first moment on");
    Ok(())
}

//! Waiting until a cluster is as it ought to be.

use super::{Cluster, SOON};
use crate::library;
use crate::wire;
use anyhow::{Result, bail, ensure};
use client::Status;
use http::Method;
use std::time::{Duration, Instant};

impl Cluster {
    /// Waits until exactly `nodes` nodes are available.
    pub async fn wait_available(&self, nodes: usize) -> Result<Status> {
        let text = format!("{nodes} nodes available");
        self.wait_status(&text, SOON, |status| status.available() == nodes)
            .await
    }

    /// Polls `/status` until `done`, or gives up after `within`.
    pub async fn wait_status(
        &self,
        what: &str,
        within: Duration,
        done: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        let client = self.client()?;
        let start = Instant::now();
        let mut last = String::from("no answer");
        while start.elapsed() < within {
            match client.status().await {
                Ok(status) if done(&status) => return Ok(status),
                Ok(status) => last = format!("{status:?}"),
                Err(e) => last = format!("{e:#}"),
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!(
            "waited {within:?} in vain for: {what}; last: {last}\n{}",
            self.logs()
        )
    }

    /// Waits until neither a listing nor a disk holds any file but `names`.
    pub async fn wait_only(&self, names: &[&str]) -> Result<()> {
        let client = self.client()?;
        let mut wanted: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        wanted.sort();
        crate::wait::until(SOON, async || {
            let listed = library::names(&client).await?;
            let trees = self.trees()?;
            let mut on_disk: Vec<String> = trees
                .iter()
                .flat_map(|tree| tree.files.keys().cloned())
                .collect();
            on_disk.sort();
            ensure!(listed == wanted, "listed are {listed:?}, not {wanted:?}");
            ensure!(on_disk == wanted, "on disk are {on_disk:?}, not {wanted:?}");
            let files = client.status().await?.files as usize;
            ensure!(files == wanted.len(), "/status counts {files} files");
            Ok(())
        })
        .await
    }

    /// Waits until the manager serves so many uploads, those that wait not counted.
    pub async fn wait_uploads_in_flight(&self, uploads: usize) -> Result<()> {
        let wanted = format!("_uploads_in_flight {uploads}\n");
        let ops = wire::Client::new(self.ops());
        crate::wait::until(SOON, async || {
            let metrics = ops.call(Method::GET, "/metrics").await?.expect(200)?;
            let text = String::from_utf8_lossy(&metrics.body);
            ensure!(text.contains(&wanted), "not {uploads} in flight: {text}");
            Ok(())
        })
        .await
    }

    /// Waits until `manager fsck` finds no difference.
    pub async fn wait_fsck_clean(&self, within: Duration) -> Result<()> {
        crate::wait::until(within, async || {
            let (code, out) = self.ask(&["fsck"]).await?;
            ensure!(code == 0, "fsck: {out}");
            Ok(())
        })
        .await
    }

    /// Repeats `manager drain`, which orders the drain or reports its state, until
    /// the node holds nothing and no record lists it; gives the last report.
    pub async fn wait_drained(&self, node: &str, within: Duration) -> Result<String> {
        crate::wait::until(within, async || {
            let (_, told) = self.ask(&["drain", "--node", node]).await?;
            let zero = ["files-left=0", "quarantined=0", "records-left=0"];
            ensure!(zero.iter().all(|zero| told.contains(zero)), "{told}");
            Ok(told)
        })
        .await
    }
}

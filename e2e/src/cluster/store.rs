//! The manager's own store, set back by a test while the nodes go on.

use super::{Cluster, SOON};
use crate::tree;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Duration;

/// Managers answer each report of a node, one a second, with the lease's beat, which
/// rises while one of them leads.
const HEARD: Duration = Duration::from_secs(2);

impl Cluster {
    /// Sends the manager SIGTERM, and waits until it has ended successfully.
    ///
    /// # Errors
    /// Where it does not, or fails.
    pub async fn stop_manager(&mut self) -> Result<()> {
        let manager = self.manager.take();
        let manager = manager.context("the manager is not running")?;
        let status = manager.terminate(SOON).await?;
        ensure!(status.success(), "{status}");
        Ok(())
    }

    /// Waits until the nodes know how far the store has come.
    pub async fn heard(&self) {
        tokio::time::sleep(HEARD).await;
    }

    /// Stops the manager, and starts it on a copy of its store that was made earlier.
    ///
    /// # Errors
    /// Where one of these fails.
    pub async fn set_store_back(&mut self, backup: &Path) -> Result<()> {
        self.stop_manager().await?;
        std::fs::remove_dir_all(self.store())?;
        tree::copy_folder(backup, &self.store())?;
        self.start_manager().await
    }
}

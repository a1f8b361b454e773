//! Requests that stand still in one manager until the janitor of the other has begun
//! to settle what they left: neither gets a false answer.

use super::{NOTICED, Run, SETTLE, sees};
use crate::library::refused;
use anyhow::{Context, Result, ensure};
use client::{Code, Listed};
use futures::TryStreamExt;
use std::time::Instant;

/// An upload stands still before its node may link the copy; the janitor dooms that
/// after 5 to 7 s, and then stands still itself while the link is made after all.
const UPLOAD: &str =
    "manager::stall_before_finish=1*return(9500);manager::stall_after_doom=1*return(6000)";
/// A delete stands still before it removes the record; so does the janitor,
/// which took the record over.
const DELETE: &str = "manager::stall_before_remove=1*return(9500)";
/// A node's flush of a file lasts longer than the janitor's patience.
const FLUSH: &str = "node::u1_before_flush=1*sleep(9500)";
/// The file that all these requests are about.
const NAME: &str = "stalled";

impl Run {
    /// An upload that the janitor ended is not reported as stored, and a delete is
    /// reported as done only once no listing shows the file.
    pub(super) async fn stalled_requests(&mut self) -> Result<()> {
        let begun = Instant::now();
        let leader = self.restart_managers(UPLOAD).await?;
        let client = self.files.manager(1 - leader).clone();
        refused(client.put(NAME, "x").await, Code::ServersUnavailable).context("upload")?;
        self.quiet().await?;
        refused(client.get(NAME).await, Code::FileDoesNotExist).context("it was ended")?;

        let leader = self.restart_managers(DELETE).await?;
        let client = self.files.manager(1 - leader).clone();
        client.put(NAME, "y").await?;
        client.delete(NAME).await?;
        let listed: Vec<Listed> = client.list(NAME).try_collect().await?;
        ensure!(listed.is_empty(), "{listed:?}");
        client.put(NAME, "z").await?;
        let read = self.files.manager(leader).get(NAME).await?.bytes().await?;
        ensure!(read == "z", "{read:?}");
        self.quiet().await?;
        client.delete(NAME).await?;

        self.restart_nodes(FLUSH).await?;
        let client = self.files.manager(1 - leader).clone();
        // Large enough for a stream of its own, whose bytes are flushed after Finish.
        let large = crate::content::bytes(1, 300_000);
        client.put(NAME, large.clone()).await?;
        let read = self.files.manager(leader).get(NAME).await?.bytes().await?;
        ensure!(read == large, "other bytes");
        self.restart_nodes("").await?;
        client.delete(NAME).await?;
        let seen = "an ended upload is 503/1, a deleted file is in no listing, \
            an upload whose flush lasts is 201"
            .to_owned();
        self.tell("requests stood still", begun, seen);
        Ok(())
    }

    /// Restarts both managers with failpoints, and gives the one that leads.
    async fn restart_managers(&mut self, failpoints: &str) -> Result<usize> {
        self.restart_with(failpoints).await?;
        self.all_joined().await?;
        self.cluster.leader(SETTLE).await
    }

    /// The same, without waiting for anything.
    pub(super) async fn restart_with(&mut self, failpoints: &str) -> Result<()> {
        self.cluster.manager_env = vec![("FAILPOINTS".to_owned(), failpoints.to_owned())];
        for at in 0..2 {
            self.cluster.kill_manager_at(at).await?;
            self.cluster.start_manager_at(at).await?;
        }
        self.cluster.manager_env.clear();
        Ok(())
    }

    /// Restarts all nodes with failpoints.
    async fn restart_nodes(&mut self, failpoints: &str) -> Result<()> {
        for at in 0..self.cluster.nodes.len() {
            self.cluster.kill_node(at).await?;
            self.cluster.nodes[at].env = vec![("FAILPOINTS".to_owned(), failpoints.to_owned())];
            self.cluster.start_node(at).await?;
        }
        self.all_joined().await
    }

    /// Waits until both managers have all nodes.
    async fn all_joined(&self) -> Result<()> {
        for at in 0..2 {
            sees(self.files.manager(at), self.cluster.nodes.len(), NOTICED).await?;
        }
        Ok(())
    }
}

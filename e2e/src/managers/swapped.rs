//! The database is swapped for that of another cluster, on the same address,
//! and the right one comes back.

use super::{NOTICED, Run, SETTLE};
use crate::cluster::{Cluster, Options, SOON};
use crate::library::{names, refused};
use crate::mongo::Server;
use crate::tree::Tree;
use crate::wait;
use anyhow::{Context, Result, ensure};
use client::Code;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Names that the other cluster has: one that ours has not, one that it has.
const THEIRS: [&str; 2] = ["theirs", "file-1"];
/// How long the test checks that a restarted node does not join.
const WATCHED: Duration = Duration::from_secs(3);

impl Run {
    /// Nobody takes the other database for ours: nothing is read from it,
    /// written to it, or deleted for what it says.
    pub(super) async fn swap_the_database(&mut self, server: &mut Server) -> Result<()> {
        let begun = Instant::now();
        let folder = tempfile::Builder::new()
            .prefix("others-")
            .tempdir_in(crate::cluster::binaries::scratch()?)?;
        let mut other = Other::make(folder.path()).await?;
        self.quiet().await?;
        let before = self.paths()?;
        let cached = self.files.read_some(0, 50).await?;
        let ours = server.folder().to_owned();
        server.switch(folder.path()).await?;
        for at in 0..2 {
            self.told_away(at, "another").await?;
            self.refuses(at).await?;
        }
        for number in &cached {
            self.files.read(0, *number).await?;
        }
        self.cluster.kill_node(0).await?;
        self.cluster.start_node(0).await?;
        tokio::time::sleep(WATCHED).await;
        for at in 0..2 {
            let status = self.files.manager(at).status().await?;
            let joined = status.node(&self.cluster.nodes[0].id);
            ensure!(joined.is_none(), "it joined: {status:?}");
        }
        ensure!(self.paths()? == before, "files came or went meanwhile");
        server.switch(&ours).await?;
        for at in 0..2 {
            wait::until(NOTICED, async || {
                let status = self.files.manager(at).status().await?;
                ensure!(status.available() == self.cluster.nodes.len(), "{status:?}");
                ensure!(status.store_away.is_none(), "{status:?}");
                Ok(())
            })
            .await?;
            let client = self.files.manager(at);
            client.put("after the swap", "x").await?;
            client.delete("after the swap").await?;
        }
        ensure!(self.paths()? == before, "files came or went");
        self.files.read_some(1, 50).await?;
        self.cluster.wait_fsck_clean(SETTLE).await?;
        other.is_unchanged().await?;
        let seen = format!(
            "{} cached files read meanwhile, both clusters unchanged",
            cached.len()
        );
        self.tell("database swapped", begun, seen);
        Ok(())
    }

    /// Where every file lies, by node.
    fn paths(&self) -> Result<Vec<Vec<PathBuf>>> {
        let trees = self.cluster.trees()?;
        let paths = |tree: &Tree| tree.files.values().cloned().collect();
        Ok(trees.iter().map(paths).collect())
    }

    async fn refuses(&self, at: usize) -> Result<()> {
        let client = self.files.manager(at);
        let away = Code::ServersUnavailable;
        refused(client.put("new", "x").await, away).context("upload")?;
        refused(client.delete(THEIRS[1]).await, away).context("delete of ours and theirs")?;
        refused(client.delete(THEIRS[0]).await, away).context("delete of theirs")?;
        refused(client.get(THEIRS[0]).await, away).context("read of theirs")?;
        refused(names(client).await, away).context("listing")?;
        Ok(())
    }
}

/// Another cluster, whose database our managers are given while it is stopped.
struct Other {
    server: Server,
    cluster: Cluster,
}

impl Other {
    /// A cluster of one node with a few files, which is then stopped.
    async fn make(folder: &std::path::Path) -> Result<Self> {
        let server = Server::start(folder).await?;
        let cluster = Cluster::start_with(Options {
            nodes: 1,
            store: Some(server.url("dfs")),
            ..Options::default()
        })
        .await?;
        for name in THEIRS {
            cluster.client()?.put(name, "theirs").await?;
        }
        let mut other = Self { server, cluster };
        other.rest().await?;
        Ok(other)
    }

    async fn rest(&mut self) -> Result<()> {
        self.cluster.stop().await?;
        self.server.stop().await
    }

    /// Starts it again and compares.
    async fn is_unchanged(&mut self) -> Result<()> {
        self.server.restart().await?;
        self.cluster.start_manager().await?;
        self.cluster.start_node(0).await?;
        self.cluster.wait_available(1).await?;
        let status = self.cluster.client()?.status().await?;
        ensure!(status.nodes.len() == 1, "{status:?}");
        let mut wanted = THEIRS;
        wanted.sort_unstable();
        ensure!(
            names(&self.cluster.client()?).await? == wanted,
            "their names"
        );
        for name in THEIRS {
            let body = self.cluster.client()?.get(name).await?.bytes().await?;
            ensure!(body == "theirs", "{name}: other bytes");
        }
        self.cluster
            .wait_fsck_clean(SOON)
            .await
            .context("the other cluster")?;
        self.rest().await
    }
}

//! `disks`: one of two nodes lies on a small volume that misbehaves. Uploads go on,
//! what is reported of the node is true, and it recovers or says what has to be done.

mod fuse;
mod scenarios;
mod unreadable;
pub(crate) mod volume;

use crate::cluster::{Cluster, Options};
use crate::metrics::Metrics;
use crate::report::table;
use crate::{tools, wait, wire};
use anyhow::{Context, Result, ensure};
use client::{Code, Node};
use std::time::{Duration, Instant};
use volume::{Kind, Volume};

/// Flags of `disks`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

/// How long it may take until a node's reports have arrived.
const REPORTED: Duration = Duration::from_secs(10);
/// The longest that one small upload may take while a disk misbehaves.
const UPLOAD: Duration = Duration::from_secs(9);

/// Does the run and prints what came of each scenario.
///
/// # Errors
/// The first scenario that failed.
pub async fn run(args: Args) -> Result<()> {
    if !possible() {
        println!("left out: small volumes need root and loop devices");
        return Ok(());
    }
    programs()?;
    let mut rows = Vec::new();
    for (name, scenario) in scenarios::ALL {
        if !name.contains(&args.only) {
            continue;
        }
        let begun = Instant::now();
        let seen = scenario().await.with_context(|| name.to_owned())?;
        let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
        eprintln!("{name}: {seen} ({took})");
        rows.push(vec![name.to_owned(), took, seen]);
    }
    ensure!(
        !rows.is_empty(),
        "no scenario has {:?} in its name",
        args.only
    );
    println!("{}", table(&["scenario", "time", "seen"], &rows));
    Ok(())
}

/// Whether this machine can mount small volumes.
pub(crate) fn possible() -> bool {
    let loops = std::path::Path::new("/dev/loop-control");
    rustix::process::geteuid().is_root() && loops.exists()
}

/// Makes sure that what volumes need is installed.
///
/// # Errors
/// Names what is missing and can't be installed.
pub(crate) fn programs() -> Result<()> {
    tools::require(&[
        ("mkfs.ext4", "e2fsprogs"),
        ("mkfs.xfs", "xfsprogs"),
        ("xfs_io", "xfsprogs"),
        ("fsfreeze", "util-linux"),
        ("bindfs", "bindfs"),
    ])
}

/// A service of two nodes, the first on a volume.
struct Bad {
    // Dropped before the cluster, in whose folder it is mounted.
    volume: Volume,
    cluster: Cluster,
    uploads: u64,
}

impl Bad {
    /// Uploads small files, and some large ones; gives how long the slowest took.
    async fn uploads_go_on(&mut self) -> Result<Duration> {
        let small = self.upload(40, 1000).await?;
        let large = self.upload(5, 200_000).await?;
        Ok(small.max(large))
    }

    async fn is_told_read_only(&self, word: &str) -> Result<String> {
        let status = self
            .status("the node is read-only", |node| node.read_only)
            .await?;
        let why = status.read_only_why.as_deref().unwrap_or_default();
        ensure!(why.contains(word), "{status:?}");
        let (code, told) = self.ready().await?;
        ensure!(code == 503 && told.contains(word), "{code} {told}");
        ensure!(self.metric("dfs_node_read_only").await? > 0.0);
        Ok(told)
    }

    async fn start(kind: Kind, mib: u64) -> Result<Self> {
        Self::start_as(kind, mib, None).await
    }

    /// The first node runs as `user`, if given: unlike root, one whom permissions bind.
    async fn start_as(kind: Kind, mib: u64, user: Option<u32>) -> Result<Self> {
        let node_args = ["--reserve", "4MiB"].map(str::to_owned).to_vec();
        let mut cluster = Cluster::prepare(Options {
            nodes: 0,
            node_args,
            ..Options::default()
        })?;
        let first = cluster.new_node()?;
        let volume = Volume::make(&cluster.nodes[first].folder, kind, mib)?;
        cluster.nodes[first].folder = volume.at.join("data-of-node");
        if let Some(user) = user {
            cluster.run_as(first, user, &[])?;
        }
        cluster.start_manager().await?;
        cluster.start_node(first).await?;
        cluster.add_node().await?;
        cluster.wait_available(2).await?;
        let mut bad = Self {
            volume,
            cluster,
            uploads: 0,
        };
        bad.upload(20, 1000).await?;
        Ok(bad)
    }

    /// Uploads files; each has to succeed at the first try, and in time.
    async fn upload(&mut self, files: u64, size: usize) -> Result<Duration> {
        let client = self.cluster.client()?;
        let mut longest = Duration::ZERO;
        for _ in 0..files {
            let name = format!("f{}", self.uploads);
            let data = crate::content::bytes(self.uploads, size);
            self.uploads += 1;
            let begun = Instant::now();
            let answer = tokio::time::timeout(UPLOAD * 4, client.put(&name, data)).await;
            let answer = answer.with_context(|| format!("{name} is not answered"))?;
            let took = begun.elapsed();
            longest = longest.max(took);
            answer.context(name.clone())?;
            ensure!(took < UPLOAD, "{name} took {took:?}");
        }
        Ok(longest)
    }

    /// Reads back every file that was uploaded.
    async fn read_all(&self) -> Result<()> {
        let client = self.cluster.client()?;
        for number in 0..self.uploads {
            let name = format!("f{number}");
            let read = async { client.get(&name).await?.bytes().await };
            let body = match read.await {
                Ok(body) => body,
                // The scenario deleted it.
                Err(error) if error.code() == Some(Code::FileDoesNotExist) => continue,
                Err(error) => return Err(error).context(name),
            };
            let wanted = crate::content::bytes(number, body.len());
            ensure!(body == wanted, "{name} came back with other bytes");
        }
        Ok(())
    }

    /// The names of files that lie on the first node.
    fn on_it(&self) -> Result<Vec<String>> {
        Ok(self.cluster.tree(0)?.files.into_keys().collect())
    }

    /// What `/status` says of the first node, once that is as `wanted`.
    async fn status(&self, what: &str, wanted: impl Fn(&Node) -> bool) -> Result<Node> {
        let id = &self.cluster.nodes[0].id;
        let status = self
            .cluster
            .wait_status(what, REPORTED, |status| {
                status.node(id).is_some_and(&wanted)
            })
            .await?;
        status.node(id).cloned().context("no such node")
    }

    /// The first node's readiness: the status and what it says.
    async fn ready(&self) -> Result<(u16, String)> {
        let ops = wire::Client::new(self.cluster.node(0)?.address("metrics")?);
        let answer = ops.call(http::Method::GET, "/readyz").await?;
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        Ok((answer.status.as_u16(), text))
    }

    /// A metric of the first node.
    async fn metric(&self, name: &str) -> Result<f64> {
        let metrics = Metrics::of(self.cluster.node(0)?.address("metrics")?).await?;
        let value = metrics.first(name);
        value.with_context(|| format!("no metric {name}"))
    }

    /// Waits until uploads come to the first node again.
    async fn takes_files_again(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let before = self.cluster.tree(0)?.files.len();
            self.upload(5, 1000).await?;
            if self.cluster.tree(0)?.files.len() > before {
                return Ok(());
            }
            ensure!(begun.elapsed() < REPORTED, "it gets no files any more");
            // A node with more files than the other gets none for a while.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn restart(&mut self) -> Result<()> {
        self.cluster.kill_node(0).await?;
        self.cluster.start_node(0).await?;
        self.cluster.wait_available(2).await?;
        Ok(())
    }

    /// Repairs the volume and restarts its node: all is well again.
    async fn repaired(&mut self) -> Result<()> {
        self.cluster.kill_node(0).await?;
        self.volume.repair()?;
        self.cluster.start_node(0).await?;
        self.cluster.wait_available(2).await?;
        self.takes_files_again().await?;
        self.read_all().await?;
        self.clean().await
    }

    /// Waits until store and disks agree.
    async fn clean(&self) -> Result<()> {
        wait::until(REPORTED * 3, async || {
            let (code, out) = self.cluster.ask(&["fsck"]).await?;
            ensure!(code == 0, "fsck: {out}");
            Ok(())
        })
        .await
    }
}

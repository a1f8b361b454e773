//! `set-back`: the store is set back to backups of several moments, with both
//! engines, while the nodes go on. Nothing that was acknowledged and not deleted is
//! lost, and nothing that was deleted comes back (rule 17, invariants 2 and 8).

mod model;

use crate::cluster::{Cluster, Options};
use crate::mongo::Server;
use crate::report::table;
use crate::tree::{self, Tree};
use crate::wait;
use anyhow::{Context, Result, ensure};
use client::Status;
use model::Model;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Flags of `set-back`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// About how many files there are in the end.
    #[arg(long, default_value_t = 2_000)]
    pub files: usize,
    /// The engine; both unless given.
    #[arg(long)]
    pub engine: Option<Engine>,
}

/// Where the records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// One manager with its own store.
    Embedded,
    /// Two managers on one database.
    Mongodb,
}

/// When the backup is made.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Before a node joins, so that the backup knows none of its files.
    BeforeJoin,
    /// While files move to a node that joined.
    AmidMoves,
    /// While clients upload and delete.
    AmidTraffic,
    /// While a node is drained.
    AmidDrain,
}

const MOMENTS: [Moment; 4] = [
    Moment::BeforeJoin,
    Moment::AmidMoves,
    Moment::AmidTraffic,
    Moment::AmidDrain,
];

/// How long a balance, a drain or a recovery may take.
const SETTLE: Duration = Duration::from_secs(240);

/// Does the run and prints what came of it.
///
/// # Errors
/// At the first file that is lost, or that comes back.
pub async fn run(args: Args) -> Result<()> {
    let engines = match args.engine {
        Some(engine) => vec![engine],
        None => vec![Engine::Embedded, Engine::Mongodb],
    };
    let mut rows = Vec::new();
    for engine in engines {
        let mut run = Run::start(engine, args.files).await?;
        for moment in MOMENTS {
            let begun = Instant::now();
            let seen = run.round(moment).await;
            let seen = seen.with_context(|| format!("{engine:?}, {moment:?}"))?;
            eprintln!("{engine:?}, {moment:?}: {seen}");
            let seconds = format!("{:.1}", begun.elapsed().as_secs_f64());
            rows.push(vec![
                format!("{engine:?}"),
                format!("{moment:?}"),
                seconds,
                seen,
            ]);
        }
        run.cluster.stop().await?;
    }
    println!(
        "{}",
        table(&["engine", "backup", "s", "what was seen"], &rows)
    );
    println!("nothing acknowledged was lost, and nothing deleted came back");
    Ok(())
}

struct Run {
    // First, so that managers end before their database.
    cluster: Cluster,
    server: Option<Server>,
    model: Model,
    files: usize,
    rounds: usize,
    _folder: tempfile::TempDir,
}

impl Run {
    async fn start(engine: Engine, files: usize) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("set-back-")
            .tempdir_in(crate::cluster::binaries::scratch()?)?;
        let server = match engine {
            Engine::Embedded => None,
            Engine::Mongodb => Some(Server::start(folder.path()).await?),
        };
        let mut cluster = Cluster::prepare(Options {
            store: server.as_ref().map(|server| server.url("dfs")),
            ..Options::default()
        })?;
        cluster.start_manager().await?;
        let mut clients = vec![cluster.client()?];
        if engine == Engine::Mongodb {
            let other = cluster.add_manager().await?;
            clients.push(cluster.client_of(other)?);
        }
        for _ in 0..2 {
            cluster.add_node().await?;
        }
        let run = Self {
            cluster,
            server,
            model: Model::new(clients),
            files,
            rounds: 0,
            _folder: folder,
        };
        run.settled().await?;
        Ok(run)
    }

    fn names(&self, what: &str, count: usize) -> Vec<String> {
        (0..count)
            .map(|number| format!("{}-{what}-{number}", self.rounds))
            .collect()
    }

    async fn round(&mut self, moment: Moment) -> Result<String> {
        self.rounds += 1;
        let share = self.files / MOMENTS.len();
        self.model
            .put_all(self.names("before", share * 3 / 4))
            .await?;
        self.settled().await?;
        let backup = self
            .cluster
            .folder()
            .join(format!("backup-{}", self.rounds));
        self.back_up_at(moment, &backup, share).await?;
        self.model.put_all(self.names("after", share / 4)).await?;
        let churned = self.model.churn(13).await?;
        if let Moment::AmidDrain = moment {
            self.cluster.wait_drained("node-1", SETTLE).await?;
        }
        self.settled().await?;
        self.cluster.heard().await;

        self.set_back(&backup).await?;
        let status = self.settled().await?;
        let quarantined = status.quarantined;
        self.on_disk()?;
        let (code, told) = self.cluster.ask(&["quarantine", "adopt", "--all"]).await?;
        ensure!(code == 0 && told.contains(" 0 kept in"), "{told}");
        let there = self.model.all_are_there().await?;
        let gone = self.model.none_came_back().await?;
        if let Moment::AmidDrain = moment {
            let cancel = ["drain", "--node", "node-1", "--cancel"];
            self.cluster.ask(&cancel).await?;
        }
        self.settled().await?;
        self.nothing_is_missing().await?;
        self.cluster.wait_fsck_clean(SETTLE).await?;
        Ok(format!(
            "{there} files there ({quarantined} from quarantine), {gone} gone, {churned} changed"
        ))
    }

    /// Makes the backup at its moment.
    async fn back_up_at(&mut self, moment: Moment, backup: &Path, share: usize) -> Result<()> {
        match moment {
            Moment::BeforeJoin => {
                self.back_up(backup).await?;
                self.cluster.add_node().await?;
            }
            Moment::AmidMoves => {
                let index = self.cluster.add_node().await?;
                wait::until(SETTLE, async || {
                    let files = self.cluster.tree(index)?.files.len();
                    ensure!(files > share / 20, "{files} moved");
                    Ok(())
                })
                .await?;
                self.back_up(backup).await?;
            }
            Moment::AmidTraffic => {
                let (model, names) = (self.model.clone(), self.names("amid", share / 2));
                let traffic = async move {
                    model.put_all(names).await?;
                    model.churn(7).await
                };
                let backed_up = async {
                    // In the midst of the uploads.
                    let wanted = self.model.stored().len() + share / 8;
                    wait::until(SETTLE, async || {
                        ensure!(self.model.stored().len() >= wanted, "too early");
                        Ok(())
                    })
                    .await?;
                    self.back_up(backup).await
                };
                let (traffic, backed_up) = tokio::join!(traffic, backed_up);
                traffic?;
                backed_up?;
            }
            Moment::AmidDrain => {
                let full = self.cluster.tree(0)?.files.len();
                self.cluster.ask(&["drain", "--node", "node-1"]).await?;
                wait::until(SETTLE, async || {
                    let left = self.cluster.tree(0)?.files.len();
                    ensure!(left < full * 3 / 4, "{left} left");
                    Ok(())
                })
                .await?;
                self.back_up(backup).await?;
            }
        }
        Ok(())
    }

    async fn back_up(&mut self, to: &Path) -> Result<()> {
        match &mut self.server {
            Some(server) => server.copy_data(to).await,
            None => {
                // The manager stands still, so the copy is like a snapshot of the volume.
                let manager = self.cluster.manager()?;
                manager.signal(Signal::STOP)?;
                let copied = tree::copy_folder(&self.cluster.store(), to);
                manager.signal(Signal::CONT)?;
                copied
            }
        }
    }

    async fn set_back(&mut self, backup: &Path) -> Result<()> {
        if let Some(server) = &mut self.server {
            return server.switch(backup).await;
        }
        self.cluster.set_store_back(backup).await
    }

    /// Waits until every manager reports all nodes merged, nothing under way, no
    /// set-back and no absent store, and until the disks are balanced.
    async fn settled(&self) -> Result<Status> {
        let settled = |status: &Status| {
            let waits = status.set_back.is_some() || status.store_away.is_some();
            ensure!(!waits, "{status:?}");
            let all = status.nodes.len() == self.cluster.nodes.len();
            let merged = status.nodes.iter().all(|node| node.merged);
            let quiet = status.unsettled == 0 && status.is_balanced();
            ensure!(all && merged && quiet, "{status:?}");
            Ok(())
        };
        let last = self.every_manager(settled).await?;
        self.cluster.leader(SETTLE).await?;
        Ok(last)
    }

    /// Waits until each manager's `/status` is as wanted; gives the last one's.
    async fn every_manager(&self, wanted: impl Fn(&Status) -> Result<()>) -> Result<Status> {
        let mut last = Status::default();
        for at in 0..=self.cluster.others.len() {
            let asked = wait::until(SETTLE, async || {
                let status = self.cluster.client_at(at)?.status().await?;
                wanted(&status)?;
                Ok(status)
            });
            last = asked.await.with_context(|| format!("manager {at}"))?;
        }
        Ok(last)
    }

    /// No manager takes an adopted file for missing, whichever manager adopted it:
    /// the file would never move again.
    async fn nothing_is_missing(&self) -> Result<()> {
        let none = |status: &Status| {
            let missing = &status.missing;
            ensure!(missing.files == 0, "{missing:?}");
            Ok(())
        };
        self.every_manager(none).await.map(drop)
    }

    /// Every acknowledged file is on some disk, in the tree or in quarantine.
    fn on_disk(&self) -> Result<()> {
        let mut found = BTreeSet::new();
        for node in &self.cluster.nodes {
            for place in ["data", "quarantine"] {
                found.extend(Tree::walk(&node.folder.join(place))?.files.into_keys());
            }
        }
        let lost: Vec<_> = self.model.stored();
        let lost: Vec<_> = lost.iter().filter(|name| !found.contains(*name)).collect();
        ensure!(lost.is_empty(), "{} files are lost: {lost:?}", lost.len());
        Ok(())
    }
}

//! `managers`: two managers on one database, four nodes, and everything that
//! can go wrong between them; in the end every file is there, byte for byte.
//! Before it the store's behaviour suite runs on the same server.

mod by_name;
mod cut_off;
mod paused;
mod secured;
mod set_back;
mod stalled;
mod steady;
pub mod stuck;
mod suite;
mod swapped;
mod window;

use crate::cluster::{Cluster, Options};
use crate::files::Files;
use crate::library::refused;
use crate::mongo::Server;
use crate::report::table;
use crate::wait;
use anyhow::{Context, Result, bail, ensure};
use client::{Client, Code, Error, NodeState, Status};
use std::time::{Duration, Instant};

/// Flags of `managers`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many files are uploaded.
    #[arg(long, default_value_t = 10_000)]
    files: usize,
    /// How long the database is away, in seconds.
    #[arg(long, default_value_t = 20)]
    away: u64,
}

/// How long a balance, a drain or a recovery may take.
const SETTLE: Duration = Duration::from_secs(240);
/// What counts as at once while the database is away.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Within this time an absence is noticed, and a return too.
const NOTICED: Duration = Duration::from_secs(30);

/// Waits until this many nodes are available to a manager.
async fn sees(manager: &Client, nodes: usize, within: Duration) -> Result<()> {
    wait::until(within, async || {
        let status = manager.status().await?;
        ensure!(status.available() == nodes, "{status:?}");
        Ok(())
    })
    .await
}

/// Checks that a call is refused at once while the database is away, with a pause to wait for.
async fn refused_at_once<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<()> {
    let begun = Instant::now();
    let done = call.await;
    let took = begun.elapsed();
    ensure!(took < AT_ONCE, "{what} took {took:?}");
    let refusal = done.as_ref().err().and_then(Error::refusal);
    let pause = refusal.and_then(|refusal| refusal.retry_after);
    refused(done, Code::ServersUnavailable).context(what)?;
    ensure!(pause.is_some(), "{what}: no pause");
    Ok(())
}

/// Does the run and prints what came of it.
///
/// # Errors
/// At the first thing that is not as it should be.
pub async fn run(args: Args) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("managers-")
        .tempdir_in(crate::cluster::binaries::scratch()?)?;
    let mut server = Server::start(folder.path()).await?;
    suite::run(&server).await?;
    window::run(folder.path()).await?;
    let mut run = Run::start(&server).await?;
    run.fill(args.files).await?;
    run.steady_load(3).await?;
    run.files_that_stay(&server).await?;
    run.cut_one_manager_off(&server).await?;
    run.lose_a_manager_while_balancing().await?;
    run.pause_the_leader().await?;
    run.stalled_requests().await?;
    run.lose_the_database(&mut server, Duration::from_secs(args.away))
        .await?;
    run.swap_the_database(&mut server).await?;
    run.drain_cancel_and_drain().await?;
    run.fifth_node().await?;
    run.compare("compared").await?;
    run.set_back_the_database(&mut server).await?;
    run.compare("compared again").await?;
    run.lose_every_record(&mut server).await?;
    run.compare("compared once more").await?;
    run.cluster.stop().await?;
    run.found_by_name(&server).await?;
    run.secured_database(&server).await?;
    println!("{}", table(&["step", "s", "what was seen"], &run.rows));
    println!("every file is there, byte for byte, through both managers");
    Ok(())
}

struct Run {
    cluster: Cluster,
    files: Files,
    rows: Vec<Vec<String>>,
}

impl Run {
    async fn start(server: &Server) -> Result<Self> {
        let mut cluster = Cluster::prepare(Options {
            store: Some(server.url("dfs")),
            ..Options::default()
        })?;
        cluster.start_manager().await?;
        cluster.add_manager().await?;
        for _ in 0..3 {
            cluster.add_node().await?;
        }
        cluster.wait_available(3).await?;
        let clients = vec![cluster.client()?, cluster.client_of(0)?];
        sees(&clients[1], 3, NOTICED).await?;
        Ok(Self {
            cluster,
            files: Files::new(clients),
            rows: Vec::new(),
        })
    }

    fn tell(&mut self, step: &str, begun: Instant, seen: String) {
        eprintln!("{step}: {seen}");
        let seconds = format!("{:.1}", begun.elapsed().as_secs_f64());
        self.rows.push(vec![step.to_owned(), seconds, seen]);
    }

    /// Uploads through both managers, each of which counts files by itself:
    /// after the leader's next pass the nodes differ by one file at most.
    async fn fill(&mut self, files: usize) -> Result<()> {
        let begun = Instant::now();
        let rate = self.files.upload(files).await?;
        self.balanced(3).await?;
        let seen = format!("{files} files by 16 clients, {rate:.0}/s");
        self.tell("upload through both", begun, seen);
        Ok(())
    }

    /// Files that can't move, with a database of their own.
    async fn files_that_stay(&mut self, server: &Server) -> Result<()> {
        let begun = Instant::now();
        let seen = stuck::run(Some(server.url("stuck"))).await?;
        self.tell("files that can't move", begun, seen);
        Ok(())
    }

    /// Waits until the disks of the available nodes that stay differ by one
    /// file at most, and gives their counts.
    async fn balanced(&self, nodes: usize) -> Result<Vec<usize>> {
        wait::until(SETTLE, async || {
            let status = self.files.client(0).status().await?;
            let staying: Vec<_> = status
                .nodes
                .iter()
                .filter(|node| node.state == NodeState::Available)
                .map(|node| node.id.clone())
                .collect();
            ensure!(staying.len() == nodes, "{staying:?}");
            let mut counts = Vec::new();
            for (index, node) in self.cluster.nodes.iter().enumerate() {
                if staying.contains(&node.id) {
                    counts.push(self.cluster.tree(index)?.files.len());
                }
            }
            let skew = counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0);
            let quiet = status.moves.is_empty() && status.unsettled == 0;
            ensure!(skew <= 1 && quiet, "{counts:?} {status:?}");
            Ok(counts)
        })
        .await
    }

    /// The manager that reports files on the move.
    async fn leader_that_moves(&self) -> Result<usize> {
        self.one_that("moves files", |status| !status.moves.is_empty())
            .await
    }

    /// Waits until one of the managers is as wanted, and gives its number.
    async fn one_that(&self, wanted: &str, is: impl Fn(&Status) -> bool) -> Result<usize> {
        wait::until(SETTLE, async || {
            for at in 0..2 {
                if is(&self.files.manager(at).status().await?) {
                    return Ok(at);
                }
            }
            bail!("no manager {wanted}")
        })
        .await
    }

    /// Waits until a manager leads.
    async fn leads(&self, at: usize) -> Result<()> {
        wait::until(SETTLE, async || {
            let status = self.files.manager(at).status().await?;
            ensure!(status.leader, "{status:?}");
            Ok(())
        })
        .await
    }

    /// Waits until a manager says that the database is away, and why.
    async fn told_away(&self, at: usize, part: &str) -> Result<()> {
        wait::until(NOTICED, async || {
            let status = self.files.manager(at).status().await?;
            let told = status.store_away.as_deref();
            ensure!(told.is_some_and(|why| why.contains(part)), "{told:?}");
            Ok(())
        })
        .await
    }

    /// Waits until both managers report that nothing is under way.
    async fn quiet(&self) -> Result<()> {
        for at in 0..2 {
            wait::until(SETTLE, async || {
                let status = self.files.manager(at).status().await?;
                ensure!(
                    status.unsettled == 0 && status.moves.is_empty(),
                    "{status:?}"
                );
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// The leader is killed while a fourth node takes its share; the other
    /// manager takes over, and reads go on all the time.
    async fn lose_a_manager_while_balancing(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.cluster.add_node().await?;
        let leader = self.leader_that_moves().await?;
        self.cluster.kill_manager_at(leader).await?;
        self.files.read_some(1 - leader, 300).await?;
        self.files.only(1 - leader);
        self.leads(1 - leader).await?;
        self.cluster.start_manager_at(leader).await?;
        self.files.all();
        let counts = self.balanced(4).await?;
        self.tell(
            "leader killed in mid-balance",
            begun,
            format!("files per node {counts:?}"),
        );
        Ok(())
    }

    /// While the database is away uploads and deletes are refused at once, files that
    /// were read lately are still served, and `/status` and `/readyz` report it.
    async fn lose_the_database(&mut self, server: &mut Server, away: Duration) -> Result<()> {
        let begun = Instant::now();
        let client = self.files.client(0);
        // A move that ends later would turn a cached record into a stale one.
        self.quiet().await?;
        let cached = self.files.read_some(0, 50).await?;
        server.stop().await?;
        let stopped = Instant::now();
        self.told_away(0, "").await?;
        let ops = crate::wire::Client::new(self.cluster.ops());
        let ready = ops.call(http::Method::GET, "/readyz").await?.expect(200)?;
        let text = String::from_utf8_lossy(&ready.body).into_owned();
        ensure!(text.contains("away"), "/readyz says {text}");
        refused_at_once("upload", client.put("new", "x")).await?;
        refused_at_once("delete", self.files.delete(0)).await?;
        refused_at_once("read of what is not cached", client.get("none")).await?;
        let drain = self.cluster.ask(&["drain", "--node", "node-3"]).await;
        let told = drain.map_or_else(|error| format!("{error:#}"), |(_, told)| told);
        ensure!(told.contains("store does not answer"), "drain: {told}");
        let drains = client.status().await?.drains;
        ensure!(drains.is_empty(), "it held: {drains:?}");
        for number in &cached {
            self.files.read(0, *number).await?;
        }
        tokio::time::sleep(away.saturating_sub(stopped.elapsed())).await;
        server.restart().await?;
        let back = Instant::now();
        wait::until(NOTICED, async || {
            client.put("after the absence", "x").await?;
            Ok(())
        })
        .await?;
        let healed = back.elapsed();
        client.delete("after the absence").await?;
        let seen = format!(
            "{} cached files read meanwhile, uploads again {:.1} s after its return",
            cached.len(),
            healed.as_secs_f64()
        );
        self.tell("database away", begun, seen);
        Ok(())
    }

    /// A drain is begun, cancelled, and begun again; in the end node 2 holds
    /// nothing and no record lists it.
    async fn drain_cancel_and_drain(&mut self) -> Result<()> {
        let begun = Instant::now();
        let node = ["drain", "--node", "node-2"];
        self.cluster.ask(&node).await?;
        wait::until(SETTLE, async || {
            let left = self.cluster.tree(1)?.files.len();
            let whole = self.files.count() / 4;
            ensure!(left < whole * 9 / 10, "{left} left");
            Ok(())
        })
        .await?;
        let leads = self.cluster.leader(SETTLE).await? == 0;
        let (_, told) = self.cluster.ask(&["drains"]).await?;
        let named = told.contains("the manager that moves files is");
        ensure!(named != leads, "it leads: {leads}; {told}");
        self.cluster
            .ask(&["drain", "--node", "node-2", "--cancel"])
            .await?;
        self.balanced(4).await?;
        self.cluster.ask(&node).await?;
        self.files.upload(200).await?;
        let told = self.cluster.wait_drained("node-2", SETTLE).await?;
        ensure!(
            self.cluster.tree(1)?.files.is_empty(),
            "node 2 is not empty"
        );
        self.balanced(3).await?;
        self.tell("drained, cancelled, drained", begun, told.trim().to_owned());
        Ok(())
    }

    async fn fifth_node(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.cluster.add_node().await?;
        let counts = self.balanced(4).await?;
        let seen = format!("files per node {counts:?}, node 2 stays empty");
        self.tell("a fifth node joined", begun, seen);
        Ok(())
    }

    /// The database comes back empty: managers and nodes don't take it for
    /// theirs, nothing is deleted and nothing is called missing; a rebuild
    /// restores every record.
    async fn lose_every_record(&mut self, server: &mut Server) -> Result<()> {
        let begun = Instant::now();
        server.empty().await?;
        for at in 0..2 {
            self.told_away(at, "emptied").await?;
        }
        let client = self.files.client(0);
        refused(client.get("none").await, Code::ServersUnavailable)?;
        refused(client.put("new", "x").await, Code::ServersUnavailable)?;
        for at in 0..2 {
            self.cluster.kill_manager_at(at).await?;
        }
        let url = server.url("dfs");
        let grpc = self.cluster.grpc().to_string();
        let nodes = self.cluster.nodes.len().to_string();
        let args = [
            "rebuild", "--store", &url, "--grpc", &grpc, "--nodes", &nodes,
        ];
        let rebuild = self.cluster.manager_command(args).output(SETTLE).await?;
        let (status, told, log) = rebuild;
        ensure!(status.success(), "rebuild: {status}: {told}{log}");
        for at in 0..2 {
            self.cluster.start_manager_at(at).await?;
            let client = self.files.client(at);
            wait::until(NOTICED, async || {
                let status = client.status().await?;
                ensure!(
                    status.available() + 1 == self.cluster.nodes.len(),
                    "{status:?}"
                );
                Ok(())
            })
            .await?;
        }
        let seen = told.lines().last().unwrap_or_default().to_owned();
        self.tell("database emptied, rebuilt", begun, seen);
        Ok(())
    }

    async fn compare(&mut self, step: &str) -> Result<()> {
        let begun = Instant::now();
        let files = self.files.compare_all().await?;
        self.cluster.wait_fsck_clean(SETTLE).await?;
        let trees = self.cluster.trees()?;
        let largest = trees
            .iter()
            .map(|tree| tree.largest)
            .max()
            .context("no node")?;
        ensure!(largest <= 36, "a directory of {largest} entries");
        let on_disk: usize = trees.iter().map(|tree| tree.files.len()).sum();
        ensure!(
            on_disk == files,
            "{on_disk} files on the disks, {files} stored"
        );
        let seen = format!("{files} files compared, largest directory {largest}, fsck clean");
        self.tell(step, begun, seen);
        Ok(())
    }
}

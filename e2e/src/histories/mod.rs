//! `histories`: clients hammer a few names through two managers while nodes and
//! managers die, stand still, join and are drained; then every name's history
//! is checked for linearizability.

mod answers;
mod check;
mod clients;
mod excerpt;
mod faults;
mod history;
mod wire;

use crate::cluster::{Cluster, Options, SOON};
use crate::content;
use crate::mongo::Server;
use crate::wait;
use anyhow::{Context, Result, bail, ensure};
use client::Client;
use clients::Load;
use faults::Faults;
use history::Operation;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Flags of `histories`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long the clients are at work.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Names that they fight over.
    #[arg(long, default_value_t = 8)]
    names: usize,
    /// Clients at once.
    #[arg(long, default_value_t = 10)]
    clients: usize,
    /// Seed of the clients' and the faults' random choices [default: drawn and printed].
    #[arg(long)]
    seed: Option<u64>,
}

/// Files beside the hammered ones, so that there is always something to move.
const OTHERS: u64 = 400;
/// Combined with a file's number, the seed of its content.
const OTHERS_SEED: u64 = 1 << 40;
/// Nodes at the start.
const NODES: usize = 3;
/// Lines of an excerpt.
const LINES: usize = 60;

/// Does the run and prints what came of it.
///
/// # Errors
/// At a history that is not linearizable, with the part that shows it.
pub async fn run(args: Args) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("histories-")
        .tempdir_in(crate::cluster::binaries::scratch()?)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    match play(&args, seed, folder.path()).await {
        Ok(seen) => {
            println!("{seen}; every history is linearizable");
            Ok(())
        }
        Err(error) => {
            eprintln!(
                "seed {seed}; kept for inspection: {}",
                folder.keep().display()
            );
            Err(error)
        }
    }
}

async fn play(args: &Args, seed: u64, folder: &Path) -> Result<String> {
    let server = Server::start(folder).await?;
    let mut cluster = Cluster::prepare(Options {
        store: Some(server.url("dfs")),
        folder: Some(folder.to_owned()),
        ..Options::default()
    })?;
    // It lies in the folder of the run, and is removed or kept with that.
    cluster.keep();
    cluster.start_manager().await?;
    cluster.add_manager().await?;
    for _ in 0..NODES {
        cluster.add_node().await?;
    }
    let clients = vec![cluster.client()?, cluster.client_of(0)?];
    let addresses = vec![cluster.http(), cluster.others[0].http()];
    let load = Arc::new(Load::new(addresses, args.names));
    let mut faults = Faults::new(cluster, clients.clone(), seed);
    faults.settled().await?;
    store_others(&clients[0]).await?;

    let outcome = hammer(args, seed, &load, &mut faults).await;
    let histories = load.histories();
    let told = faults
        .told
        .iter()
        .map(|(at, what)| format!("{at:?} {what}\n"));
    std::fs::write(folder.join("faults.txt"), told.collect::<String>())?;
    for (name, history) in &histories {
        let text: String = history.iter().map(|one| format!("{one}\n")).collect();
        std::fs::write(folder.join(format!("{name}.txt")), text)?;
    }
    judge(&histories)?;
    outcome?;
    faults.cluster.wait_fsck_clean(SOON).await?;
    compare_others(&clients).await?;
    faults.cluster.stop().await?;
    Ok(tell(&load, &faults, &histories))
}

/// Runs the clients while everything goes wrong, waits until all is well again,
/// and reads each name once more.
async fn hammer(args: &Args, seed: u64, load: &Arc<Load>, faults: &mut Faults) -> Result<()> {
    let mut tasks = JoinSet::new();
    for client in 0..args.clients {
        tasks.spawn(load.clone().work(client, seed));
    }
    let within = Duration::from_secs(args.seconds);
    let all = async {
        tokio::join!(
            async { faults.run(within).await },
            tokio::time::sleep(within)
        )
    };
    let outcome = tokio::select! {
        (outcome, ()) = all => outcome,
        // Before `stop` a client ends only at a wrong answer.
        Some(ended) = tasks.join_next() => ended?.and_then(|()| bail!("a client stopped")),
    };
    load.stop();
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    outcome?;
    faults.settled().await?;
    load.last_look(args.clients).await
}

fn other(number: u64) -> (String, bytes::Bytes) {
    let bytes = content::bytes(OTHERS_SEED | number, 500 + number as usize);
    (format!("other-{number}"), bytes)
}

async fn store_others(client: &Client) -> Result<()> {
    for number in 0..OTHERS {
        let (name, bytes) = other(number);
        client.put(&name, bytes).await?;
    }
    Ok(())
}

/// The files that moved to and fro are still there, byte for byte, through each manager.
async fn compare_others(clients: &[Client]) -> Result<()> {
    for number in 0..OTHERS {
        let (name, bytes) = other(number);
        for client in clients {
            let read = async { client.get(&name).await?.bytes().await };
            let body = wait::at_most(SOON, read).await?;
            let body = body.with_context(|| name.clone())?;
            ensure!(body == bytes, "{name}: other bytes");
        }
    }
    Ok(())
}

/// Checks every history.
fn judge(histories: &[(String, Vec<Operation>)]) -> Result<()> {
    for (name, history) in histories {
        let Err(failed) = check::check(history) else {
            continue;
        };
        let shown = excerpt::excerpt(history, failed);
        let mut text = String::new();
        let hidden = shown.len().saturating_sub(LINES);
        for operation in &shown[hidden..] {
            writeln!(text, "{operation}")?;
        }
        bail!(
            "{name}: its history is not linearizable; of {} operations these show it \
             ({hidden} before them are left out), and nothing explains\n{}\n\n{text}",
            history.len(),
            history[failed]
        );
    }
    Ok(())
}

fn tell(load: &Load, faults: &Faults, histories: &[(String, Vec<Operation>)]) -> String {
    let counts = load.counts();
    let asked: u64 = counts.values().sum();
    let checked: usize = histories.iter().map(|(_, history)| history.len()).sum();
    let open = histories.iter().flat_map(|(_, history)| history);
    let open = open.filter(|operation| operation.effect.is_open()).count();
    let counts: Vec<String> = counts
        .iter()
        .map(|((call, word), count)| format!("{call:?} {word}: {count}"))
        .collect();
    let faults: Vec<String> = faults
        .counts
        .iter()
        .map(|(fault, count)| format!("{fault:?}: {count}"))
        .collect();
    format!(
        "{asked} requests ({}), faults ({}), {} names, {checked} operations checked, \
         {open} of unknown outcome",
        counts.join(", "),
        faults.join(", "),
        histories.len()
    )
}

//! `many`: a large number of real files, with deletes in between, while every
//! directory on every node is checked again and again (invariant 1).

use crate::cluster::Cluster;
use crate::content;
use crate::library::names;
use crate::report::{table, thousands};
use crate::tree::Tree;
use anyhow::{Context, Result, ensure};
use client::Client;
use rand_xoshiro::rand_core::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// Flags of `many`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files that are there at the end.
    #[arg(long, default_value_t = 200_000)]
    files: u64,
    /// Nodes that share them.
    #[arg(long, default_value_t = 2)]
    nodes: usize,
    /// Clients at once.
    #[arg(long, default_value_t = 64)]
    clients: usize,
}

/// Of a hundred uploads, how many are deleted again.
const DELETES: u64 = 10;

/// What the clients share.
#[derive(Debug, Default)]
struct Progress {
    next: AtomicU64,
    stored: AtomicU64,
    deleted: AtomicU64,
    ended: AtomicBool,
}

/// Does the run and prints what came of it.
///
/// # Errors
/// Where a directory held more than 36 entries or a file is missing.
pub async fn run(args: Args) -> Result<()> {
    let cluster = Cluster::start(args.nodes).await?;
    let progress = Arc::new(Progress::default());
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for seed in 0..args.clients {
        let (client, progress) = (cluster.client()?, Arc::clone(&progress));
        tasks.spawn(worker(client, progress, args.files, seed as u64));
    }
    let watch = watch(&cluster, &progress);
    let work = async {
        let mut outcome = Ok(());
        while let Some(task) = tasks.join_next().await {
            outcome = outcome.and(task.context("a client panicked").flatten());
        }
        progress.ended.store(true, Ordering::Relaxed);
        outcome
    };
    let (looks, worked) = tokio::join!(watch, work);
    worked?;
    let (looks, elapsed) = (looks?, start.elapsed());
    let deleted = progress.deleted.load(Ordering::Relaxed);
    let trees = cluster.trees()?;
    let counts: Vec<u64> = trees.iter().map(|tree| tree.files.len() as u64).collect();
    ensure!(
        counts.iter().sum::<u64>() == args.files,
        "{counts:?} files on disk"
    );
    let listed = names(&cluster.client()?).await?.len() as u64;
    ensure!(listed == args.files, "{listed} files listed");
    let largest = trees.iter().map(|tree| tree.largest).max().unwrap_or(0);
    let directories: usize = trees.iter().map(|tree| tree.directories).sum();
    let empty: usize = trees.iter().map(|tree| tree.empty_directories).sum();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let counts: Vec<String> = counts.iter().map(|&count| thousands(count)).collect();
    let rows = [
        row("files", thousands(args.files)),
        row("deleted meanwhile", thousands(deleted)),
        row("time", format!("{:.1} s", elapsed.as_secs_f64())),
        row("files per node", counts.join(", ")),
        row(
            "directories",
            format!("{}, {empty} empty", thousands(directories as u64)),
        ),
        row("largest directory", format!("{largest} entries")),
        row("looks at all directories meanwhile", looks.to_string()),
    ];
    println!("{}", table(&["", "value"], &rows));
    Ok(())
}

/// Uploads until enough are stored, and deletes some on the way.
async fn worker(client: Client, progress: Arc<Progress>, files: u64, seed: u64) -> Result<()> {
    let mut random = content::random(seed);
    loop {
        // Taken before the upload, so that the clients together never overshoot.
        if progress.stored.fetch_add(1, Ordering::Relaxed) >= files {
            progress.stored.fetch_sub(1, Ordering::Relaxed);
            return Ok(());
        }
        let number = progress.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("m{number}");
        client.put(&name, format!("content of {number}")).await?;
        if random.next_u64() % 100 < DELETES {
            client.delete(&name).await?;
            progress.deleted.fetch_add(1, Ordering::Relaxed);
            progress.stored.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Walks all trees until the work has ended; [`Tree::walk`] refuses a
/// directory with more than 36 entries.
async fn watch(cluster: &Cluster, progress: &Progress) -> Result<usize> {
    let folders: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| node.folder.join("data"))
        .collect();
    let mut looks = 0;
    while !progress.ended.load(Ordering::Relaxed) {
        let folders = folders.clone();
        let walk = move || folders.iter().map(|folder| Tree::walk(folder)).collect();
        let trees: Result<Vec<Tree>> = tokio::task::spawn_blocking(walk).await?;
        trees?;
        looks += 1;
        // Walking all the time would slow down the nodes that are checked.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    Ok(looks)
}

//! `pressure`: every route and size class by one client and by many, over both versions
//! of HTTP, and then a well-behaved client among many that are not. Every answer must be
//! right, no node may leave, and no process may exceed its bound in memory (invariant 9).

pub mod crowd;
pub mod routes;
pub mod wire;

use crate::cluster::{Cluster, Options};
use crate::load::{micros, new_histogram};
use crate::report::{mib, table};
use anyhow::{Context, Result, ensure};
use crowd::{Crowd, Numbers};
use routes::{Files, Verb, Work};
use std::time::{Duration, Instant};
use wire::{AsyncStep, Version, Wire, storm};

/// Flags of `pressure`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long the well-behaved client stays among the others.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Fewer requests of each kind, a smaller crowd, and less time.
    #[arg(long)]
    quick: bool,
    /// Only the crowd, or only what comes before it.
    #[arg(long)]
    only: Option<Part>,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Every route and size by many clients.
    Routes,
    /// One good client among many others.
    Crowd,
}

/// Sizes of files: none, small, the largest that travels as one message, the smallest
/// that does not, and larger ones.
const SIZES: [usize; 5] = [0, 1 << 10, 64 << 10, 65 << 10, 1 << 20];
/// The largest, by fewer clients.
const LARGEST: usize = 100 << 20;
const CLIENTS: [usize; 3] = [1, 64, 512];
/// What a process may have resident at the most.
const MANAGER_BOUND: u64 = 1 << 30;
const NODE_BOUND: u64 = 1 << 30;
/// How long the good client may wait, in 99 of 100 requests.
const BEARABLE: Duration = Duration::from_secs(3);
/// Files and connections of this process and its clients.
const DESCRIPTORS: u64 = 16_384;
const NODES: usize = 2;

/// Does the run and prints a table.
///
/// # Errors
/// Where any answer was wrong, a node left, a process grew too large, or the good
/// client was let down.
pub async fn run(args: Args) -> Result<()> {
    raise_descriptors()?;
    if args.only != Some(Part::Crowd) {
        every_route(args.quick).await.context("every route")?;
    }
    if args.only != Some(Part::Routes) {
        among_others(&args).await.context("among others")?;
    }
    Ok(())
}

fn raise_descriptors() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).context("raising the limit of files")
}

async fn start() -> Result<Cluster> {
    Cluster::start_with(Options {
        nodes: NODES,
        ..Options::default()
    })
    .await
}

async fn every_route(quick: bool) -> Result<()> {
    let cluster = start().await?;
    let mut rows = Vec::new();
    for size in SIZES {
        one_size(&cluster, size, &CLIENTS, &Verb::ALL, quick, &mut rows).await?;
    }
    let large = [Verb::Get, Verb::Range, Verb::Put];
    let clients: &[usize] = if quick { &[4] } else { &[1, 16] };
    one_size(&cluster, LARGEST, clients, &large, quick, &mut rows).await?;
    let head = [
        "bytes", "route", "HTTP", "clients", "requests", "time", "slowest",
    ];
    println!("{}", table(&head, &rows));
    whole(&cluster).await
}

async fn one_size(
    cluster: &Cluster,
    size: usize,
    clients: &[usize],
    verbs: &[Verb],
    quick: bool,
    rows: &mut Vec<Vec<String>>,
) -> Result<()> {
    let files = Files::new(size);
    let alone = Wire::open(Version::Http1, cluster.http(), 1).await?;
    files.store(&alone[0]).await?;
    for version in [Version::Http1, Version::Http2] {
        for &clients in clients {
            let wires = Wire::open(version, cluster.http(), clients).await?;
            for &verb in verbs {
                let steps = steps(size, clients, quick);
                let tag = format!("{version:?}-{clients}-{verb:?}");
                let work = Work {
                    verb,
                    files: files.clone(),
                    tag: tag.clone(),
                };
                let begun = Instant::now();
                let seen = storm(&wires, steps, work).await?;
                let seen = seen.clean();
                let seen = seen.with_context(|| format!("{tag} of {size} bytes"))?;
                rows.push(vec![
                    size.to_string(),
                    format!("{verb:?}"),
                    format!("{version:?}"),
                    clients.to_string(),
                    seen.good.to_string(),
                    format!("{:.2} s", begun.elapsed().as_secs_f64()),
                    format!("{:.2} s", seen.slowest.as_secs_f64()),
                ]);
            }
        }
    }
    whole(cluster).await
}

/// How many requests: each client makes a few, as far as the bytes allow.
fn steps(size: usize, clients: usize, quick: bool) -> u64 {
    let (each, bytes) = if quick { (2, 96 << 20) } else { (8, 1 << 30) };
    let most = (bytes / size.max(1)).max(4);
    (clients * each).clamp(4, 4096).min(most) as u64
}

/// No node has left, and no process is too large.
async fn whole(cluster: &Cluster) -> Result<()> {
    let log = std::fs::read_to_string(cluster.folder().join("manager.log"))?;
    let left = log.lines().find(|line| line.contains(" left "));
    ensure!(left.is_none(), "a node left: {left:?}");
    let available = cluster.client()?.status().await?.available();
    ensure!(available == NODES, "{available} nodes are available");
    let manager = cluster.manager()?.peak_memory()?;
    println!("manager {}", mib(manager));
    ensure!(manager < MANAGER_BOUND, "the manager had {}", mib(manager));
    for index in 0..NODES {
        let node = cluster.node(index)?.peak_memory()?;
        println!("node {index} {}", mib(node));
        ensure!(node < NODE_BOUND, "node {index} had {}", mib(node));
    }
    Ok(())
}

async fn among_others(args: &Args) -> Result<()> {
    let cluster = start().await?;
    let files = Files::new(1 << 10);
    let larger = Files::new(1 << 20);
    let good = Wire::open(Version::Http1, cluster.http(), 1).await?;
    for files in [&files, &larger] {
        files.store(&good[0]).await?;
    }
    let large = crate::content::bytes(7, 32 << 20);
    cluster.client()?.put("large", large).await?;
    let share = if args.quick { 4 } else { 1 };
    let numbers = Numbers {
        idle: 2000 / share,
        // Not fewer in a quick run, since they must outnumber a node's streams.
        readers: 500,
        writers: 500 / share,
        announcers: 300 / share,
    };
    let crowd = Crowd::gather(cluster.http(), "large", numbers);
    let seconds = if args.quick {
        args.seconds.min(20)
    } else {
        args.seconds
    };
    let (begun, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut latency = new_histogram()?;
    let mut failures = Vec::new();
    let mut number = 0;
    while begun.elapsed() < length {
        for verb in Verb::ALL {
            let files = if u64::is_multiple_of(number, 8) {
                &larger
            } else {
                &files
            };
            let work = Work {
                verb,
                files: files.clone(),
                tag: "good".to_owned(),
            };
            number += 1;
            let asked = Instant::now();
            if let Err(error) = work.run(&good[0], number).await {
                failures.push(format!("{verb:?}: {error:#}"));
            }
            latency.saturating_record(micros(asked.elapsed()));
        }
    }
    let open = crowd.open.load(std::sync::atomic::Ordering::Relaxed);
    let quantile = |q| Duration::from_micros(latency.value_at_quantile(q));
    println!(
        "among {open} others: {number} requests, {} failed, p50 {:?}, p99 {:?}, slowest {:?}",
        failures.len(),
        quantile(0.5),
        quantile(0.99),
        Duration::from_micros(latency.max()),
    );
    ensure!(failures.is_empty(), "the first: {}", failures[0]);
    ensure!(quantile(0.99) < BEARABLE, "p99 is {:?}", quantile(0.99));
    drop(crowd);
    whole(&cluster).await
}

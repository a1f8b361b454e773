//! `bench`: the service as processes under a closed loop, beside what the file
//! system itself can do, measured in the same run.

mod alike;
mod callers;
mod cells;
mod dfs;
mod limit;
mod shares;
mod tls;

pub use shares::hog;

use crate::cluster::binaries;
use crate::cluster::{Cluster, Options};
use crate::report;
use anyhow::{Context, Result};
use cells::{Cell, Content, Operation, Stage};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Flags of `bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Three seconds for each figure, 1 KiB and 10 MiB only.
    #[arg(long)]
    quick: bool,
    /// Seconds for each figure [default: 3 with --quick, else 10].
    #[arg(long)]
    seconds: Option<f64>,
    /// Numbers of nodes to measure, one run each.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    nodes: Vec<usize>,
    /// Sizes of files in bytes [default: 1024,10485760; without --quick also 65536].
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Numbers of clients [default: 1,64, and 1,4 from 1 MiB on; without --quick also 16].
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// Operations to measure.
    #[arg(long, value_delimiter = ',', value_enum,
          default_values_t = [Operation::Put, Operation::Post, Operation::Get])]
    only: Vec<Operation>,
    /// Measure what it costs that callers are known, and nothing else.
    #[arg(long)]
    callers: bool,
    /// Measure what TLS costs on the way to the nodes, and on the way of clients as well, and nothing else.
    #[arg(long, conflicts_with = "callers")]
    tls: bool,
    /// Measure what a client that fills its share costs another one, and nothing else.
    #[arg(long, conflicts_with_all = ["callers", "tls"])]
    shares: bool,
    /// Measure what dfs reaches of what the load generator does, and nothing else.
    #[arg(long, conflicts_with_all = ["callers", "tls", "shares"])]
    dfs: bool,
    /// With --dfs, how many small files are stored and fetched.
    #[arg(long, default_value_t = 10_000)]
    files: usize,
    /// With --dfs, MiB of the large file.
    #[arg(long, default_value_t = 20 << 10)]
    large_mib: u64,
    /// With --shares, leave the client that fills its share the same priority as the others.
    #[arg(long)]
    same_priority: bool,
    /// With --shares, what that client takes [default: each in turn].
    #[arg(long, value_delimiter = ',', value_enum)]
    attacks: Vec<hog::Attack>,
    /// Leave the limit of the file system out.
    #[arg(long)]
    no_limit: bool,
    /// Folder for the data [default: beside the build].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// More flags for the manager, separated by spaces.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    manager_args: String,
    /// More flags for each node, separated by spaces.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    node_args: String,
}

impl Args {
    fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(if self.quick { 3.0 } else { 10.0 }))
    }

    fn sizes(&self) -> Vec<usize> {
        match (self.sizes.is_empty(), self.quick) {
            (false, _) => self.sizes.clone(),
            (true, true) => vec![1 << 10, 10 << 20],
            (true, false) => vec![1 << 10, 64 << 10, 10 << 20],
        }
    }

    fn clients(&self, size: usize) -> Vec<usize> {
        match (self.clients.is_empty(), size >= 1 << 20, self.quick) {
            (false, _, _) => self.clients.clone(),
            (true, true, _) => vec![1, 4],
            (true, false, true) => vec![1, 64],
            (true, false, false) => vec![1, 16, 64],
        }
    }
}

/// Measures and prints tables.
pub async fn run(args: Args) -> Result<()> {
    // Built before anything is measured.
    binaries::find()?;
    if args.shares {
        shares::network::enter()?;
    }
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => binaries::scratch()?,
    };
    println!("{}\n", machine(&folder));
    if args.callers {
        println!("{}", callers::run(args.length(), &folder).await?);
        return Ok(());
    }
    if args.tls {
        println!("{}", tls::run(args.length(), &folder).await?);
        return Ok(());
    }
    if args.dfs {
        let plan = dfs::Plan {
            files: args.files,
            large: args.large_mib << 20,
        };
        println!("{}", dfs::run(plan, &folder).await?);
        return Ok(());
    }
    if args.shares {
        let plan = shares::Plan {
            length: args.length(),
            same_priority: args.same_priority,
            only: args.attacks.clone(),
            manager_args: words(&args.manager_args),
        };
        println!("{}", shares::run(&plan, &folder).await?);
        return Ok(());
    }
    for &nodes in &args.nodes {
        one_service(&args, nodes, &folder).await?;
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

async fn one_service(args: &Args, nodes: usize, folder: &Path) -> Result<()> {
    let mut options = Options {
        nodes,
        folder: Some(folder.to_owned()),
        ..Options::default()
    };
    options.manager_args = words(&args.manager_args);
    options.node_args = words(&args.node_args);
    let cluster = Cluster::start_with(options).await?;
    let mut rows = Vec::new();
    for size in args.sizes() {
        let stage = Stage::new(cluster.http(), Content::new(size), args.length());
        for &operation in &args.only {
            for clients in args.clients(size) {
                let limit = match operation.writes() && !args.no_limit {
                    true => Some(limit_of(size, clients, args.length(), folder).await?),
                    false => None,
                };
                let cell = Cell { operation, clients };
                eprintln!("… {} {} c={clients}", operation.title(), size_name(size));
                rows.push(measure(&cluster, &stage, cell, limit).await?);
            }
        }
        stage.clean().await?;
    }
    println!(
        "manager and {nodes} node(s), {} s each figure\n",
        args.length().as_secs_f64()
    );
    println!("{}", report::table(&HEAD, &rows));
    Ok(())
}

const HEAD: [&str; 11] = [
    "operation",
    "c",
    "op/s",
    "MB/s",
    "p50 ms",
    "p99 ms",
    "manager µs/op",
    "node µs/op",
    "client µs/op",
    "limit op/s",
    "ratio",
];

/// Two thirds of the time of a cell suffice for the limit, whose figure is steadier.
async fn limit_of(size: usize, threads: usize, length: Duration, folder: &Path) -> Result<f64> {
    let folder = folder.to_owned();
    let length = length.mul_f64(0.66);
    let task = tokio::task::spawn_blocking(move || limit::measure(&folder, size, threads, length));
    task.await.context("measuring the limit")?
}

async fn measure(
    cluster: &Cluster,
    stage: &Stage,
    cell: Cell,
    limit: Option<f64>,
) -> Result<Vec<String>> {
    let cpu = || -> Result<[Duration; 3]> {
        let mut nodes = Duration::ZERO;
        for index in 0..cluster.nodes.len() {
            nodes += cluster.node(index)?.cpu()?;
        }
        let own = std::process::id().cast_signed();
        Ok([
            cluster.manager()?.cpu()?,
            nodes,
            crate::cluster::process::cpu_of(own)?,
        ])
    };
    stage.prepare(cell).await?;
    let before = cpu()?;
    let run = stage.run(cell).await?;
    let after = cpu()?;
    if let (failed @ 1.., first) = &run.failures {
        eprintln!(
            "  {failed} failed, the first: {}",
            first.as_deref().unwrap_or_default()
        );
    }
    let each = |i: usize| {
        let used = after[i].saturating_sub(before[i]).as_secs_f64();
        format!("{:.0}", used * 1e6 / run.operations.max(1) as f64)
    };
    let rate = run.rate();
    let megabytes = rate * stage.size() as f64 / 1e6;
    let (limit, ratio) = match limit {
        Some(limit) => (format!("{limit:.0}"), format!("{:.2}", rate / limit)),
        None => (String::new(), String::new()),
    };
    let failed = if run.failures.0 > 0 {
        " (failures!)"
    } else {
        ""
    };
    Ok(vec![
        format!(
            "{} {}{failed}",
            cell.operation.title(),
            size_name(stage.size())
        ),
        cell.clients.to_string(),
        format!("{rate:.0}"),
        format!("{megabytes:.0}"),
        format!("{:.2}", run.quantile(0.5)),
        format!("{:.2}", run.quantile(0.99)),
        each(0),
        each(1),
        each(2),
        limit,
        ratio,
    ])
}

fn size_name(size: usize) -> String {
    match size {
        size if size >= 1 << 20 => format!("{} MiB", size >> 20),
        size if size >= 1 << 10 => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

fn machine(folder: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kind = rustix::fs::statfs(folder).map_or(0, |stat| stat.f_type);
    let system = match kind {
        0xef53 => "ext4".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683e => "btrfs".to_owned(),
        0x0102_1994 => "tmpfs (memory: flushes are free, the limit means nothing)".to_owned(),
        other => format!("file system {other:#x}"),
    };
    format!("{cores} cores, Linux {}, {system}", kernel.trim())
}

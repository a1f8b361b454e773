//! `sources`: real input. Every file under the local cargo registry's sources
//! goes in over all routes and comes out with the same SHA-256 sum, while one
//! node is killed and restarted and a fourth joins.

mod files;
mod transfer;

use crate::cluster::binaries;
use crate::cluster::{Cluster, Launch, Options, SOON};
use crate::library;
use crate::report::{mib, table, thousands};
use crate::tree::{self, Tree};
use crate::wait;
use anyhow::{Context, Result, ensure};
use client::Status;
use files::Source;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use transfer::{Transfer, download_all, upload_all};

/// Flags of `sources`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder whose files are uploaded [default: $CARGO_HOME/registry/src].
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Clients at once.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// The least number of files; with fewer the run fails.
    #[arg(long, default_value_t = 5000)]
    min_files: usize,
    /// At most this many files, spread over all.
    #[arg(long)]
    max_files: Option<usize>,
    /// At most this many bytes.
    #[arg(long)]
    max_bytes: Option<u64>,
    /// More flags for the manager, separated by spaces; a higher throttle of moves
    /// fills the fourth node faster.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    manager_args: String,
}

/// Time for the fourth node to get its share.
const BALANCE: Duration = Duration::from_secs(600);

/// Does the run and prints what came of it.
///
/// # Errors
/// On any difference.
pub async fn run(args: Args) -> Result<()> {
    binaries::find()?;
    let root = match &args.folder {
        Some(folder) => folder.clone(),
        None => files::registry()?,
    };
    let all = files::collect(&root, args.min_files)?;
    let (max_files, max_bytes) = (args.max_files, args.max_bytes);
    let sources = files::choose(all, max_files.unwrap_or(usize::MAX), max_bytes);
    ensure!(
        sources.len() >= args.min_files,
        "only {} files chosen",
        sources.len()
    );
    let sources = Arc::new(sources);
    let rows = processes(&args, Arc::clone(&sources)).await?;
    println!("Separate processes, one node killed and restarted, a fourth joined:\n");
    println!("{}", table(&["", "value"], &rows));
    let few: Vec<Source> = sources.iter().step_by(10).cloned().collect();
    let rows = standalone(Arc::new(few), args.clients).await?;
    println!("`manager standalone`, stopped and started again between upload and download:\n");
    println!("{}", table(&["", "value"], &rows));
    println!("every SHA-256 sum is equal");
    Ok(())
}

async fn processes(args: &Args, sources: Arc<Vec<Source>>) -> Result<Vec<Vec<String>>> {
    let words = args
        .manager_args
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let options = Options {
        manager_args: words,
        ..Options::default()
    };
    let mut cluster = Cluster::start_with(options).await?;
    let start = Instant::now();
    let transfer = Transfer::new(cluster.http(), Arc::clone(&sources))?;
    let upload = tokio::spawn(upload_all(transfer.clone(), args.clients));
    let total = sources.len();
    let soon = Duration::from_secs(600);
    transfer.reached(total / 4, soon).await?;
    cluster.kill_node(1).await?;
    transfer.reached(total / 2, soon).await?;
    cluster.start_node(1).await?;
    transfer.reached(total * 5 / 8, soon).await?;
    cluster.add_node().await?;
    upload.await.context("uploading")??;
    let uploaded = start.elapsed();
    let again = Instant::now();
    // The fourth node is still being filled: these reads coincide with moves.
    cluster.wait_available(4).await?;
    download_all(transfer.clone(), args.clients).await?;
    let downloaded = again.elapsed();
    let balanced = |s: &Status| s.available() == 4 && s.is_balanced();
    let status = cluster
        .wait_status("a balanced service", BALANCE, balanced)
        .await?;
    let moved = again.elapsed();
    ensure!(
        status.files as usize == total,
        "/status counts {} files",
        status.files
    );
    let trees = cluster.trees()?;
    check_trees(&trees, total)?;
    download_all(transfer.clone(), args.clients).await?;
    let mut rows = summary(&sources, &trees, uploaded, downloaded);
    let retries = transfer.retries();
    rows.push(row(
        "uploads and downloads repeated after 503",
        thousands(retries),
    ));
    rows.push(row(
        "balanced after",
        format!("{:.1} s", moved.as_secs_f64()),
    ));
    Ok(rows)
}

async fn standalone(sources: Arc<Vec<Source>>, clients: usize) -> Result<Vec<Vec<String>>> {
    let binaries = binaries::find()?;
    let folder = tempfile::Builder::new()
        .prefix("standalone-")
        .tempdir_in(binaries::scratch()?)?;
    let data = folder.path().join("data-of-all");
    let mut args = vec!["standalone".into(), "--data".into(), data.clone().into()];
    for port in ["--http", "--grpc", "--ops"] {
        args.extend([port.into(), "127.0.0.1:0".into()]);
    }
    let stderr = folder.path().join("log");
    let launch = Launch {
        program: binaries.manager,
        args,
        env: Vec::new(),
        stderr,
    };
    let process = launch.start().await?;
    let begun = Instant::now();
    let transfer = Transfer::new(process.address("http")?, Arc::clone(&sources))?;
    upload_all(transfer, clients).await?;
    let uploaded = begun.elapsed();
    let status = process.terminate(SOON).await?;
    ensure!(status.success(), "standalone ended with {status}");
    let process = launch.start().await?;
    let transfer = Transfer::new(process.address("http")?, Arc::clone(&sources))?;
    let begun = Instant::now();
    download_all(transfer, clients).await?;
    let downloaded = begun.elapsed();
    // A file that a node counts already, and whose answer is still on its way, is counted twice
    // for a moment: placement is two apart then, and moves even that out.
    let client = library::once(process.address("http")?, None)?;
    wait::until(BALANCE, async || {
        let status = client.status().await?;
        ensure!(status.is_balanced(), "{status:?}");
        Ok(())
    })
    .await
    .with_context(|| process.log())?;
    let trees: Result<Vec<Tree>> = tree::find_data(&data)?
        .iter()
        .map(|path| Tree::walk(path))
        .collect();
    let trees = trees?;
    check_trees(&trees, sources.len()).with_context(|| process.log())?;
    process.terminate(SOON).await?;
    Ok(summary(&sources, &trees, uploaded, downloaded))
}

fn check_trees(trees: &[Tree], total: usize) -> Result<()> {
    let counts: Vec<usize> = trees.iter().map(|tree| tree.files.len()).collect();
    ensure!(
        counts.iter().sum::<usize>() == total,
        "{counts:?} files on disk, not {total}"
    );
    let (least, most) = (counts.iter().min(), counts.iter().max());
    let even = most
        .zip(least)
        .is_some_and(|(most, least)| most - least <= 1);
    ensure!(even, "not balanced on disk: {counts:?}");
    Ok(())
}

fn summary(
    sources: &[Source],
    trees: &[Tree],
    uploaded: Duration,
    downloaded: Duration,
) -> Vec<Vec<String>> {
    let bytes = sources.iter().map(|source| source.size).sum();
    let counts: Vec<String> = trees
        .iter()
        .map(|t| thousands(t.files.len() as u64))
        .collect();
    let largest = trees.iter().map(|tree| tree.largest).max().unwrap_or(0);
    vec![
        row("files", thousands(sources.len() as u64)),
        row("bytes", format!("{} ({})", thousands(bytes), mib(bytes))),
        row("upload", format!("{:.1} s", uploaded.as_secs_f64())),
        row(
            "download and compare",
            format!("{:.1} s", downloaded.as_secs_f64()),
        ),
        row("files per node", counts.join(", ")),
        row("largest directory", format!("{largest} entries")),
    ]
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

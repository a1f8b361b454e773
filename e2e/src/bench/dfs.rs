//! What `dfs` reaches of what the load generator does on the same machine: many small
//! files and a large one, stored and fetched in turns, and the memory that it takes.

use super::alike;
use super::cells::{Cell, Content, Operation, Stage};
use crate::cluster::{Cluster, Options, binaries, peak_memory_of};
use crate::report::{self, mib, thousands};
use crate::wire::{Body, Connection, Pieces};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often small files are measured, of which the middle one counts; the large one takes
/// minutes, and is measured once.
const ROUNDS: usize = 3;
/// Bytes of a small file, and how many are under way at once.
const SMALL: usize = 4 << 10;
const JOBS: usize = 16;
/// ext4 passes over inodes that were freed in the last five seconds, one by one: files that are
/// made right after many were deleted take several times as long.
const DELETED: Duration = Duration::from_secs(6);
/// How often the memory of `dfs` is read.
const SAMPLE: Duration = Duration::from_millis(20);
static PIECE: [u8; 1 << 20] = [0; 1 << 20];

/// How much is stored and fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) files: usize,
    pub(super) large: u64,
}

/// One round: seconds of the load generator and of `dfs`, and the peak memory of `dfs`.
#[derive(Debug, Clone, Copy)]
struct Round {
    load: f64,
    dfs: f64,
    peak: u64,
}

/// Measures, and returns the table.
pub(super) async fn run(plan: Plan, folder: &Path) -> Result<String> {
    let cluster = Cluster::start_with(Options {
        nodes: 1,
        folder: Some(folder.to_owned()),
        ..Options::default()
    })
    .await?;
    let bench = Bench {
        dfs: binaries::find()?.dfs,
        folder: cluster.folder().join("files"),
        cluster,
    };
    std::fs::create_dir(&bench.folder)?;
    let mut rows = Vec::new();
    let small = format!(
        "{} of {}",
        thousands(plan.files as u64),
        super::size_name(SMALL)
    );
    let [put, get, alike] = bench.small(plan.files).await?;
    for (what, rounds) in [
        (format!("put {small}"), put),
        (format!("get {small}"), get),
        (format!("get {small}, both save and flush them"), alike),
    ] {
        rows.push(row(&what, plan.files as f64, "files/s", rounds));
    }
    let large = format!("one of {}", mib(plan.large));
    let [put, get, alike] = bench.large(plan.large).await?;
    let megabytes = plan.large as f64 / 1e6;
    for (what, round) in [
        (format!("put {large}"), put),
        (format!("get {large}"), get),
        (format!("get {large}, both compute its digest"), alike),
    ] {
        rows.push(row(&what, megabytes, "MB/s", vec![round]));
    }
    let head = [
        "what",
        "load generator",
        "dfs",
        "ratio",
        "peak memory of dfs",
    ];
    Ok(report::table(&head, &rows))
}

/// The middle one by its ratio.
fn row(what: &str, amount: f64, unit: &str, mut rounds: Vec<Round>) -> Vec<String> {
    rounds.sort_by(|a, b| (a.load / a.dfs).total_cmp(&(b.load / b.dfs)));
    let middle = rounds[rounds.len() / 2];
    let peak = rounds.iter().map(|round| round.peak).max().unwrap_or(0);
    let rate = |seconds: f64| format!("{:.0} {unit}", amount / seconds);
    vec![
        what.to_owned(),
        rate(middle.load),
        rate(middle.dfs),
        format!("{:.2}", middle.load / middle.dfs),
        mib(peak),
    ]
}

struct Bench {
    cluster: Cluster,
    dfs: PathBuf,
    /// Where `dfs` finds and puts files.
    folder: PathBuf,
}

impl Bench {
    /// Rounds of storing and of fetching small files.
    async fn small(&self, files: usize) -> Result<[Vec<Round>; 3]> {
        let address = self.cluster.http();
        let content = Content::new(SMALL);
        let [mut put, mut get, mut alike] = [const { Vec::new() }; 3];
        let jobs = JOBS.to_string();
        for round in 0..ROUNDS {
            let name = format!("round-{round}");
            let from = self.folder.join(&name);
            std::fs::create_dir(&from)?;
            for file in 0..files {
                std::fs::write(from.join(format!("{file:06}")), content.raw(file as u64))?;
            }
            let stage = Stage::new(address, Content::new(SMALL), Duration::from_secs(600));
            let cell = |operation| Cell {
                operation,
                clients: JOBS,
            };
            let load = stage.some(cell(Operation::Put), files).await?;
            let (dfs, peak) = self.dfs(&["put", "-r", "--jobs", &jobs, &name]).await?;
            put.push(Round { load, dfs, peak });
            let load = stage.some(cell(Operation::Get), files).await?;
            let into = format!("fetched-{round}");
            let args = ["get", "-r", "--jobs", &jobs, &name, "--output", &into];
            let (dfs, peak) = self.dfs(&args).await?;
            get.push(Round { load, dfs, peak });
            let into = self.folder.join(into);
            let fetched = std::fs::read_dir(into.join(&name))?.count();
            ensure!(fetched == files, "{fetched} files came back");
            let own = into.join("own");
            let load = alike::saved(address, &name, files, JOBS, &own).await?;
            alike.push(Round { load, dfs, peak });
            stage.clean().await?;
            self.dfs(&["rm", "-r", "--yes", &name]).await?;
            std::fs::remove_dir_all(&from)?;
            std::fs::remove_dir_all(&into)?;
            tokio::time::sleep(DELETED).await;
        }
        Ok([put, get, alike])
    }

    /// Stores and fetches a large file.
    async fn large(&self, size: u64) -> Result<[Round; 3]> {
        // Holes, so that no disk is read.
        std::fs::File::create(self.folder.join("large"))?.set_len(size)?;
        let address = self.cluster.http();
        let stored = store(address, size).await?;
        let fetched = fetch(address, size, |_| {}).await?;
        let mut hash = Sha256::new();
        let digested = fetch(address, size, |bytes| hash.update(bytes)).await?;
        black_box(hash.finalize());
        self.dfs(&["rm", "load"]).await?;
        rests().await?;
        let (put, put_peak) = self.dfs(&["put", "large"]).await?;
        rests().await?;
        let (get, get_peak) = self.dfs(&["cat", "large"]).await?;
        self.dfs(&["rm", "large"]).await?;
        let round = |load, dfs, peak| Round { load, dfs, peak };
        Ok([
            round(stored, put, put_peak),
            round(fetched, get, get_peak),
            round(digested, get, get_peak),
        ])
    }

    /// Runs `dfs`; returns the seconds that it took and its peak memory.
    async fn dfs(&self, args: &[&str]) -> Result<(f64, u64)> {
        let begun = Instant::now();
        let mut child = tokio::process::Command::new(&self.dfs)
            .args(args)
            .args(["--quiet", "--url", &self.cluster.client()?.url()])
            .current_dir(&self.folder)
            .stdout(std::process::Stdio::null())
            .spawn()?;
        let pid = child.id().context("it has ended")? as i32;
        let mut peak = 0;
        let mut samples = tokio::time::interval(SAMPLE);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                _ = samples.tick() => {
                    // It may have ended.
                    peak = peak_memory_of(pid).unwrap_or(peak);
                }
            }
        };
        ensure!(status.success(), "dfs {args:?}: {status}");
        Ok((begun.elapsed().as_secs_f64(), peak))
    }
}

/// Waits until the disk has what was written before, which the next one would pay for.
async fn rests() -> Result<()> {
    Ok(tokio::task::spawn_blocking(rustix::fs::sync).await?)
}

/// Seconds of the load generator for a file of zeros.
async fn store(address: SocketAddr, size: u64) -> Result<f64> {
    rests().await?;
    let mut connection = Connection::open(address).await?;
    let begun = Instant::now();
    let piece = PIECE.len() as u64;
    let pieces = (0..size.div_ceil(piece)).map(move |at| {
        let left = usize::try_from(size - at * piece).unwrap_or(usize::MAX);
        Ok(Bytes::from_static(&PIECE[..left.min(PIECE.len())]))
    });
    let body = Body::stream(futures::stream::iter(pieces));
    let request = Request::put("/file/load").header(CONTENT_LENGTH, size);
    let request = request.body(body)?;
    connection.send(request).await?.expect(201)?;
    Ok(begun.elapsed().as_secs_f64())
}

/// The same to fetch it, and do something with its bytes.
async fn fetch(address: SocketAddr, size: u64, mut with: impl FnMut(&Bytes)) -> Result<f64> {
    rests().await?;
    let mut connection = Connection::open(address).await?;
    let begun = Instant::now();
    let request = Request::get("/file/load").body(Pieces::empty().into())?;
    let mut body = connection.start(request).await?.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            bytes += data.len() as u64;
            with(data);
        }
    }
    ensure!(bytes == size, "{bytes} bytes came back");
    Ok(begun.elapsed().as_secs_f64())
}

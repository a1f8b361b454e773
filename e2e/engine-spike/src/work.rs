//! The workloads: durable commits by many writers, a load of small records in
//! random name order, and reads after a restart.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{mpsc, oneshot};

use crate::engines::{self, Engine, Pair};

/// Figures of one run, by name; printed by the child, read by the parent.
pub type Figures = BTreeMap<String, f64>;

/// Most records that the committer takes into one transaction.
const MAX_BATCH: usize = 1024;

/// splitmix64: names and contents without keeping a list of them.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The name of record `i`: 24 bytes in random order.
fn name(i: u64) -> Vec<u8> {
    format!("file-{:016x}.md", mix(i)).into_bytes()
}

/// `len` bytes, half of them as incompressible as ids and checksums are.
fn value(i: u64, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len / 2 {
        out.extend_from_slice(&mix(i ^ (out.len() as u64) << 40).to_le_bytes());
    }
    out.resize(len, b'a');
    out
}

fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime)
        .try_into()
        .expect("CPU time is positive")
}

/// A line of /proc/self/status, in MiB.
fn status(field: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        / 1024.0
}

type Wish = (Pair, oneshot::Sender<()>);

/// Group commit: whatever waits when the last commit is through goes together.
fn committer(engine: &dyn Engine, mut wishes: mpsc::Receiver<Wish>) -> Result<u64> {
    let mut commits = 0;
    while let Some(first) = wishes.blocking_recv() {
        let (mut batch, mut waiting) = (vec![first.0], vec![first.1]);
        while batch.len() < MAX_BATCH
            && let Ok((pair, reply)) = wishes.try_recv()
        {
            batch.push(pair);
            waiting.push(reply);
        }
        engine.commit(&batch)?;
        commits += 1;
        for reply in waiting {
            let _ = reply.send(());
        }
    }
    Ok(commits)
}

/// `writers` each insert a new record of 1 KiB and then overwrite it, as an
/// upload does, for `seconds`.
pub fn commits(
    name_of: &str,
    dir: &Path,
    writers: u64,
    seconds: f64,
    seed: u64,
) -> Result<Figures> {
    let engine: Arc<dyn Engine> = engines::open(name_of, dir, false)?.into();
    let (tx, rx) = mpsc::channel::<Wish>(MAX_BATCH);
    let worker = {
        let engine = engine.clone();
        std::thread::spawn(move || committer(engine.as_ref(), rx))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let (start, cpu_before) = (Instant::now(), cpu());
    let mut latencies = runtime.block_on(async {
        let mut tasks = Vec::new();
        for writer in 0..writers {
            let tx = tx.clone();
            tasks.push(tokio::spawn(async move {
                let mut took = Vec::new();
                for i in 0.. {
                    if start.elapsed().as_secs_f64() > seconds {
                        break;
                    }
                    let n = seed << 48 | writer << 32 | i / 2;
                    let begun = Instant::now();
                    let (reply, done) = oneshot::channel();
                    tx.send(((name(n), value(n + i, 1024)), reply)).await.ok();
                    if done.await.is_err() {
                        break;
                    }
                    took.push(begun.elapsed());
                }
                took
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.expect("writers don't panic"));
        }
        all
    });
    let (wall, spent) = (
        start.elapsed().as_secs_f64(),
        (cpu() - cpu_before).as_secs_f64(),
    );
    drop(tx);
    let commits = worker.join().expect("the committer doesn't panic")?;
    // Not closed: the process is about to be killed, and the next opening recovers.
    std::mem::forget(engine);
    latencies.sort_unstable();
    let n = latencies.len() as f64;
    let at = |q: f64| latencies[((n - 1.0) * q) as usize].as_secs_f64() * 1e3;
    Ok(Figures::from([
        ("per_s".into(), n / wall),
        ("p50_ms".into(), at(0.5)),
        ("p99_ms".into(), at(0.99)),
        ("max_ms".into(), at(1.0)),
        ("cpu_us".into(), spent * 1e6 / n),
        ("per_commit".into(), n / commits as f64),
        ("rss_mib".into(), status("VmRSS")),
        ("anon_mib".into(), status("RssAnon")),
    ]))
}

/// Loads `records` small records in random name order, in sorted batches.
pub fn load(name_of: &str, dir: &Path, records: u64) -> Result<Figures> {
    let engine = engines::open(name_of, dir, true)?;
    let start = Instant::now();
    const BATCH: u64 = 200_000;
    for first in (0..records).step_by(BATCH as usize) {
        let mut batch: Vec<Pair> = (first..(first + BATCH).min(records))
            .map(|i| (name(i), value(i, 226)))
            .collect();
        batch.sort_unstable();
        engine
            .load(&batch)
            .with_context(|| format!("load at {first}"))?;
    }
    engine.finish_load()?;
    drop(engine);
    Ok(Figures::from([(
        "load_s".into(),
        start.elapsed().as_secs_f64(),
    )]))
}

/// Opens, reads one record, then measures point and page reads.
pub fn reads(name_of: &str, dir: &Path, records: u64, seconds: f64) -> Result<Figures> {
    let start = Instant::now();
    let engine = engines::open(name_of, dir, false)?;
    engine.get(&name(7))?.context("record 7 is missing")?;
    let open = start.elapsed().as_secs_f64();
    let mut figures = Figures::from([("open_s".into(), open)]);
    let mut run = |what: &str, one: &dyn Fn(u64) -> Result<()>| -> Result<()> {
        for i in 0..20_000 {
            one(mix(i ^ 77) % records)?; // warm
        }
        let (begun, cpu_before, mut n) = (Instant::now(), cpu(), 0u64);
        while begun.elapsed().as_secs_f64() < seconds {
            for _ in 0..50 {
                one(mix(n) % records)?;
                n += 1;
            }
        }
        figures.insert(
            format!("{what}_per_s"),
            n as f64 / begun.elapsed().as_secs_f64(),
        );
        figures.insert(
            format!("{what}_cpu_us"),
            (cpu() - cpu_before).as_secs_f64() * 1e6 / n as f64,
        );
        Ok(())
    };
    run("get", &|i| {
        engine
            .get(&name(i))?
            .map(drop)
            .context("a record is missing")
    })?;
    run("page", &|i| engine.page(&name(i), 100).map(drop))?;
    figures.insert("read_rss_mib".into(), status("VmRSS"));
    figures.insert("read_anon_mib".into(), status("RssAnon"));
    Ok(figures)
}

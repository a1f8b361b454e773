//! Placement and balance: max − min ≤ 1 on the disks, few moves, and reads that
//! never miss (invariants 4 to 6).

use anyhow::{Result, ensure};
use client::{Client, Code, Status};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::library::refused;
use e2e::{content, wait};
use futures::TryStreamExt;
use rand_xoshiro::rand_core::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Uploads `f0` … by 64 clients.
async fn fill(client: &Client, from: usize, count: usize) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(from));
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= from + count {
                    return anyhow::Ok(());
                }
                client.put(&format!("f{i}"), data(i)).await?;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

fn data(i: usize) -> bytes::Bytes {
    content::bytes(i as u64, 100 + i % 400)
}

fn skew(counts: impl Iterator<Item = usize> + Clone) -> usize {
    counts.clone().max().unwrap_or(0) - counts.min().unwrap_or(0)
}

/// Which node holds which file, from the listing.
async fn places(client: &Client) -> Result<BTreeMap<String, String>> {
    let files = client.list("");
    let places = files.map_ok(|file| (file.file.filename, file.node));
    Ok(places.try_collect().await?)
}

fn settled(status: &Status, nodes: usize) -> bool {
    let counts = status.nodes.iter().map(|node| node.files as usize);
    status.available() == nodes && skew(counts) <= 1 && status.moves.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_10000_uploads_by_64_clients_the_disks_differ_by_one_at_most() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    fill(&cluster.client()?, 0, 10_000).await?;
    // What many uploads at once leave uneven, the leader's next pass evens out.
    wait::until(SOON, async || {
        let counts: Vec<usize> = cluster
            .trees()?
            .iter()
            .map(|tree| tree.files.len())
            .collect();
        ensure!(counts.iter().sum::<usize>() == 10_000, "{counts:?}");
        ensure!(skew(counts.iter().copied()) <= 1, "{counts:?}");
        Ok(())
    })
    .await?;
    let status = cluster.client()?.status().await?;
    assert_eq!(
        (status.files, status.skew <= 1),
        (10_000, true),
        "{status:?}"
    );
    Ok(())
}

/// Reads random files until `stop` is set; anything but the right bytes is an error.
async fn read_on(client: Client, files: usize, stop: Arc<AtomicBool>, seed: u64) -> Result<usize> {
    let (mut random, mut reads) = (content::random(seed), 0);
    while !stop.load(Ordering::Relaxed) {
        let i = random.next_u64() as usize % files;
        let body = client.get(&format!("f{i}")).await?.bytes().await?;
        ensure!(body == data(i), "f{i}: other bytes");
        reads += 1;
    }
    Ok(reads)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joining_node_takes_its_share_and_no_more_while_clients_go_on() -> Result<()> {
    const FILES: usize = 3000;
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    fill(&client, 0, FILES).await?;
    let before = places(&client).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for seed in 0..4 {
        readers.spawn(read_on(client.clone(), FILES, Arc::clone(&stop), seed));
    }
    cluster.add_node().await?;
    let within = Duration::from_secs(180);
    cluster
        .wait_status("a balanced service", within, |s| settled(s, 3))
        .await?;
    stop.store(true, Ordering::Relaxed);
    let mut reads = 0;
    while let Some(reader) = readers.join_next().await {
        reads += reader??;
    }
    assert!(reads > 0);
    let after = places(&client).await?;
    let moved: Vec<_> = before
        .iter()
        .filter(|(name, node)| after.get(*name) != Some(node))
        .collect();
    assert!(moved.len() <= FILES.div_ceil(3), "{} moves", moved.len());
    assert!(
        moved.iter().all(|(name, _)| after[*name] == "node-3"),
        "only to the new node"
    );
    let counts: Vec<usize> = cluster
        .trees()?
        .iter()
        .map(|tree| tree.files.len())
        .collect();
    assert_eq!(
        counts.iter().sum::<usize>(),
        FILES,
        "no copy left over: {counts:?}"
    );
    assert!(skew(counts.iter().copied()) <= 1, "{counts:?}");
    // The listing states where the bytes lie (invariant 5).
    for (index, tree) in cluster.trees()?.iter().enumerate() {
        for name in tree.files.keys() {
            assert_eq!(after[name], cluster.nodes[index].id, "{name}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_and_deletes_during_moves_keep_the_balance() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    fill(&client, 0, 1500).await?;
    let (writer, deleter) = (client.clone(), client.clone());
    cluster.add_node().await?;
    cluster.add_node().await?;
    let uploads = tokio::spawn(async move { fill(&writer, 1500, 800).await });
    let deletes = tokio::spawn(async move {
        for i in 0..700 {
            deleter.delete(&format!("f{i}")).await?;
        }
        anyhow::Ok(())
    });
    uploads.await??;
    deletes.await??;
    let within = Duration::from_secs(180);
    let status = cluster
        .wait_status("a balanced service", within, |s| settled(s, 4))
        .await?;
    assert_eq!(status.files, 1600);
    // The manager's counts may be off by what it could not know, until the
    // nodes' next reports and the leader's next pass.
    e2e::wait::until(within, async || {
        let trees = cluster.trees()?;
        let counts: Vec<usize> = trees.iter().map(|tree| tree.files.len()).collect();
        ensure!(counts.iter().sum::<usize>() == 1600, "{counts:?}");
        ensure!(skew(counts.iter().copied()) <= 1, "{counts:?}");
        Ok(())
    })
    .await?;
    for i in (700..2300).step_by(7) {
        assert!(
            client.get(&format!("f{i}")).await?.bytes().await? == data(i),
            "f{i}"
        );
    }
    for i in (0..700).step_by(31) {
        refused(client.get(&format!("f{i}")).await, Code::FileDoesNotExist)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_obey_the_throttle_and_are_visible() -> Result<()> {
    let manager_args = ["--move-files-per-second", "50"]
        .map(str::to_owned)
        .to_vec();
    let options = Options {
        nodes: 1,
        manager_args,
        ..Options::default()
    };
    let mut cluster = Cluster::start_with(options).await?;
    fill(&cluster.client()?, 0, 600).await?;
    let start = std::time::Instant::now();
    cluster.add_node().await?;
    let seen = |status: &Status| status.moves.iter().any(|moves| moves.files_left > 0);
    cluster
        .wait_status(
            "moves under way with files left",
            Duration::from_secs(20),
            seen,
        )
        .await?;
    let within = Duration::from_secs(60);
    cluster
        .wait_status("a balanced service", within, |s| settled(s, 2))
        .await?;
    let took = start.elapsed();
    // 300 moves at 50 a second are 6 s; a burst of a second may go first.
    assert!(
        took > Duration::from_secs(4),
        "{took:?} for 300 moves at 50 a second"
    );
    Ok(())
}

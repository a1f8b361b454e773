//! kill -9 at every step of upload, delete and move, in manager and node: what
//! was acknowledged is there, what was not is whole or absent, no directory is
//! above 36, and after the janitor `fsck` is clean.

use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::content;
use e2e::journal::{Journal, Load};
use rand_xoshiro::rand_core::Rng;
use std::time::Duration;

/// How long the load may take to reach a step.
const REACH: Duration = Duration::from_secs(30);

/// How long janitor and merge may take to settle what the crash left.
const SETTLE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Manager,
    Nodes,
}

/// Loads a service until `name` kills its process, restarts all of it, and compares.
async fn crash_at(name: &str, victim: Victim, seed: u64) -> Result<()> {
    let mut random = content::random(seed);
    // Not at the first few times, so that there is something to lose. Moves are
    // few, since new files go to the emptiest node by themselves.
    let moves = name.contains("::m");
    let after = random.next_u64() % if moves { 3 } else { 20 };
    let env = vec![(
        "FAILPOINTS".to_owned(),
        format!("{name}={after}*off->return"),
    )];
    let mut cluster = Cluster::start_with(Options {
        nodes: 2,
        ..Options::default()
    })
    .await?;
    let journal = Journal::default();
    let client = cluster.wire();
    let load = move |clients| Load {
        clients,
        pause: Duration::from_millis(if moves { 20 } else { 0 }),
        deletes: 40,
    };
    // Files that moves can take later; here nothing fails yet.
    let fill = journal.load(
        client.clone(),
        0,
        seed,
        Load {
            pause: Duration::ZERO,
            deletes: 10,
            ..load(4)
        },
    );
    let _ = tokio::time::timeout(Duration::from_millis(700), fill).await;
    arm(&mut cluster, victim, &env).await?;
    cluster.wait_available(2).await?;
    let work = tokio::spawn({
        let (journal, client) = (journal.clone(), client.clone());
        async move { journal.load(client, 1, seed ^ 1, load(4)).await }
    });
    // A third node joins, so that moves go on beside uploads and deletes.
    let third = cluster.new_node()?;
    if victim == Victim::Nodes {
        cluster.nodes[third].env = env.clone();
    }
    cluster.start_node(third).await?;
    let died = wait_for_death(&mut cluster).await;
    work.abort();
    let _ = work.await;
    ensure!(
        died,
        "{name} (after {after}) was not reached; built with failpoints?"
    );
    cluster.manager_env.clear();
    cluster.nodes.iter_mut().for_each(|node| node.env.clear());
    revive(&mut cluster).await?;
    let client = cluster.client()?;
    let found = journal.check(&client, 0).await?;
    ensure!(found.faults.is_empty(), "{:#?}", found.faults);
    let stored = journal.stored();
    let names: Vec<&str> = stored.iter().map(String::as_str).collect();
    cluster
        .wait_only(&names)
        .await
        .context("one copy of each, and no more")?;
    cluster.wait_fsck_clean(SETTLE).await?;
    ensure!(cluster.trees()?.iter().all(|tree| tree.largest <= 36));
    Ok(())
}

/// Restarts the process that is to die with its crash point armed.
async fn arm(cluster: &mut Cluster, victim: Victim, env: &[(String, String)]) -> Result<()> {
    match victim {
        Victim::Manager => {
            cluster.kill_manager().await?;
            cluster.manager_env = env.to_vec();
            cluster.start_manager().await?;
        }
        Victim::Nodes => {
            cluster.kill_node(0).await?;
            cluster.nodes[0].env = env.to_vec();
            cluster.start_node(0).await?;
        }
    }
    Ok(())
}

/// Waits until a process has died; false where all live on.
async fn wait_for_death(cluster: &mut Cluster) -> bool {
    let start = std::time::Instant::now();
    while start.elapsed() < REACH {
        let manager = cluster
            .manager
            .as_mut()
            .is_some_and(|process| !process.is_running());
        let mut nodes = cluster
            .nodes
            .iter_mut()
            .filter_map(|node| node.process.as_mut());
        if manager || nodes.any(|process| !process.is_running()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Restarts all processes.
async fn revive(cluster: &mut Cluster) -> Result<()> {
    cluster.kill_manager().await?;
    for index in 0..cluster.nodes.len() {
        cluster.kill_node(index).await?;
    }
    cluster.start_manager().await?;
    for index in 0..cluster.nodes.len() {
        cluster.start_node(index).await?;
    }
    cluster.wait_available(cluster.nodes.len()).await?;
    Ok(())
}

/// The seed from the environment, or a random one.
fn seed() -> Result<u64> {
    let seed = match std::env::var("E2E_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => rand::random(),
    };
    println!("E2E_SEED={seed}");
    Ok(seed)
}

async fn crash_at_each(names: &[&str], victim: Victim) -> Result<()> {
    let seed = seed()?;
    let mut failures = Vec::new();
    for name in names {
        let begun = std::time::Instant::now();
        let outcome = crash_at(name, victim, seed).await;
        println!(
            "{name}: {} in {:?}",
            if outcome.is_ok() { "kept" } else { "BROKEN" },
            begun.elapsed()
        );
        if let Err(e) = outcome {
            failures.push(format!("{name}: {e:#}"));
        }
    }
    ensure!(failures.is_empty(), "seed {seed}:\n{}", failures.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_at_any_crash_point_of_the_manager() -> Result<()> {
    crash_at_each(manager_protocol::failpoints::ALL, Victim::Manager).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_at_any_crash_point_of_a_node() -> Result<()> {
    crash_at_each(node::failpoints::ALL, Victim::Nodes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_everything_at_random_moments_loses_nothing() -> Result<()> {
    let mut cluster = Cluster::start_with(Options {
        nodes: 2,
        ..Options::default()
    })
    .await?;
    let journal = Journal::default();
    let mut random = content::random(seed()?);
    for round in 0..6 {
        let client = cluster.wire();
        let after = Duration::from_millis(300 + random.next_u64() % 1200);
        let load = Load {
            clients: 8,
            pause: Duration::ZERO,
            deletes: 40,
        };
        let work = journal.load(client, round, random.next_u64(), load);
        let _ = tokio::time::timeout(after, work).await;
        revive(&mut cluster).await?;
        let found = journal.check(&cluster.client()?, 0).await?;
        ensure!(
            found.faults.is_empty(),
            "round {round}: {:#?}",
            found.faults
        );
    }
    let stored = journal.stored();
    let names: Vec<&str> = stored.iter().map(String::as_str).collect();
    cluster.wait_only(&names).await?;
    cluster.wait_fsck_clean(SOON).await
}

//! A node that gets no further thread does its work with those it has.

use anyhow::{Result, ensure};
use client::{Client, NodeState};
use e2e::cluster::{Cluster, Options};
use e2e::content;
use tokio::task::JoinSet;

/// A user that runs nothing else, since the limit counts all threads of a user.
const USER: u32 = 64_123;
/// Large enough for its blocks to be freed by a thread of their own.
const LARGE: usize = 9 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_its_limit_of_threads_goes_on() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        println!("left out: only root can run a node as another user");
        return Ok(());
    }
    let mut cluster = Cluster::prepare(Options::default())?;
    let node = cluster.new_node()?;
    // It starts with fewer threads, on however many cores, and would have some
    // thirty under this load.
    cluster.nodes[node].env = vec![("TOKIO_WORKER_THREADS".to_owned(), "2".to_owned())];
    cluster.run_as(node, USER, &["--nproc=14"])?;
    cluster.start_manager().await?;
    cluster.start_node(node).await?;
    cluster.wait_available(1).await?;
    let client = cluster.client()?;
    for round in 0..3 {
        let mut tasks = JoinSet::new();
        for number in 0..48 {
            tasks.spawn(works(client.clone(), format!("{round}-{number}"), number));
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
    }
    let (pid, status) = (cluster.node(node)?.pid(), cluster.client()?.status().await?);
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))?.count();
    ensure!(threads == 14, "the limit was not met: {threads} threads");
    ensure!(status.nodes[0].state == NodeState::Available, "{status:?}");
    ensure!(cluster.tree(node)?.files.len() == 3 * 24);
    Ok(())
}

/// Stores, reads and, half of the time, deletes a file.
async fn works(client: Client, name: String, number: u64) -> Result<()> {
    let size = match number % 12 {
        0 => LARGE,
        1..4 => 200_000,
        _ => 3_000,
    };
    let data = content::bytes(number, size);
    client.put(&name, data.clone()).await?;
    let body = client.get(&name).await?.bytes().await?;
    ensure!(body == data, "{name} has other bytes");
    if number.is_multiple_of(2) {
        client.delete(&name).await?;
    }
    Ok(())
}

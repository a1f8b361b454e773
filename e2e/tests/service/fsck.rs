//! `manager fsck` only reads, and reports each difference and no false ones.

use anyhow::{Result, ensure};
use client::{Code, Status};
use e2e::cluster::{Cluster, SOON};
use e2e::library::{names, refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_at_work_has_no_differences() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let (client, stop) = (client.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut i = 0;
            while !stop.load(Ordering::Relaxed) {
                i += 1;
                let name = format!("f{worker}-{i}");
                client.put(&name, "x".repeat(i % 3000)).await?;
                if i % 2 == 0 {
                    client.delete(&name).await?;
                }
            }
            anyhow::Ok(())
        });
    }
    for round in 0..12 {
        if round == 6 {
            // Moves are under way from here on.
            cluster.add_node().await?;
        }
        let (code, out) = cluster.ask(&["fsck"]).await?;
        ensure!(code == 0, "round {round}: {out}");
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    cluster.wait_fsck_clean(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_difference_is_told_and_nothing_is_changed() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..20 {
        client.put(&format!("f{i}"), "x").await?;
    }
    let (code, out) = cluster.ask(&["fsck"]).await?;
    ensure!(code == 0 && out.contains("0 differences"), "{out}");
    // A person removes bytes behind the node's back.
    let victim = cluster
        .tree(0)?
        .files
        .iter()
        .next()
        .map(|(n, p)| (n.clone(), p.clone()));
    let (name, path) = victim.unwrap();
    cluster.kill_node(0).await?;
    std::fs::remove_file(path)?;
    cluster.start_node(0).await?;
    cluster.wait_available(2).await?;
    e2e::wait::until(SOON, async || {
        let (code, out) = cluster.ask(&["fsck"]).await?;
        ensure!(
            code == 1 && out.contains(&name) && out.contains("missing"),
            "{code}: {out}"
        );
        Ok(())
    })
    .await?;
    // The record stays: only the store gives code 2 (rule 12).
    refused(client.get(&name).await, Code::FileUnavailable)?;
    ensure!(names(&client).await?.len() == 20);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_person_removed_counts_no_more_once_it_was_asked_for_or_deleted() -> Result<()>
{
    let cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    for name in ["a", "b", "c"] {
        client.put(name, "12345").await?;
    }
    for name in ["a", "b"] {
        std::fs::remove_file(&cluster.tree(0)?.files[name])?;
    }
    refused(client.get("a").await, Code::FileUnavailable)?;
    client.delete("b").await?;
    let left = |status: &Status| status.nodes[0].files == 1;
    cluster
        .wait_status("one file that counts", SOON, left)
        .await?;
    // The record of the lost file stays until it is deleted.
    ensure!(names(&client).await? == ["a", "c"]);
    client.delete("a").await?;
    cluster.wait_only(&["c"]).await?;
    cluster
        .wait_status("one file that counts", SOON, left)
        .await?;
    Ok(())
}

//! A store that was set back to an old backup while the nodes went on: what is newer
//! is found and adopted by one command, what is gone is reported as missing, nothing
//! is deleted and nothing that was deleted comes back.

use anyhow::{Context, Result, ensure};
use client::{Client, Code, Status};
use e2e::cluster::{Cluster, SOON};
use e2e::library::{names, refused};
use e2e::tree::{self, Tree};
use e2e::{content, wait};
use std::collections::BTreeSet;

async fn put(client: &Client, name: &str, seed: u64) -> Result<()> {
    let body = content::bytes(seed, 500 + seed as usize);
    client.put(name, body).await?;
    Ok(())
}

async fn holds(client: &Client, name: &str, seed: u64) -> Result<()> {
    let body = client.get(name).await?.bytes().await?;
    ensure!(body == content::bytes(seed, 500 + seed as usize), "{name}");
    Ok(())
}

fn on_disk(cluster: &Cluster) -> Result<usize> {
    let mut files = 0;
    for node in &cluster.nodes {
        for place in ["data", "quarantine"] {
            files += Tree::walk(&node.folder.join(place))?.files.len();
        }
    }
    Ok(files)
}

/// The names that `fsck` reports as missing.
async fn missing(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let (_, told) = cluster.ask(&["fsck"]).await?;
    let lines = told
        .lines()
        .filter(|line| line.starts_with("missing-bytes"));
    let name = |line: &str| line.split('"').nth(1).map(str::to_owned);
    Ok(lines.filter_map(name).collect())
}

/// After the backup: uploads, deletes, one name anew, and moves to a third node.
async fn change(cluster: &mut Cluster) -> Result<()> {
    let client = cluster.client()?;
    for i in 0..10 {
        put(&client, &format!("new{i}"), 100 + i).await?;
    }
    for i in 0..=5 {
        client.delete(&format!("old{i}")).await?;
    }
    put(&client, "old5", 205).await?;
    cluster.add_node().await?;
    cluster.wait_available(3).await?;
    let balanced = |status: &Status| {
        let counts: Vec<u64> = status.nodes.iter().map(|node| node.files).collect();
        status.unsettled == 0 && counts.iter().all(|files| *files >= 8)
    };
    cluster.wait_status("balance", SOON, balanced).await?;
    cluster.heard().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_set_back_to_an_old_backup_costs_no_file() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..20 {
        put(&client, &format!("old{i}"), i).await?;
    }
    cluster.stop_manager().await?;
    let backup = cluster.folder().join("backup");
    tree::copy_folder(&cluster.store(), &backup)?;
    cluster.start_manager().await?;
    cluster.wait_available(2).await?;

    change(&mut cluster).await?;
    let before = on_disk(&cluster)?;
    ensure!(before == 25, "{before}");

    // The nodes go on; only the store is set back.
    cluster.set_store_back(&backup).await?;
    cluster.wait_available(3).await?;
    let moved = cluster.tree(2)?.files.len();
    let quarantined = |status: &Status| {
        let count = status.quarantined;
        count >= 11 && count as usize >= moved
    };
    cluster
        .wait_status("newer files in quarantine", SOON, quarantined)
        .await?;
    // A copy on its way counts as quarantined, and a walk may miss it between the trees.
    wait::until(SOON, async || {
        let now = on_disk(&cluster)?;
        ensure!(now == before, "{now} of {before} files are on the disks");
        Ok(())
    })
    .await?;
    for i in 0..=5 {
        refused(client.get(&format!("old{i}")).await, Code::FileUnavailable)
            .with_context(|| format!("old{i}"))?;
    }
    refused(client.get("new1").await, Code::FileDoesNotExist)?;

    let (code, told) = cluster.ask(&["quarantine", "adopt", "--all"]).await?;
    ensure!(
        code == 0 && told.contains(" 0 kept in quarantine"),
        "{told}"
    );
    for i in 0..10 {
        holds(&client, &format!("new{i}"), 100 + i).await?;
    }
    holds(&client, "old5", 205).await?;
    for i in 6..20 {
        holds(&client, &format!("old{i}"), i).await?;
    }
    ensure!(on_disk(&cluster)? == before, "a file was deleted");

    // What was deleted is reported as missing, and can be deleted again.
    let deleted: BTreeSet<String> = (0..5).map(|i| format!("old{i}")).collect();
    wait::until(SOON, async || {
        let found = missing(&cluster).await?;
        ensure!(found == deleted, "{found:?}");
        Ok(())
    })
    .await?;
    for name in &deleted {
        refused(client.get(name).await, Code::FileUnavailable).with_context(|| name.clone())?;
        client.delete(name).await?;
    }
    let status = client.status().await?;
    ensure!(status.missing.files == 0, "{status:?}");
    cluster.wait_fsck_clean(SOON).await?;
    ensure!(names(&client).await?.len() == 25);
    Ok(())
}

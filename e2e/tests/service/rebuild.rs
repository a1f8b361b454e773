//! A lost store costs no file: nodes refuse an empty one, and `manager rebuild`
//! restores every record from them (rule 16).

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use client::{Client, Code, Error, Listed, Status, Upload};
use e2e::cluster::{Cluster, SOON};
use e2e::content;
use e2e::library::{names, refused};
use futures::TryStreamExt;
use std::time::Duration;

const FILES: u64 = 150;

fn data(i: u64) -> Bytes {
    content::bytes(i, (i as usize * 977) % 100_000)
}

async fn put(client: &Client, i: u64) -> Result<(), Error> {
    let upload = Upload::bytes(data(i)).content_type("image/x-own");
    let upload = upload.key(format!("k{i}"));
    client.put(&format!("f{i} ä"), upload).await.map(drop)
}

async fn listed(client: &Client) -> Result<Vec<Listed>, Error> {
    client.list("").try_collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_comes_back_from_the_nodes() -> Result<()> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client()?;
    for i in 0..FILES {
        put(&client, i).await?;
    }
    for i in (0..FILES).step_by(10) {
        client.delete(&format!("f{i} ä")).await?;
    }
    let before = listed(&client).await?;
    let cluster_id = client.status().await?.cluster_id;
    cluster.kill_manager().await?;
    std::fs::rename(cluster.store(), cluster.folder().join("lost"))?;

    // An empty store is another cluster: the nodes refuse it and lose nothing.
    cluster.start_manager().await?;
    let joins = tokio::time::timeout(Duration::from_secs(4), cluster.wait_available(1)).await;
    ensure!(joins.is_err(), "a node joined a strange cluster");
    refused(client.get("f1 ä").await, Code::FileDoesNotExist)?;
    cluster.kill_manager().await?;
    let on_disk: usize = cluster.trees()?.iter().map(|tree| tree.files.len()).sum();
    ensure!(on_disk == before.len(), "{on_disk} files on disk");
    std::fs::remove_dir_all(cluster.store())?;

    let store = format!("embedded:{}", cluster.store().display());
    let (grpc, nodes) = (cluster.grpc().to_string(), "3".to_owned());
    let args = [
        "rebuild", "--store", &store, "--grpc", &grpc, "--nodes", &nodes,
    ];
    let (status, out, log) = cluster
        .manager_command(args)
        .output(Duration::from_secs(120))
        .await?;
    ensure!(status.success(), "{out}{log}");
    cluster.start_manager().await?;
    cluster.wait_available(3).await?;
    let after = listed(&client).await?;
    ensure!(after == before, "before {before:?}\nafter {after:?}");
    ensure!(client.status().await?.cluster_id == cluster_id);
    for i in 0..FILES {
        let read = client.get(&format!("f{i} ä")).await;
        if i % 10 == 0 {
            refused(read, Code::FileDoesNotExist)?;
            continue;
        }
        let read = read?;
        ensure!(
            read.info().content_type == "image/x-own",
            "{:?}",
            read.info()
        );
        ensure!(read.bytes().await? == data(i), "f{i}");
        put(&client, i)
            .await
            .context("its idempotency key came back too")?;
    }
    cluster.wait_fsck_clean(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_after_the_rebuild_brings_its_records() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..40 {
        put(&client, i).await?;
    }
    cluster.kill_manager().await?;
    cluster.kill_node(1).await?;
    std::fs::remove_dir_all(cluster.store())?;
    let store = format!("embedded:{}", cluster.store().display());
    let grpc = cluster.grpc().to_string();
    let args = [
        "rebuild", "--store", &store, "--grpc", &grpc, "--nodes", "1",
    ];
    let (status, out, log) = cluster
        .manager_command(args)
        .output(Duration::from_secs(120))
        .await?;
    ensure!(status.success(), "{out}{log}");
    cluster.start_manager().await?;
    cluster.wait_available(1).await?;
    ensure!(names(&client).await?.len() == 20);
    cluster.start_node(1).await?;
    cluster.wait_available(2).await?;
    e2e::wait::until(SOON, async || {
        let names = names(&client).await?;
        ensure!(names.len() == 40, "{} files", names.len());
        Ok(())
    })
    .await?;
    for i in 0..40 {
        let body = client.get(&format!("f{i} ä")).await?.bytes().await?;
        ensure!(body == data(i), "f{i}");
    }
    cluster.wait_fsck_clean(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_volume_is_not_let_in_while_nodes_of_another_cluster_knock() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    put(&client, 1).await?;
    cluster.kill_manager().await?;
    std::fs::rename(cluster.store(), cluster.folder().join("lost"))?;
    cluster.start_manager().await?;
    knocks(&cluster, 0, "belongs to cluster").await?;
    let fresh = cluster.new_node()?;
    cluster.start_node(fresh).await?;
    knocks(&cluster, fresh, "no new volume joins this store").await?;
    let taken = put(&client, 2).await;
    refused(taken, Code::ServersUnavailable).context("the wrong store")?;
    // With the right store the new node is admitted.
    cluster.kill_manager().await?;
    std::fs::remove_dir_all(cluster.store())?;
    std::fs::rename(cluster.folder().join("lost"), cluster.store())?;
    cluster.start_manager().await?;
    cluster.wait_available(2).await?;
    ensure!(client.get("f1 ä").await?.bytes().await? == data(1));
    Ok(())
}

/// Waits until the log of a node says why it is refused.
async fn knocks(cluster: &Cluster, node: usize, why: &str) -> Result<()> {
    e2e::wait::until(SOON, async || {
        let log = std::fs::read_to_string(cluster.node_launch(node).stderr)?;
        ensure!(log.contains(why), "nothing of {why:?} in {log}");
        Ok(())
    })
    .await
}

/// Restores a lost store by `manager rebuild`, from this many nodes.
async fn rebuild(cluster: &mut Cluster, nodes: &str) -> Result<()> {
    cluster.kill_manager().await?;
    std::fs::remove_dir_all(cluster.store())?;
    let store = format!("embedded:{}", cluster.store().display());
    let grpc = cluster.grpc().to_string();
    let args = [
        "rebuild", "--store", &store, "--grpc", &grpc, "--nodes", nodes,
    ];
    let command = cluster.manager_command(args);
    let (status, out, log) = command.output(Duration::from_secs(120)).await?;
    ensure!(status.success(), "{out}{log}");
    cluster.start_manager().await
}

async fn in_quarantine(cluster: &Cluster, copies: usize) -> Result<()> {
    let quarantined = |status: &Status| status.quarantined == copies as u64;
    let waited = cluster.wait_status("its files in quarantine", SOON, quarantined);
    waited.await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_deleted_after_a_rebuild_does_not_come_back_with_a_late_node() -> Result<()>
{
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..20 {
        put(&client, i).await?;
    }
    let late: Vec<String> = cluster.tree(1)?.files.into_keys().collect();
    cluster.kill_node(1).await?;
    rebuild(&mut cluster, "1").await?;
    cluster.wait_available(1).await?;
    client.put(&late[0], "anew").await?;
    client.delete(&late[0]).await?;
    cluster.start_node(1).await?;
    in_quarantine(&cluster, late.len()).await?;
    for name in &late {
        refused(client.get(name).await, Code::FileDoesNotExist).with_context(|| name.clone())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_given_up_after_a_rebuild_restores_nothing() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..20 {
        put(&client, i).await?;
    }
    rebuild(&mut cluster, "2").await?;
    cluster.wait_available(2).await?;
    let volume = cluster.volume_of("node-2").await?;
    let lost: Vec<String> = cluster.tree(1)?.files.into_keys().collect();
    cluster.kill_node(1).await?;
    cluster.wait_available(1).await?;
    let files = lost.len().to_string();
    let order = ["abandon", "--node", "node-2", "--volume", &volume];
    let order = [&order[..], &["--lose-files", &files]].concat();
    let (code, told) = cluster.ask(&order).await?;
    ensure!(code == 0, "{told}");
    client.put(&lost[0], "anew").await?;
    client.delete(&lost[0]).await?;
    cluster.start_node(1).await?;
    in_quarantine(&cluster, lost.len()).await?;
    refused(client.get(&lost[0]).await, Code::FileDoesNotExist)?;
    Ok(())
}

//! A node that stops answering is unavailable within 10 s, and nothing waits
//! longer than its deadline.

use anyhow::{Result, ensure};
use client::{Client, Code, Listed, NodeState};
use e2e::cluster::{Cluster, SOON};
use e2e::library::{names, refused};
use e2e::wait;
use futures::TryStreamExt;
use http::{Method, StatusCode};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Within this time a lost node's files return code 4.
const OUT: Duration = Duration::from_secs(10);

/// What any single request may take meanwhile.
const DEADLINE: Duration = Duration::from_secs(30);

async fn files_of(client: &Client, node: &str) -> Result<Vec<String>> {
    let all: Vec<Listed> = client.list("").try_collect().await?;
    let own = all.into_iter().filter(|file| file.node == node);
    Ok(own.map(|file| file.file.filename).collect())
}

async fn filled() -> Result<(Cluster, Client)> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client()?;
    for i in 0..60 {
        client.put(&format!("f{i}"), format!("content {i}")).await?;
    }
    Ok((cluster, client))
}

/// The node's files return code 4 in time, everything else goes on.
async fn is_out(cluster: &Cluster, node: &str, since: Instant) -> Result<()> {
    let (client, wire) = (cluster.client()?, cluster.wire());
    let lost = files_of(&client, node).await?;
    ensure!(lost.len() == 20, "{node} held {} files", lost.len());
    wait::until(OUT, async || {
        refused(client.get(&lost[0]).await, Code::FileUnavailable)?;
        let status = client.status().await?;
        let state = status.node(node).map(|node| node.state);
        ensure!(state == Some(NodeState::Unavailable), "{state:?}");
        Ok(())
    })
    .await?;
    ensure!(
        since.elapsed() < OUT + Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    for name in &lost {
        for method in [Method::GET, Method::DELETE, Method::HEAD] {
            let path = format!("/file/{name}");
            let answer = wait::at_most(DEADLINE, wire.call(method.clone(), &path)).await??;
            ensure!(answer.status == 503, "{method} {answer:?}");
            if method != Method::HEAD {
                ensure!(answer.code() == Some(4), "{answer:?}");
                ensure!(answer.json()?["message"] == "File unavailable");
                ensure!(!answer.header("retry-after").is_empty(), "{answer:?}");
            }
        }
    }
    let all = names(&client).await?;
    for name in all.iter().filter(|name| !lost.contains(name)) {
        client.get(name).await?.bytes().await?;
    }
    for i in 0..30 {
        client.put(&format!("{node}-later-{i}"), "x").await?;
    }
    ensure!(
        files_of(&client, node).await? == lost,
        "uploads went elsewhere"
    );
    Ok(())
}

async fn all_back(cluster: &Cluster, client: &Client) -> Result<()> {
    cluster.wait_available(3).await?;
    for i in 0..60 {
        let body = client.get(&format!("f{i}")).await?.bytes().await?;
        ensure!(body == format!("content {i}"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_out_and_comes_back_with_its_files() -> Result<()> {
    let (mut cluster, client) = filled().await?;
    let since = Instant::now();
    cluster.kill_node(1).await?;
    is_out(&cluster, "node-2", since).await?;
    cluster.start_node(1).await?;
    all_back(&cluster, &client).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_is_out_and_comes_back_with_its_files() -> Result<()> {
    let (cluster, client) = filled().await?;
    let since = Instant::now();
    cluster.node(1)?.signal(Signal::STOP)?;
    is_out(&cluster, "node-2", since).await?;
    cluster.node(1)?.signal(Signal::CONT)?;
    all_back(&cluster, &client).await
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_during_the_loss_of_a_node_succeed_elsewhere() -> Result<()> {
    let (mut cluster, client) = filled().await?;
    let uploads = tokio::spawn({
        let client = client.clone();
        async move {
            for i in 0..400 {
                let begun = Instant::now();
                let stores = client.put(&format!("g{i}"), format!("{i}")).await;
                // Before Finish another node is tried; after it the outcome is unknown.
                let status = stores.as_ref().err().map(|error| error.refusal());
                let status = status.map(|refusal| refusal.map(|refusal| refusal.status));
                let unknown = Some(StatusCode::SERVICE_UNAVAILABLE);
                ensure!(status.is_none_or(|status| status == unknown), "{stores:?}");
                ensure!(
                    begun.elapsed() < DEADLINE,
                    "g{i} took {:?}",
                    begun.elapsed()
                );
            }
            Ok(())
        }
    });
    cluster.kill_node(0).await?;
    uploads.await??;
    cluster.start_node(0).await?;
    all_back(&cluster, &client).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_node_uploads_answer_code_1_and_work_again_later() -> Result<()> {
    let (mut cluster, client) = filled().await?;
    for index in 0..3 {
        cluster.kill_node(index).await?;
    }
    wait::until(SOON, async || {
        refused(client.put("none", "x").await, Code::ServersUnavailable)?;
        Ok(())
    })
    .await?;
    for index in 0..3 {
        cluster.start_node(index).await?;
    }
    all_back(&cluster, &client).await?;
    wait::until(SOON, async || {
        Ok(client.put("none", "x").await.map(drop)?)
    })
    .await
}

//! Another image for the nodes of two pools at once, under load.

use super::{POOL, World};
use crate::kubernetes::traffic::{Traffic, compare};
use anyhow::{Result, ensure};
use client::{Client, NodeState};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A pool of one node beside the other.
const BESIDE: &str = "beside";

fn image(tag: &str) -> String {
    format!("localhost/distributed-file-server/node:{tag}")
}

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    let spec = |tag: &str| json!({ "image": image(tag), "imagePullPolicy": "Never" });
    let to = |tag: &str| release.patch_pool(POOL, &spec(tag));
    release.apply_pool(BESIDE, json!({ "replicas": 1, "deletionPolicy": "Retain" }))?;
    release.ready(BESIDE, 1).await?;
    let stop = CancellationToken::new();
    let most = tokio::spawn(most_away(client.clone(), stop.clone()));
    let begun = Instant::now();
    let traffic = Traffic::start(&client, "roll");
    to("next")?;
    release.patch_pool(BESIDE, &spec("next"))?;
    release.told(POOL, "Rolling", true, "").await?;
    for (pool, nodes) in [(POOL, 3), (BESIDE, 1)] {
        release.told(pool, "Rolling", false, "UpToDate").await?;
        release.ready(pool, nodes).await?;
    }
    let took = begun.elapsed();
    stop.cancel();
    let most = most.await?;
    ensure!(most == 1, "{most} nodes of the release were away at once");
    let status = release.status(POOL)?;
    ensure!(status["currentImage"] == image("next"), "{status}");
    // An image that does not exist stops the roll at one pod, which the pool reports.
    to("none")?;
    let why = release.told(POOL, "Rolling", true, "Waiting").await?;
    ensure!(
        why.contains("main-node-2") || why.contains("node 2"),
        "{why}"
    );
    let status = release.status(POOL)?;
    ensure!(status["readyReplicas"] == 2, "{status}");
    to("next")?;
    release.ready(POOL, 3).await?;
    let seen = traffic.stop().await;
    let failed = seen.failures("upload");
    ensure!(failed.is_empty(), "no upload fails: {failed:?}");
    // A read fails only while its one node restarts.
    let reads = seen.failures("read");
    ensure!(reads.keys().all(|what| what == "read 503/4"), "{reads:?}");
    release.scale(BESIDE, 0)?;
    release.ready(BESIDE, 0).await?;
    let beside = format!("fsp/{BESIDE}");
    let args = ["-n", &release.namespace, "delete", &beside];
    release.kube.kubectl(&args)?;
    let compared = world.compare().await? + compare(&client, "roll", &seen).await?;
    Ok(format!(
        "4 nodes of two pools one by one in {:.0} s, a bad image stopped at one; {compared} compared; {}",
        took.as_secs_f64(),
        seen.words()
    ))
}

/// The most nodes that were unavailable at the same time.
async fn most_away(client: Client, stop: CancellationToken) -> usize {
    let mut most = 0;
    while !stop.is_cancelled() {
        if let Ok(status) = client.status().await {
            let away = status
                .nodes
                .iter()
                .filter(|n| n.state == NodeState::Unavailable);
            most = most.max(away.count());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    most
}

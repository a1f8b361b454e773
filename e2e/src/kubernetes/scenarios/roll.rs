//! Another image for the nodes, under load.

use super::{POOL, World};
use crate::kubernetes::traffic::{Traffic, compare};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Instant;

fn image(tag: &str) -> String {
    format!("localhost/distributed-file-server/node:{tag}")
}

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    let to = |tag: &str| {
        let spec = json!({ "image": image(tag), "imagePullPolicy": "Never" });
        release.patch_pool(POOL, &spec)
    };
    let begun = Instant::now();
    let traffic = Traffic::start(&client, "roll");
    to("next")?;
    release.told(POOL, "Rolling", true, "").await?;
    release.told(POOL, "Rolling", false, "UpToDate").await?;
    release.ready(POOL, 3).await?;
    let took = begun.elapsed();
    let status = release.status(POOL)?;
    ensure!(status["currentImage"] == image("next"), "{status}");
    // One that is nowhere stops at one pod, and says so.
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
    let compared = world.compare().await? + compare(&client, "roll", &seen).await?;
    Ok(format!(
        "3 nodes in {:.0} s, a bad image stopped at one; {compared} compared; {}",
        took.as_secs_f64(),
        seen.words()
    ))
}

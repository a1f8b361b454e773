//! The managers' store is not the one that the nodes belong to: whatever a person or
//! autoscaling wants, no node leaves and none joins (invariant 7).

use super::{POOL, World};
use crate::wait;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The pool's nodes.
const NODES: i32 = 3;
/// How long the operator may take to see a change.
const SETTLE: Duration = Duration::from_secs(60);
/// For how long nothing may happen: a shrink used to take 3 s.
const STILL: Duration = Duration::from_secs(15);
/// The shortest `shrinkAfterSeconds` that autoscaling accepts.
const PATIENCE: i32 = 60;

/// Asks for fewer nodes, for more, and for autoscaling, while all nodes are refused.
pub(super) async fn holds(world: &World) -> Result<String> {
    let release = &world.release;
    let why = release
        .told(POOL, "NodesAvailable", false, "NodeRefused")
        .await?;
    ensure!(why.contains("manager.rebuild.nodes"), "{why}");
    ensure!(why.len() < 250, "{} characters: {why}", why.len());
    release.told(POOL, "Stalled", true, "StoreDoubted").await?;
    release.told(POOL, "FilesDamaged", false, "Unknown").await?;
    let files = release.status(POOL)?["files"].as_i64();
    ensure!(files > Some(0), "the last number stands, not {files:?}");
    let fsp = format!("fsp/{POOL}");
    let args = ["-n", &release.namespace, "delete", &fsp, "--timeout=5s"];
    let told = release.kube.try_kubectl(&args, "")?;
    ensure!(!told.ok, "a protected pool was deleted: {}", told.text);
    for wanted in [1, NODES + 2] {
        release.scale(POOL, wanted)?;
        release.told(POOL, "Reconciling", true, "Held").await?;
        stands(world, STILL).await?;
    }
    release.scale(POOL, NODES)?;
    // Autoscaling begins with the number that was wanted before it.
    wait::until(SETTLE, async || {
        let desired = &release.status(POOL)?["desiredReplicas"];
        ensure!(*desired == NODES, "{desired} nodes are wanted");
        Ok(())
    })
    .await?;
    let auto = json!({ "autoscaling": {
        "minReplicas": 1, "maxReplicas": 9, "filesPerNode": 1_000_000,
        "shrinkAfterSeconds": PATIENCE,
    }});
    release.patch_pool(POOL, &auto)?;
    let patience = u64::try_from(PATIENCE)?;
    stands(world, Duration::from_secs(patience) + STILL).await?;
    let desired = &release.status(POOL)?["desiredReplicas"];
    ensure!(*desired == NODES, "autoscaling wants {desired}");
    release.patch_pool(POOL, &json!({ "autoscaling": null }))?;
    let events = release
        .kube
        .list(&release.namespace, "events", "")?
        .into_iter()
        .filter(|event| event["involvedObject"]["kind"] == "FileServerPool");
    let nil = "abandon=";
    let advised = |event: &Value| {
        let text = event["message"].as_str().unwrap_or_default();
        text.contains(nil) && text.contains("00000000-0000")
    };
    let advised: Vec<Value> = events.filter(advised).collect();
    ensure!(advised.is_empty(), "{advised:?}");
    Ok(format!(
        "held {NODES} nodes against 1, {} and autoscaling",
        NODES + 2
    ))
}

/// The StatefulSet and its pods stay as they are for this long.
async fn stands(world: &World, how_long: Duration) -> Result<()> {
    let release = &world.release;
    let end = Instant::now() + how_long;
    let selector = format!("fileserver.dev/pool={POOL}");
    while Instant::now() < end {
        let set = format!("{POOL}-node");
        let set = release.kube.get(&release.namespace, "sts", &set)?;
        ensure!(
            set["spec"]["replicas"] == NODES,
            "{}",
            set["spec"]["replicas"]
        );
        let pods = release.kube.list(&release.namespace, "pod", &selector)?;
        let there = pods
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let there = i32::try_from(there.count())?;
        ensure!(there == NODES, "{there} pods");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

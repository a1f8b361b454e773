//! A claim that somebody deletes, and a quota that permits no more pods.

use super::{POOL, World};
use crate::kubernetes::release::SETTLE;
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Duration;

/// For how long a node that must not be restarted is watched.
const STILL: Duration = Duration::from_secs(15);

/// A claim is deleted while its pod uses it: the pool reports that, its roll stops
/// at that node, and a person orders the node's drain.
pub(super) async fn terminating(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    world.nodes(3).await?;
    release.balanced(POOL).await?;
    let pod = format!("{POOL}-node-2");
    let claim = format!("data-{pod}");
    let uid = |kind: &str, name: &str| -> Result<String> {
        let found = release.kube.get(&namespace, kind, name)?;
        Ok(found["metadata"]["uid"].to_string())
    };
    let (pod_before, claim_before) = (uid("pod", &pod)?, uid("pvc", &claim)?);
    let volume = release.kube.get(&namespace, "pvc", &claim)?["spec"]["volumeName"].take();
    release
        .kube
        .kubectl(&["-n", &namespace, "delete", "pvc", &claim, "--wait=false"])?;
    let why = release
        .told(POOL, "StorageReady", false, "ClaimTerminating")
        .await?;
    let order = format!("fileserver.dev/drain={pod}");
    ensure!(why.contains(&order), "{why}");
    // The pool's own roll begins with that node.
    release.patch_pool(POOL, &json!({ "podAnnotations": { "e2e/roll": "1" } }))?;
    release.told(POOL, "Rolling", true, "Waiting").await?;
    tokio::time::sleep(STILL).await;
    ensure!(uid("pod", &pod)? == pod_before, "it was restarted");
    world.compare().await?;
    let fsp = format!("fsp/{POOL}");
    release
        .kube
        .kubectl(&["-n", &namespace, "annotate", &fsp, &order])?;
    let why = release
        .told(POOL, "StorageReady", false, "ClaimDrained")
        .await?;
    ensure!(why.contains("delete pod"), "{why}");
    world.compare().await?;
    release
        .kube
        .kubectl(&["-n", &namespace, "delete", "pod", &pod])?;
    release.patch_pool(POOL, &json!({ "podAnnotations": null }))?;
    if release.kube.is_own() {
        // It has no volume to spare.
        let volume = volume.as_str().context("a volume")?;
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            release.kube.cluster(&["pv-wipe", volume]).map(drop)
        })
        .await?;
    }
    release.ready(POOL, 3).await?;
    ensure!(uid("pvc", &claim)? != claim_before, "the claim stayed");
    let balanced = release.balanced(POOL).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "a deleted claim was held until its node was empty; then {balanced:?}; {compared} compared"
    ))
}

/// A quota that permits no more pods is named by the pool, until it is gone.
pub(super) async fn quota(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    release.kube.apply(&json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": { "name": "no-more", "namespace": namespace },
        "spec": { "hard": { "pods": "1" } },
    }))?;
    release.scale(POOL, 4)?;
    let seen = wait::until(SETTLE, async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let told = release.condition(POOL, "Ready")?;
        ensure!(told.2.contains("exceeded quota"), "{told:?}");
        Ok(told.2)
    })
    .await;
    release
        .kube
        .kubectl(&["-n", &namespace, "delete", "resourcequota", "no-more"])?;
    seen?;
    world.nodes(3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "a quota was named as what is in the way; {compared} compared"
    ))
}

//! An upgrade of the chart, the way back, an uninstall, and an install again.

use super::{POOL, ROLLED_OUT, World};
use crate::kubernetes::release::values;
use crate::kubernetes::traffic::{Traffic, compare};
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) async fn run(world: &mut World) -> Result<String> {
    let gap = upgrade_and_back(world).await?;
    reinstall(world).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "{gap}; uninstalled and reinstalled, {compared} compared"
    ))
}

/// The pod template of a pool's nodes.
fn template(world: &World) -> Result<Value> {
    let set = format!("{POOL}-node");
    let mut set = world.kube.get(&world.release.namespace, "sts", &set)?;
    Ok(set["spec"]["template"].take())
}

/// With the embedded store the manager restarts: the gap is measured and printed.
async fn upgrade_and_back(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    let before = template(world)?;
    let traffic = Traffic::start(&client, "upgrade");
    let probe = tokio::spawn(longest_gap(client.clone(), Duration::from_secs(45)));
    let mut changed = values();
    changed["manager"] = json!({ "podAnnotations": { "example.org/version": "2" } });
    changed["operator"]["podAnnotations"] = json!({ "example.org/version": "2" });
    release.helm("upgrade", &changed)?;
    rolled_out(world)?;
    let crd = release
        .kube
        .get("", "crd", "fileserverpools.fileserver.dev")?;
    let told = &crd["metadata"]["annotations"]["fileserver.dev/release"];
    ensure!(told.is_string(), "the definition was not brought: {told}");
    release.roll_back()?;
    rolled_out(world)?;
    let gap = probe.await?;
    let seen = traffic.stop().await;
    release.ready(POOL, 3).await?;
    ensure!(
        template(world)? == before,
        "the nodes' template changed with the chart"
    );
    let compared = compare(&client, "upgrade", &seen).await?;
    Ok(format!(
        "upgrade and rollback: the REST API was away for {:.1} s at the longest; {compared} compared; {}",
        gap.as_secs_f64(),
        seen.words()
    ))
}

pub(super) fn rolled_out(world: &World) -> Result<()> {
    let release = &world.release;
    release.rolled_out("sts", "manager", ROLLED_OUT)?;
    release.rolled_out("deploy", "operator", ROLLED_OUT)
}

/// The longest time without an answer.
async fn longest_gap(client: client::Client, length: Duration) -> Duration {
    let begun = Instant::now();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < length {
        let ask = tokio::time::timeout(Duration::from_secs(1), client.status());
        if ask.await.is_ok_and(|answer| answer.is_ok()) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    longest.max(last.elapsed())
}

/// Pools and files outlive the release that served them.
async fn reinstall(world: &mut World) -> Result<()> {
    let release = world.release.clone();
    let policy = |policy: &str| release.patch_pool(POOL, &json!({ "deletionPolicy": policy }));
    let finalizers = || -> Result<Value> {
        let mut pool = release.kube.get(&release.namespace, "fsp", POOL)?;
        Ok(pool["metadata"]["finalizers"].take())
    };
    policy("Delete")?;
    wait::until(super::SOON, async || {
        ensure!(finalizers()?.is_array(), "no finalizer yet");
        Ok(())
    })
    .await?;
    release.uninstall()?;
    // No operator is left that could remove a finalizer.
    let left = finalizers()?;
    ensure!(left.is_null(), "finalizers are left: {left}");
    let nodes = release
        .kube
        .get(&release.namespace, "sts", &format!("{POOL}-node"))?;
    ensure!(
        nodes["status"]["readyReplicas"] == 3,
        "the nodes stay: {}",
        nodes["status"]
    );
    release.helm("install", &values())?;
    rolled_out(world)?;
    policy("Protect")?;
    release.ready(POOL, 3).await?;
    // The Service is a new one.
    let client = release.client()?;
    wait::until(super::SOON, async || Ok(client.status().await?)).await?;
    world.files()?.through(vec![client]);
    let secret = format!("{}-token", release.full_name());
    release
        .kube
        .get(&release.namespace, "secret", &secret)
        .map(drop)
        .context("the token outlives the release")
}

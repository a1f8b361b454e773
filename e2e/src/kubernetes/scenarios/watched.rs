//! A watched namespace is deleted, with a pool in it that has a finalizer: neither the
//! deletion nor the operator nor the operator's end is held up. A pool in a namespace
//! that is not watched any more says so.

use super::{POOL, World};
use crate::kubernetes::release::{Release, values};
use crate::wait;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The watched namespace.
pub(super) const NAMESPACE: &str = "watched";
/// Within this an operator ends.
const ENDS: Duration = Duration::from_secs(20);
/// Within this a namespace is gone.
const GONE: Duration = Duration::from_secs(120);

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let elsewhere = Release::new(&world.kube, NAMESPACE, &release.name);
    elsewhere.make_namespace()?;
    let mut watching = values();
    watching["watchNamespaces"] = json!([NAMESPACE]);
    release.helm("upgrade", &watching)?;
    unwatched(&release, &elsewhere, &watching).await?;
    // Without a node: the namespace's controller would wait for its pod for minutes, and
    // files of the first pool would move there.
    elsewhere.apply_pool("away", json!({ "replicas": 0, "deletionPolicy": "Delete" }))?;
    elsewhere.ready("away", 0).await?;
    // The operator is away while the namespace, and its rights there, go.
    let operator = format!("deploy/{}-operator", release.full_name());
    let to = |count: u32| {
        let replicas = format!("--replicas={count}");
        let args = ["-n", &release.namespace, "scale", &operator, &replicas];
        release.kube.kubectl(&args)
    };
    to(0)?;
    let args = ["delete", "namespace", NAMESPACE, "--wait=false"];
    release.kube.kubectl(&args)?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    to(2)?;
    wait::until(GONE, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let told = release
            .kube
            .try_kubectl(&["get", "namespace", NAMESPACE], "")?;
        ensure!(!told.ok, "{}", told.text);
        Ok(())
    })
    .await?;
    // The other namespace is still served, and the operator ends in time.
    world.nodes(4).await?;
    world.nodes(3).await?;
    let leader = release.leader()?;
    let begun = Instant::now();
    let args = [
        "-n",
        &release.namespace,
        "delete",
        "pod",
        &leader,
        "--timeout=60s",
    ];
    release.kube.kubectl(&args)?;
    let took = begun.elapsed();
    ensure!(took < ENDS, "the operator ended after {took:?}");
    release.helm("upgrade", &values())?;
    release.ready(POOL, 3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "a watched namespace went without its operator, which ended in {:.1} s; {compared} compared",
        took.as_secs_f64()
    ))
}

/// While a namespace is not watched, its pool does not report that it is ready.
async fn unwatched(release: &Release, elsewhere: &Release, watching: &Value) -> Result<()> {
    elsewhere.apply_pool("left", json!({ "replicas": 0 }))?;
    elsewhere.ready("left", 0).await?;
    release.helm("upgrade", &values())?;
    let (ready, reason, message) = elsewhere.condition("left", "Ready")?;
    ensure!(
        !ready && reason == "NotServed" && message.contains("watchNamespaces"),
        "{reason}: {message}"
    );
    release.helm("upgrade", watching)?;
    elsewhere.ready("left", 0).await
}

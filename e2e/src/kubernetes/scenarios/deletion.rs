//! How pools end.

use super::{POOL, World};
use crate::kubernetes::proxy::Proxy;
use crate::library::names;
use crate::wait;
use crate::wire;
use anyhow::{Result, bail, ensure};
use futures::future::try_join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Within this a deletion is done.
const GONE: Duration = Duration::from_secs(90);
/// How many clients delete a pool at the same time.
const IMPATIENT: usize = 8;

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    let selector = format!("fileserver.dev/pool={POOL}");
    let claims = || release.kube.list(&namespace, "pvc", &selector);
    // Retain: the files are on their volumes, and come back with the pool.
    let policy = |policy: &str| release.patch_pool(POOL, &json!({ "deletionPolicy": policy }));
    policy("Retain")?;
    let fsp = format!("fsp/{POOL}");
    for cascade in ["background", "foreground"] {
        let how = format!("--cascade={cascade}");
        release
            .kube
            .kubectl(&["-n", &namespace, "delete", &fsp, &how, "--timeout=90s"])?;
        wait::until(GONE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let pods = release.kube.list(&namespace, "pod", &selector)?;
            ensure!(pods.is_empty(), "{} pods are left", pods.len());
            Ok(())
        })
        .await?;
        ensure!(claims()?.len() >= 3, "the claims stay");
        release.apply_pool(POOL, json!({ "replicas": 3, "deletionPolicy": "Retain" }))?;
        release.ready(POOL, 3).await?;
        world.compare().await?;
    }
    // Delete: claims and records go, even where the operator has not seen the
    // policy yet when the pool is deleted.
    let proxy = Proxy::start().await?;
    policy("Delete")?;
    let deletions = (0..IMPATIENT).map(|_| delete_at_once(proxy.address, &namespace));
    let refused: usize = try_join_all(deletions).await?.into_iter().sum();
    ensure!(
        refused > 0,
        "deleted before the operator can have seen the policy"
    );
    wait::until(GONE, async || {
        let left = claims()?;
        ensure!(left.is_empty(), "{} claims are left", left.len());
        Ok(())
    })
    .await?;
    let status = release.client()?.status().await?;
    let own = format!("{namespace}/{POOL}");
    ensure!(
        status.nodes.iter().all(|node| node.pool != own),
        "{status:?}"
    );
    let left = names(&release.client()?).await?;
    ensure!(left.is_empty(), "records are left: {}", left.len());
    Ok(format!(
        "Retain kept all files over two deletions, Delete none ({refused} deletions came too early \
         and were refused)"
    ))
}

/// Tries to delete the pool until it is deleted or gone; gives how often that was refused.
async fn delete_at_once(proxy: SocketAddr, namespace: &str) -> Result<usize> {
    let api = wire::Client::below(proxy, "/apis/fileserver.dev/v1alpha1");
    let path = format!("/namespaces/{namespace}/fileserverpools/{POOL}");
    let begun = Instant::now();
    let mut refused = 0;
    loop {
        let answer = api.call(Method::DELETE, &path).await?;
        let early = || String::from_utf8_lossy(&answer.body).contains("try again in a few seconds");
        match answer.status {
            StatusCode::OK | StatusCode::NOT_FOUND => return Ok(refused),
            StatusCode::FORBIDDEN if early() && begun.elapsed() < GONE => refused += 1,
            _ => bail!("after {refused} refusals: {answer:?}"),
        }
    }
}

/// A namespace with an operator, and with a pool that has a finalizer, can be deleted.
/// Where the namespace controller finds pods that are being stopped, it tries again
/// after half their grace period, which is 330 s.
pub(super) async fn namespace(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    wipe(world)?;
    release.apply_pool("last", json!({ "replicas": 1, "deletionPolicy": "Delete" }))?;
    release.ready("last", 1).await?;
    release.client()?.put("last", "x").await?;
    let begun = Instant::now();
    let namespace = &release.namespace;
    release
        .kube
        .kubectl(&["delete", "namespace", namespace, "--timeout=400s"])?;
    let took = begun.elapsed().as_secs();
    Ok(format!(
        "with its operator, a pool and its finalizer in {took} s"
    ))
}

/// Makes the volumes of deleted claims available again: our own cluster has none to spare.
pub(super) fn wipe(world: &World) -> Result<()> {
    if world.kube.is_own() {
        for volume in released(world)? {
            world.kube.cluster(&["pv-wipe", &volume])?;
        }
    }
    Ok(())
}

/// Volumes whose claims have gone.
fn released(world: &World) -> Result<Vec<String>> {
    let all = world.kube.list("", "pv", "")?;
    let gone = |volume: &&Value| volume["status"]["phase"] == "Released";
    let name = |volume: &Value| {
        volume["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Ok(all.iter().filter(gone).map(name).collect())
}

//! More nodes, fewer nodes, and changed minds.

use super::{POOL, World};
use crate::kubernetes::disks;
use crate::kubernetes::release::Release;
use crate::kubernetes::traffic::{Traffic, compare};
use crate::library::names;
use crate::wait;
use anyhow::{Result, bail, ensure};
use rustix::process::{Pid, Signal};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a leader that was paused is watched after it goes on.
const AWAKE: Duration = Duration::from_secs(3);
/// Within this time a condition describes what was just changed.
const AT_ONCE: Duration = Duration::from_secs(30);

/// Each file of the service is on exactly one volume, where that can be seen.
async fn on_one_disk_each(world: &World, pods: &[String]) -> Result<String> {
    if !world.kube.is_own() {
        return Ok("on disks that are not to be seen".to_owned());
    }
    let mut seen = BTreeSet::new();
    let mut counts = Vec::new();
    for pod in pods {
        let files = disks::files(&world.release, pod)?;
        counts.push(files.len());
        for file in files {
            ensure!(seen.insert(file.clone()), "{file} is on two nodes");
        }
    }
    let listed: BTreeSet<String> = names(&world.release.client()?).await?.into_iter().collect();
    ensure!(
        seen == listed,
        "{} files on disks, {} listed",
        seen.len(),
        listed.len()
    );
    Ok(format!("on disks {counts:?}"))
}

fn pods(count: i32) -> Vec<String> {
    (0..count)
        .map(|ordinal| format!("{POOL}-node-{ordinal}"))
        .collect()
}

pub(super) async fn grow(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    if world.kube.is_own() {
        grow_claims(world).await?;
    }
    let traffic = Traffic::start(&client, "grow");
    world.nodes(5).await?;
    release.balanced(POOL).await?;
    no_alarm_for_who_comes(&release)?;
    let victim = format!("{POOL}-node-1");
    let args = [
        "-n",
        &release.namespace,
        "delete",
        "pod",
        &victim,
        "--grace-period=0",
        "--force",
    ];
    release.kube.kubectl(&args)?;
    // A pod of that name is there again, and serves.
    release.ready(POOL, 5).await?;
    let seen = traffic.stop().await;
    let bad = seen.failures("upload");
    let tolerated = |what: &String| what.contains("503") || what.contains("broke");
    ensure!(bad.keys().all(tolerated), "{bad:?}");
    let balanced = release.balanced(POOL).await?;
    let compared = world.compare().await? + compare(&client, "grow", &seen).await?;
    let disks = on_one_disk_each(world, &pods(5)).await?;
    Ok(format!(
        "files per node {balanced:?}, {disks}; {compared} compared; {}",
        seen.words()
    ))
}

/// A node that joined was never reported as unavailable before.
fn no_alarm_for_who_comes(release: &Release) -> Result<()> {
    let args = [
        "-n",
        &release.namespace,
        "get",
        "events",
        "--field-selector=reason=NodeUnavailable",
        "-o=jsonpath={.items[*].message}",
    ];
    let told = release.kube.kubectl(&args)?;
    for pod in &pods(5)[3..] {
        ensure!(!told.contains(pod), "{told}");
    }
    Ok(())
}

/// Claims ask for more, their class allows it, and nothing resizes local volumes: the pool
/// reports that they grow until the test, in place of a resizer, says that they have.
async fn grow_claims(world: &World) -> Result<()> {
    let release = &world.release;
    let size = |size: &str| json!({ "storage": { "size": size } });
    release.patch_pool(POOL, &size("2Gi"))?;
    release.told(POOL, "StorageReady", false, "Growing").await?;
    asked_for(release, "2Gi")?;
    resized(release, "2Gi")?;
    release.told(POOL, "StorageReady", true, "Sized").await?;
    release.patch_pool(POOL, &size("1Gi"))?;
    let why = release
        .told(POOL, "StorageReady", false, "SizeRefused")
        .await?;
    ensure!(why.contains("volumes can't shrink"), "{why}");
    // A growth that was never done can't be set back to the volume's very size, only
    // to one above it.
    resized(release, "1Gi")?;
    wait::until(AT_ONCE, async || {
        let why = release.told(POOL, "StorageReady", false, "SizeRefused");
        let why = why.await?;
        ensure!(why.contains("can't be set back to the 1Gi"), "{why}");
        Ok(())
    })
    .await?;
    resized(release, "512Mi")?;
    release.told(POOL, "StorageReady", false, "Growing").await?;
    asked_for(release, "1Gi")?;
    // The machine's volumes have 1Gi, and new claims must fit one.
    resized(release, "1Gi")?;
    release.told(POOL, "StorageReady", true, "Sized").await?;
    release.ready(POOL, 3).await
}

/// Every claim asks for that size.
fn asked_for(release: &Release, size: &str) -> Result<()> {
    for pod in pods(3) {
        let claim = format!("data-{pod}");
        let found = release.kube.get(&release.namespace, "pvc", &claim)?;
        ensure!(
            found["spec"]["resources"]["requests"]["storage"] == size,
            "{found}"
        );
    }
    Ok(())
}

/// Sets what a resizer reports once a volume has another size.
fn resized(release: &Release, size: &str) -> Result<()> {
    let patch = json!({ "status": { "capacity": { "storage": size } } }).to_string();
    for pod in pods(3) {
        let claim = format!("data-{pod}");
        let args = [
            "-n",
            &release.namespace,
            "patch",
            "pvc",
            &claim,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ];
        release.kube.kubectl(&args)?;
    }
    Ok(())
}

pub(super) async fn shrink(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    let client = release.client()?;
    world.nodes(5).await?;
    release.balanced(POOL).await?;
    let before = release.files_per_node(POOL).await?;
    let last = before.get(&format!("{POOL}-node-4"));
    ensure!(last > Some(&0), "node 4 has nothing to lose: {before:?}");
    let traffic = Traffic::start(&client, "shrink");
    release.scale(POOL, 3)?;
    release.told(POOL, "Reconciling", true, "Draining").await?;
    // The leading operator is lost during the drain: one is killed, and the next one
    // is paused until another has done its work.
    let leader = release.leader()?;
    let args = [
        "-n",
        &namespace,
        "delete",
        "pod",
        &leader,
        "--grace-period=0",
        "--force",
    ];
    release.kube.kubectl(&args)?;
    another_leads(&release, &leader).await?;
    if release.kube.is_own() {
        let sleeper = Paused::operator(&release.leader()?)?;
        another_leads(&release, &sleeper.pod).await?;
        release.ready(POOL, 3).await?;
        drop(sleeper);
        // The paused operator goes on, and finds that it does not lead any more.
        tokio::time::sleep(AWAKE).await;
    }
    release.ready(POOL, 3).await?;
    let seen = traffic.stop().await;
    let bad = seen.failures("");
    ensure!(bad.is_empty(), "a shrink costs no request: {bad:?}");
    let compared = world.compare().await? + compare(&client, "shrink", &seen).await?;
    if release.kube.is_own() {
        for ordinal in 3..5 {
            let left = disks::files(&release, &format!("{POOL}-node-{ordinal}"))?;
            ensure!(left.is_empty(), "left behind on node {ordinal}: {left:?}");
        }
    }
    let held = hold_without_manager(world).await?;
    world.nodes(5).await?;
    let balanced = release.balanced(POOL).await?;
    let again = world.compare().await?;
    on_one_disk_each(world, &pods(5)).await?;
    world.nodes(3).await?;
    Ok(format!(
        "{compared} compared at 3, {again} at 5 again with {balanced:?}; {held}; {}",
        seen.words()
    ))
}

async fn another_leads(release: &Release, leader: &str) -> Result<()> {
    wait::until(Duration::from_secs(60), async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        ensure!(release.leader()? != leader, "nobody else leads yet");
        Ok(())
    })
    .await
}

/// A pod's process that stands still until this is dropped.
struct Paused {
    pod: String,
    pid: Pid,
}

impl Paused {
    /// Pods run on this machine; an operator's environment contains the name of its pod.
    fn operator(pod: &str) -> Result<Self> {
        let wanted = format!("DFS_IDENTITY={pod}");
        for entry in std::fs::read_dir("/proc")? {
            let entry = entry?;
            let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
                continue;
            };
            // A process may end while it is examined.
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let found = environment
                .split(|byte| *byte == 0)
                .any(|v| v == wanted.as_bytes());
            if let Some(pid) = Pid::from_raw(pid).filter(|_| found) {
                rustix::process::kill_process(pid, Signal::STOP)?;
                return Ok(Self {
                    pod: pod.to_owned(),
                    pid,
                });
            }
        }
        bail!("no process of {pod}")
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        // It may have been ended meanwhile.
        let _ = rustix::process::kill_process(self.pid, Signal::CONT);
    }
}

/// More files ask for more nodes, up to what is allowed.
pub(super) async fn autoscale(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let files = release.client()?.status().await?.files;
    let auto = |per_node: u64| {
        json!({ "autoscaling": {
            "minReplicas": 2, "maxReplicas": 4, "filesPerNode": per_node, "shrinkAfterSeconds": 60,
        }})
    };
    release.patch_pool(POOL, &auto(files / 10))?;
    release.ready(POOL, 4).await?;
    let grown = release.balanced(POOL).await?;
    release.patch_pool(POOL, &auto(files * 10))?;
    release.ready(POOL, 2).await?;
    let found = release.kube.get(&release.namespace, "fsp", POOL)?;
    ensure!(
        found["spec"]["replicas"] == 3 && found["status"]["desiredReplicas"] == 2,
        "{found}"
    );
    release.patch_pool(POOL, &json!({ "autoscaling": null }))?;
    release.ready(POOL, 3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "{files} files: to 4 nodes with {grown:?}, to 2, spec.replicas untouched; {compared} compared"
    ))
}

/// While no manager answers, no node leaves.
async fn hold_without_manager(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let manager = format!("sts/{}-manager", release.full_name());
    let to = |count: u32| {
        let replicas = format!("--replicas={count}");
        let args = ["-n", &release.namespace, "scale", &manager, &replicas];
        release.kube.kubectl(&args)
    };
    to(0)?;
    release
        .told(POOL, "ManagerReachable", false, "NoAnswer")
        .await?;
    release.scale(POOL, 2)?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let status = release.status(POOL)?;
    ensure!(status["replicas"] == 3, "{status}");
    to(1)?;
    release
        .told(POOL, "ManagerReachable", true, "Answers")
        .await?;
    world.nodes(3).await?;
    Ok("held while no manager answered".to_owned())
}

pub(super) async fn cancel(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    world.nodes(5).await?;
    release.balanced(POOL).await?;
    release.scale(POOL, 2)?;
    release.told(POOL, "Reconciling", true, "Draining").await?;
    world.nodes(5).await?;
    let balanced = release.balanced(POOL).await?;
    world.nodes(3).await?;
    // No node is left that could take the files: not even the first one moves.
    release.scale(POOL, 0)?;
    let why = release
        .told(POOL, "ScaleDownBlocked", true, "NoRoom")
        .await?;
    let status = release.status(POOL)?;
    ensure!(
        status["replicas"] == 3 && status["phase"] == "Blocked",
        "{status}"
    );
    world.nodes(3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "cancelled with {balanced:?}; to 0: {why}; {compared} compared"
    ))
}

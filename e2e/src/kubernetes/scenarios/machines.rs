//! Machines that go and come back.

use super::{POOL, World};
use crate::wait;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// A machine is called lost after some 20 s, and back within seconds.
const NOTICED: Duration = Duration::from_secs(90);

pub(super) async fn run(world: &mut World) -> Result<String> {
    let off = power_off(world).await?;
    let cut = link_cut(world).await?;
    let drained = kubectl_drain(world).await?;
    let compared = world.compare().await?;
    Ok(format!("{off}; {cut}; {drained}; {compared} compared"))
}

/// The machine of one of our nodes, on which no manager runs.
fn machine_of_a_node(world: &World) -> Result<String> {
    let release = &world.release;
    let all = |component: &str| {
        let selector = format!("app.kubernetes.io/component={component}");
        let pods = release.kube.list(&release.namespace, "pod", &selector)?;
        let at = pods
            .iter()
            .filter_map(|p| p["spec"]["nodeName"].as_str().map(str::to_owned));
        anyhow::Ok(at.collect::<Vec<_>>())
    };
    let managers = all("manager")?;
    let free = all("node")?
        .into_iter()
        .find(|machine| !managers.contains(machine));
    free.context("every machine has a manager")
}

async fn power_off(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let machine = machine_of_a_node(world)?;
    let begun = Instant::now();
    release.kube.cluster(&["node-stop", &machine])?;
    let why = release
        .told(POOL, "NodesAvailable", false, "NodeUnavailable")
        .await?;
    let noticed = begun.elapsed();
    ensure!(why.contains(&format!("on machine {machine}")), "{why}");
    // It has not been away for long enough to be abandoned.
    ensure!(!why.contains("fileserver.dev/abandon="), "{why}");
    // Uploads go to the others.
    let client = release.client()?;
    for number in 0..20 {
        client.put(&format!("while-off-{number}"), "x").await?;
    }
    release.kube.cluster(&["node-start", &machine])?;
    back(world).await?;
    for number in 0..20 {
        client.delete(&format!("while-off-{number}")).await?;
    }
    Ok(format!(
        "{machine} off, told after {:.0} s, and back",
        noticed.as_secs_f64()
    ))
}

/// Waits until every file can be read again.
async fn back(world: &mut World) -> Result<()> {
    world
        .release
        .told(POOL, "NodesAvailable", true, "AllAvailable")
        .await?;
    wait::until(NOTICED, async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let ready = world.release.condition(POOL, "Ready")?;
        ensure!(ready.0, "{ready:?}");
        Ok(())
    })
    .await?;
    world.compare().await.map(drop)
}

async fn link_cut(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let machine = machine_of_a_node(world)?;
    release.kube.cluster(&["link-cut", &machine])?;
    release
        .told(POOL, "NodesAvailable", false, "NodeUnavailable")
        .await?;
    release.kube.cluster(&["link-mend", &machine])?;
    back(world).await?;
    Ok(format!("{machine} cut off and back"))
}

/// `kubectl drain` evicts a node, but not a second one while the first is away:
/// the first one's volume is on that machine.
async fn kubectl_drain(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let machine = machine_of_a_node(world)?;
    let drain = |timeout: &str| {
        let limit = format!("--timeout={timeout}");
        let args = [
            "drain",
            &machine,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            &limit,
        ];
        release.kube.try_kubectl(&args, "")
    };
    let selector = format!("fileserver.dev/pool={POOL}");
    let pods = release.kube.list(&release.namespace, "pod", &selector)?;
    let here = pods
        .iter()
        .filter(|pod| pod["spec"]["nodeName"] == *machine);
    let told = drain("40s")?;
    // Where the machine has two of the pool's nodes, the second one stays.
    let as_it_should = match here.count() {
        1 => told.ok,
        _ => !told.ok && told.text.contains("disruption budget"),
    };
    ensure!(as_it_should, "{}", told.text);
    release
        .told(POOL, "NodesAvailable", false, "NodeUnavailable")
        .await?;
    let budget = release.kube.list(&release.namespace, "pdb", &selector)?;
    ensure!(budget[0]["status"]["disruptionsAllowed"] == 0, "{budget:?}");
    release.kube.kubectl(&["uncordon", &machine])?;
    back(world).await?;
    Ok(format!(
        "kubectl drain {machine}, and no second one meanwhile"
    ))
}

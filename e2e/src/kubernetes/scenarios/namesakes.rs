//! Two releases of one name in two namespaces, which both serve a third one.

use super::{World, deletion};
use crate::files::Files;
use crate::kubernetes::release::{Release, values};
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// The namespaces of the releases.
pub(super) const NAMESPACES: [&str; 2] = ["twin-one", "twin-two"];
/// The namespace with the pool.
pub(super) const SERVED: &str = "twins";
/// The name of both.
const NAME: &str = "twin";
/// The pool.
const POOL: &str = "pool";

pub(super) async fn run(world: &mut World) -> Result<String> {
    deletion::wipe(world)?;
    let served = Release::new(&world.kube, SERVED, NAME);
    served.make_namespace()?;
    let mut values = values();
    values["operator"]["replicas"] = json!(1);
    values["watchNamespaces"] = json!([SERVED]);
    let twins = NAMESPACES.map(|namespace| Release::new(&world.kube, namespace, NAME));
    for twin in &twins {
        twin.make_namespace()?;
        twin.helm("install", &values)?;
    }
    let spec = json!({ "replicas": 2, "deletionPolicy": "Delete" });
    served.apply_pool(POOL, spec)?;
    served.ready(POOL, 2).await?;
    let owner = served.status(POOL)?["managedBy"].take();
    let owns = |twin: &&Release| owner == format!("{}/{NAME}", twin.namespace);
    let first = twins.iter().find(owns).context("one of them has it")?;
    let mut files = Files::new(vec![first.client()?]);
    files.upload(40).await?;
    // The other release's policy must let the pool's operator do this.
    served.scale(POOL, 1)?;
    served.ready(POOL, 1).await?;
    let compared = files.compare_all().await?;
    let by_hand = ["-n", SERVED, "patch", "sts", "pool-node", "-p", NONE];
    let told = world.kube.try_kubectl(&by_hand, "")?;
    ensure!(
        !told.ok && told.text.contains("kubectl scale fsp/pool"),
        "{}",
        told.text
    );
    let fsp = format!("fsp/{POOL}");
    world
        .kube
        .kubectl(&["-n", SERVED, "delete", &fsp, "--timeout=90s"])?;
    for twin in &twins {
        twin.uninstall()?;
    }
    for namespace in NAMESPACES.iter().chain(&[SERVED]) {
        let args = ["delete", "namespace", namespace, "--wait=false"];
        world.kube.kubectl(&args)?;
    }
    Ok(format!(
        "a pool of {owner} shrank, {compared} compared, and was deleted with its files beside its namesake"
    ))
}

/// Takes all pods away.
const NONE: &str = r#"{"spec":{"replicas":0}}"#;

//! What others do to objects of the operator: fields of later releases, sidecars and
//! policies, backups that lose the owner.

use super::{POOL, World};
use crate::kubernetes::release::SETTLE;
use crate::wait;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// The definition's name.
const DEFINITION: &str = "fileserverpools.fileserver.dev";
/// For how long an object may not be written.
const STILL: Duration = Duration::from_secs(12);

/// A later definition has one more field and one more choice: the operator ignores
/// the field, skips a pool with that choice, and holds up no other pool.
pub(super) async fn unknown(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    let before = release.kube.get("", "crd", DEFINITION)?;
    let mut later = before.clone();
    let spec = &mut later["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        ["properties"];
    spec["later"] = json!({ "type": "string", "default": "new" });
    if let Value::Array(choices) = &mut spec["deletionPolicy"]["enum"] {
        choices.push(json!("Archive"));
    }
    replace(world, later)?;
    let done = async {
        release.apply_pool(
            "archived",
            json!({ "replicas": 1, "deletionPolicy": "Archive" }),
        )?;
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let events = release.kube.list(&namespace, "events", "")?;
            let said = events.iter().any(|event| event["reason"] == "Unreadable");
            ensure!(said, "nothing is said of the pool that can't be read");
            Ok(())
        })
        .await?;
        // An operator that starts now sees them all.
        let operators = format!("deploy/{}-operator", release.full_name());
        release
            .kube
            .kubectl(&["-n", &namespace, "rollout", "restart", &operators])?;
        release.apply_pool("later", json!({ "replicas": 1, "later": "x" }))?;
        release.ready("later", 1).await?;
        world.nodes(4).await?;
        world.nodes(3).await?;
        // The pool `later` has files of the first one by now, and gives them back.
        release.scale("later", 0)?;
        release.ready("later", 0).await?;
        for pool in ["fsp/later", "fsp/archived"] {
            let args = ["-n", &namespace, "delete", pool, "--timeout=60s"];
            release.kube.kubectl(&args)?;
        }
        anyhow::Ok(())
    };
    let done = done.await;
    replace(world, before)?;
    done?;
    let compared = world.compare().await?;
    Ok(format!(
        "an unknown field was passed over, a pool that can't be read skipped; {compared} compared"
    ))
}

/// Replaces the definition.
fn replace(world: &World, mut definition: Value) -> Result<()> {
    if let Some(metadata) = definition["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    let told = world
        .kube
        .try_kubectl(&["replace", "-f", "-"], &definition.to_string())?;
    told.expect("kubectl replace").map(drop)
}

/// A policy that changes objects of one kind as they are written.
fn policy(world: &World, name: &str, (group, resource): (&str, &str), patch: &str) -> Result<()> {
    let namespace = &world.release.namespace;
    let selects = json!({ "matchLabels": { "kubernetes.io/metadata.name": namespace } });
    world.kube.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": { "name": name },
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "namespaceSelector": selects,
                "objectSelector": { "matchLabels": { "fileserver.dev/pool": POOL } },
                "resourceRules": [{
                    "apiGroups": [group],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": [resource],
                }],
            },
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": patch } }],
        },
    }))?;
    world.kube.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": { "name": name },
        "spec": { "policyName": name },
    }))
}

fn without_policy(world: &World, name: &str) -> Result<()> {
    for kind in ["mutatingadmissionpolicybinding", "mutatingadmissionpolicy"] {
        world.kube.kubectl(&["delete", kind, name])?;
    }
    Ok(())
}

/// A sidecar is put first in a pod and can't start, and a policy changes a disruption
/// budget at each write: the operator reports both, and does not write the budget for ever.
pub(super) async fn injected(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    let pod = format!("{POOL}-node-0");
    policy(
        world,
        "e2e-sidecar",
        ("", "pods"),
        "[JSONPatch{op: 'add', path: '/spec/containers/0', value: Object.spec.containers{name: \
         'mesh', image: 'localhost/none', imagePullPolicy: 'Never', securityContext: \
         Object.spec.containers.securityContext{allowPrivilegeEscalation: false, runAsNonRoot: \
         true, capabilities: Object.spec.containers.securityContext.capabilities{drop: \
         ['ALL']}}}}]",
    )?;
    let seen = async {
        // A policy takes effect once the API server has seen it.
        wait::until(SETTLE, async || {
            release
                .kube
                .kubectl(&["-n", &namespace, "delete", "pod", &pod])?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let found = release.kube.get(&namespace, "pod", &pod)?;
            let first = &found["spec"]["containers"][0]["name"];
            ensure!(first == "mesh", "the first container is {first}");
            Ok(())
        })
        .await?;
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let told = release.condition(POOL, "Reconciling")?;
            ensure!(
                told.2.contains("container mesh: ErrImageNeverPull"),
                "{told:?}"
            );
            let image = release.status(POOL)?["targetImage"].to_string();
            ensure!(!image.contains("none"), "{image}");
            Ok(())
        })
        .await
    }
    .await;
    without_policy(world, "e2e-sidecar")?;
    seen?;
    wait::until(SETTLE, async || {
        release
            .kube
            .kubectl(&["-n", &namespace, "delete", "pod", &pod])?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let found = release.kube.get(&namespace, "pod", &pod)?;
        let first = &found["spec"]["containers"][0]["name"];
        ensure!(first == "node", "the first container is {first}");
        Ok(())
    })
    .await?;
    release.ready(POOL, 3).await?;
    budget(world).await?;
    release.ready(POOL, 3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "a sidecar's image was named, a changed budget said and left; {compared} compared"
    ))
}

/// The disruption budget is changed by a policy at each write.
async fn budget(world: &World) -> Result<()> {
    let release = &world.release;
    let namespace = &release.namespace;
    let name = format!("{POOL}-node");
    policy(
        world,
        "e2e-budget",
        ("policy", "poddisruptionbudgets"),
        "[JSONPatch{op: 'add', path: '/spec/maxUnavailable', value: 2}]",
    )?;
    let version = || -> Result<(Value, String)> {
        let found = release.kube.get(namespace, "pdb", &name)?;
        let version = found["metadata"]["resourceVersion"].to_string();
        Ok((found["spec"]["maxUnavailable"].clone(), version))
    };
    let seen = async {
        wait::until(SETTLE, async || {
            // The policy changes the budget at its next write, whoever makes that.
            let patch = r#"{"spec":{"maxUnavailable":3}}"#;
            let args = [
                "-n",
                namespace,
                "patch",
                "pdb",
                &name,
                "--type=merge",
                "-p",
                patch,
            ];
            release.kube.kubectl(&args)?;
            tokio::time::sleep(Duration::from_secs(3)).await;
            let events = release.kube.list(namespace, "events", "")?;
            let said = events.iter().any(|event| event["reason"] == "Overridden");
            ensure!(said && version()?.0 == 2, "nothing is said of it");
            Ok(())
        })
        .await?;
        let before = version()?;
        tokio::time::sleep(STILL).await;
        let after = version()?;
        ensure!(before == after, "{before:?}, {after:?}");
        anyhow::Ok(())
    }
    .await;
    without_policy(world, "e2e-budget")?;
    seen
}

/// Objects that a backup brings back have no owner: they are taken over on a person's word.
pub(super) async fn orphans(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    let fsp = format!("fsp/{POOL}");
    release.patch_pool(POOL, &json!({ "deletionPolicy": "Retain" }))?;
    release.ready(POOL, 3).await?;
    let args = [
        "-n",
        &namespace,
        "delete",
        &fsp,
        "--cascade=orphan",
        "--timeout=60s",
    ];
    release.kube.kubectl(&args)?;
    release.apply_pool(POOL, json!({ "replicas": 3 }))?;
    let why = release
        .told(POOL, "Reconciling", true, "NameConflict")
        .await?;
    let order = "fileserver.dev/adopt=true";
    ensure!(why.contains(order), "{why}");
    release.told(POOL, "Stalled", true, "NameConflict").await?;
    release
        .kube
        .kubectl(&["-n", &namespace, "annotate", &fsp, order])?;
    release.ready(POOL, 3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "a pool's objects without their owner were adopted by annotation; {compared} compared"
    ))
}

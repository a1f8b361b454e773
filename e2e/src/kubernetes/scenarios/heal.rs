//! What people and accidents do to the pool's objects.

use super::{POOL, World};
use crate::wait;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Within this a hand edit is undone.
const HEALED: Duration = Duration::from_secs(60);

/// A kind, a patch, a field that it changes, and the value that the field must
/// have again; none where the field must be gone.
const EDITS: [(&str, &str, &str, Option<&str>); 7] = [
    (
        "service",
        r#"{"spec":{"publishNotReadyAddresses":false}}"#,
        "/spec/publishNotReadyAddresses",
        Some("true"),
    ),
    (
        "service",
        r#"{"spec":{"selector":{"example.org/none":"x"}}}"#,
        "/spec/selector/example.org~1none",
        None,
    ),
    (
        "pdb",
        r#"{"spec":{"maxUnavailable":2}}"#,
        "/spec/maxUnavailable",
        Some("1"),
    ),
    // Beside this the field that the operator wants is invalid.
    (
        "pdb",
        r#"{"spec":{"maxUnavailable":null,"minAvailable":1}}"#,
        "/spec/maxUnavailable",
        Some("1"),
    ),
    (
        "sts",
        r#"{"metadata":{"labels":{"fileserver.dev/pool":"other"}}}"#,
        "/metadata/labels/fileserver.dev~1pool",
        Some("\"main\""),
    ),
    (
        "sts",
        r#"{"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}}"#,
        "/spec/updateStrategy/rollingUpdate/partition",
        Some("3"),
    ),
    (
        "sts",
        r#"[{"op":"add","path":"/spec/template/spec/containers/0/env/0","value":{"name":"X","value":"y"}}]"#,
        "/spec/template/spec/containers/0/env/0/value",
        None,
    ),
];

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let namespace = release.namespace.clone();
    let object = format!("{POOL}-node");
    let uids = |kind: &str| -> Result<BTreeMap<String, String>> {
        let selector = format!("fileserver.dev/pool={POOL}");
        let all = release.kube.list(&namespace, kind, &selector)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let uid = |o: &Value| (text(&o["metadata"]["name"]), text(&o["metadata"]["uid"]));
        Ok(all.iter().map(uid).collect())
    };
    let (claims, pods) = (uids("pvc")?, uids("pod")?);
    let keys = format!("{}-nodes", release.full_name());
    let objects = [
        ("service", &object),
        ("pdb", &object),
        ("networkpolicy", &object),
        ("serviceaccount", &object),
        ("secret", &keys),
    ];
    for (kind, name) in objects {
        release
            .kube
            .kubectl(&["-n", &namespace, "delete", kind, name])?;
    }
    for (kind, name) in objects {
        wait::until(HEALED, async || release.kube.get(&namespace, kind, name)).await?;
    }
    for (kind, patch, pointer, wanted) in EDITS {
        let how = if patch.starts_with('[') {
            "json"
        } else {
            "merge"
        };
        let how = format!("--type={how}");
        let args = ["-n", &namespace, "patch", kind, &object, &how, "-p", patch];
        release.kube.kubectl(&args)?;
        wait::until(HEALED, async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let found = release.kube.get(&namespace, kind, &object)?;
            let value = found.pointer(pointer).map(ToString::to_string);
            ensure!(value.as_deref() == wanted, "{kind} {pointer}: {value:?}");
            Ok(())
        })
        .await?;
    }
    ensure!(uids("pod")? == pods, "no pod was restarted for that");
    // A StatefulSet that somebody scaled up is drained before it shrinks again.
    let set = format!("sts/{object}");
    release
        .kube
        .kubectl(&["-n", &namespace, "scale", &set, "--replicas=4"])?;
    release.ready(POOL, 3).await?;
    // One that somebody deleted comes back on the same claims.
    release.kube.kubectl(&["-n", &namespace, "delete", &set])?;
    release.ready(POOL, 3).await?;
    let after = uids("pvc")?;
    let kept = claims
        .iter()
        .all(|(name, uid)| after.get(name) == Some(uid));
    ensure!(kept, "claims were {claims:?}, are {after:?}");
    stranger(world).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "5 deleted objects, {} edits, another's StatefulSet left alone, a deleted StatefulSet; {compared} compared",
        EDITS.len()
    ))
}

/// Another application has a StatefulSet, and claims, with the names of a pool's: it keeps
/// all of them while the pool is there, and when the pool is deleted with its files.
async fn stranger(world: &World) -> Result<()> {
    let release = &world.release;
    let namespace = &release.namespace;
    let metadata = |name: &str| json!({ "name": name, "namespace": namespace });
    let labels = json!({ "app": "stranger" });
    let pod = json!({ "containers": [{ "name": "x", "image": "localhost/none" }] });
    release.kube.apply(&json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata("stranger-node"),
        "spec": {
            "replicas": 2,
            "serviceName": "stranger",
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod },
        },
    }))?;
    release.kube.apply(&json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata("data-stranger-node-0"),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "10Mi" } },
        },
    }))?;
    let there = || -> Result<[Value; 2]> {
        let mut set = release.kube.get(namespace, "sts", "stranger-node")?;
        let mut claim = release.kube.get(namespace, "pvc", "data-stranger-node-0")?;
        Ok([set["spec"].take(), claim["spec"]["resources"].take()])
    };
    let before = there()?;
    release.apply_pool(
        "stranger",
        json!({ "replicas": 1, "deletionPolicy": "Delete" }),
    )?;
    release
        .told("stranger", "Reconciling", true, "NameConflict")
        .await?;
    wait::until(HEALED, async || {
        let args = ["-n", namespace, "delete", "fsp/stranger", "--timeout=60s"];
        release.kube.kubectl(&args)
    })
    .await?;
    ensure!(there()? == before, "it was changed: {:?}", there()?);
    let all = "sts/stranger-node,pvc/data-stranger-node-0".split(',');
    for object in all {
        release.kube.kubectl(&["-n", namespace, "delete", object])?;
    }
    Ok(())
}

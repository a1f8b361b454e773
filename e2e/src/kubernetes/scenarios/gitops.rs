//! What tools other than Helm make of the chart.

use super::{World, deletion};
use crate::cluster::binaries::{scratch, workspace};
use crate::kubernetes::release::{Release, SETTLE, values};
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// The namespace of what is applied without Helm.
pub(super) const PLAIN: &str = "plain";
/// The namespace of the chart as a part of another.
pub(super) const PART: &str = "part";
/// Kinds of which a tool would prune objects that it does not know.
const KINDS: &str = "pvc,secret,serviceaccount,service,pdb,networkpolicy,lease,configmap,\
    statefulset,deployment,role,rolebinding,fsp";

/// Argo CD with label tracking, its application named like the release: it removes
/// what bears the label, has no owner and is not in the manifest, unless the object
/// forbids that.
pub(super) async fn prune(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let args = ["get", "manifest", &release.name, "-n", &release.namespace];
    let manifest = release.kube.helm(&args, "")?;
    let label = format!("app.kubernetes.io/instance={}", release.name);
    // The operator marks the store's claim within half a minute.
    let spared = wait::until(SETTLE, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let bearing = release.kube.list(&release.namespace, KINDS, &label)?;
        let (spared, pruned): (Vec<_>, Vec<_>) = bearing
            .iter()
            .filter(|object| is_extra(object, &manifest))
            .partition(|object| forbids(object));
        let names: Vec<_> = pruned.iter().map(|object| name(object)).collect();
        ensure!(pruned.is_empty(), "would be pruned: {}", names.join(", "));
        Ok(spared.len())
    })
    .await?;
    let token = format!("{}-token", release.full_name());
    let secret = release.kube.get(&release.namespace, "secret", &token)?;
    ensure!(forbids(&secret), "the token: {}", secret["metadata"]);
    let compared = world.compare().await?;
    Ok(format!(
        "nothing would be pruned, {spared} objects forbid it; {compared} compared"
    ))
}

fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        text(&object["kind"]),
        text(&object["metadata"]["name"])
    )
}

fn is_extra(object: &Value, manifest: &str) -> bool {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let line = format!("\n  name: {name}\n");
    object["metadata"]["ownerReferences"].is_null() && !manifest.contains(&line)
}

fn forbids(object: &Value) -> bool {
    let options = &object["metadata"]["annotations"]["argocd.argoproj.io/sync-options"];
    let options = options.as_str().unwrap_or_default();
    options.contains("Prune=false") && options.contains("Delete=false")
}

/// `helm template | kubectl apply`, with the hooks.
pub(super) async fn plain(world: &mut World) -> Result<String> {
    deletion::wipe(world)?;
    let release = Release::new(&world.kube, PLAIN, "plain");
    release.make_namespace()?;
    let manifest = release.helm("template", &values())?;
    let kubectl = |verb: &str| -> Result<String> {
        let args = ["-n", PLAIN, verb, "-f", "-"];
        release.kube.try_kubectl(&args, &manifest)?.expect(verb)
    };
    kubectl("apply")?;
    release.apply_pool("pool", json!({ "replicas": 1, "deletionPolicy": "Delete" }))?;
    let leave = format!("job/{}-leave", release.full_name());
    let wait = ["wait", &leave, "--for=condition=Complete", "--timeout=120s"];
    release
        .kube
        .kubectl(&[&["-n", PLAIN], &wait[..]].concat())?;
    release.ready("pool", 1).await?;
    release.client()?.put("plain", "x").await?;
    let operator = format!("{}-operator", release.full_name());
    let deployment = release.kube.get(PLAIN, "deployment", &operator)?;
    ensure!(
        deployment["status"]["readyReplicas"] == 2,
        "the operator: {}",
        deployment["status"]
    );
    // A second time: the Jobs of the hooks, which have run, are no obstacle.
    kubectl("apply")?;
    release
        .kube
        .kubectl(&["delete", "namespace", PLAIN, "--timeout=400s"])?;
    let args = ["delete", "-f", "-", "--ignore-not-found"];
    release.kube.try_kubectl(&args, &manifest)?;
    Ok("the hooks ran, the operator stayed, a pool serves; its namespace went".to_owned())
}

/// The chart as a part of another one, with the globals of that chart.
pub(super) async fn part(world: &mut World) -> Result<String> {
    let folder = tempfile::Builder::new()
        .prefix("parent-")
        .tempdir_in(scratch()?)?;
    let charts = folder.path().join("charts");
    std::fs::create_dir_all(&charts)?;
    let copied = Command::new("cp")
        .arg("-r")
        .arg(workspace().join("charts/distributed-file-server"))
        .arg(&charts)
        .status()?;
    ensure!(copied.success(), "copying the chart: {copied}");
    let parent = json!({
        "apiVersion": "v2",
        "name": "parent",
        "version": "1.0.0",
        "dependencies": [{
            "name": "distributed-file-server",
            "version": "*",
            "condition": "distributed-file-server.enabled",
        }],
    });
    std::fs::write(folder.path().join("Chart.yaml"), parent.to_string())?;
    let mut own = values();
    own["enabled"] = json!(true);
    let globals = json!({ "storageClass": "fast", "imagePullSecrets": ["none"] });
    let values = json!({ "distributed-file-server": own, "global": globals });
    deletion::wipe(world)?;
    let release = Release::new(&world.kube, PART, "part");
    release.make_namespace()?;
    release.helm_chart("install", folder.path(), &values)?;
    release.apply_pool("pool", json!({ "replicas": 1 }))?;
    release.ready("pool", 1).await?;
    let set = release.kube.get(PART, "statefulset", "pool-node")?;
    let secrets = &set["spec"]["template"]["spec"]["imagePullSecrets"];
    ensure!(*secrets == json!([{ "name": "none" }]), "{secrets}");
    let args = ["uninstall", "part", "-n", PART, "--wait"];
    release.kube.helm(&args, "").context("uninstall")?;
    release
        .kube
        .kubectl(&["delete", "namespace", PART, "--wait=false"])?;
    Ok("installed with a condition and foreign globals, a pool serves".to_owned())
}

/// The API server accepts what is rendered for two address families, and the manager
/// answers on both.
pub(super) async fn families(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let mut dual = values();
    dual["service"] = json!({ "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"] });
    let manifest = release.helm("template", &dual)?;
    let dry = ["apply", "--dry-run=server", "-f", "-"];
    let dry = [&["-n", &release.namespace], &dry[..]].concat();
    release
        .kube
        .try_kubectl(&dry, &manifest)?
        .expect("kubectl apply --dry-run=server")?;
    let manager = format!("{}-manager-0", release.full_name());
    for address in ["127.0.0.1", "[::1]"] {
        let url = format!("http://{address}:8000");
        let args = ["exec", &manager, "--", "manager", "check", "--url", &url];
        let args = [&["-n", &release.namespace], &args[..]].concat();
        release
            .kube
            .kubectl(&args)
            .with_context(|| format!("the API on {address}"))?;
    }
    Ok("a dual-stack Service is taken; the API answers on 127.0.0.1 and on ::1".to_owned())
}

//! The token of a release is changed as its page says, under load. Certificates open the
//! inner ports; the token does only while peers without one are let in.

use super::readme::{blocks, page};
use super::{POOL, ROLLED_OUT, World};
use crate::kubernetes::kube::Kube;
use crate::kubernetes::release::{Release, SETTLE, values};
use crate::kubernetes::traffic::{Traffic, compare};
use crate::tools::Told;
use crate::wait;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The pod that gives the managers a command.
const CHECK: &str = "token-check";
/// The wait between two steps on the page, and the one that suffices for the kubelets
/// of our own cluster, which update their volumes every 10 s instead of every minute.
const WAITS: [&str; 2] = ["sleep 120", "sleep 35"];

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    let mut open = values();
    open["tls"] = json!({ "inner": { "acceptPlain": true } });
    upgrade(&release, &open)?;
    let old = token(&release)?;
    let before = pods(&release)?;
    let traffic = Traffic::start(&client, "token");
    let told = tokio::task::spawn_blocking({
        let commands = commands(&release)?;
        move || Kube::run("bash", &["-eus"], &commands)
    });
    told.await??.expect("the page's commands")?;
    let seen = traffic.stop().await;
    let failed = seen.failures("");
    ensure!(failed.is_empty(), "a new token fails nobody: {failed:?}");
    let after = pods(&release)?;
    ensure!(before == after, "restarted: {before:?}, {after:?}");
    let new = token(&release)?;
    ensure!(
        !new.contains(&old) && new.lines().count() == 1,
        "the token was not changed"
    );
    let told = nodes(&release, &old).await?;
    ensure!(
        !told.ok && told.text.contains("missing or wrong"),
        "{}",
        told.text
    );
    let told = nodes(&release, &new).await?.expect("manager nodes")?;
    ensure!(told.matches("available").count() >= 3, "{told}");
    // Pods that start now know the new token alone.
    let victim = format!("{POOL}-node-0");
    release
        .kube
        .kubectl(&["-n", &release.namespace, "delete", "pod", &victim])?;
    world.nodes(4).await?;
    world.nodes(3).await?;
    upgrade(&release, &values())?;
    let told = nodes(&release, &new).await?;
    ensure!(!told.ok, "the token opens a port with TLS: {}", told.text);
    let compared = world.compare().await? + compare(&client, "token", &seen).await?;
    Ok(format!(
        "changed in three steps without a restart, the old one refused; {compared} compared; {}",
        seen.words()
    ))
}

/// The commands of the page on upgrades, for this release.
fn commands(release: &Release) -> Result<String> {
    let upgrades = page("docs/kubernetes/upgrades.md")?;
    let mut blocks = blocks(&upgrades).into_iter();
    let (_, code) = blocks
        .find(|(_, code)| code.starts_with("secret="))
        .context("the page has no commands that change the token")?;
    let secret = format!("{}-token", release.full_name());
    let code = code
        .replace("files-distributed-file-server-token", &secret)
        .replace(
            "--namespace dfs",
            &format!("--namespace {}", release.namespace),
        );
    ensure!(code.contains(WAITS[0]), "no {:?} in {code}", WAITS[0]);
    Ok(match release.kube.is_own() {
        true => code.replace(WAITS[0], WAITS[1]),
        false => code,
    })
}

fn token(release: &Release) -> Result<String> {
    let name = format!("{}-token", release.full_name());
    let secret = release.kube.get(&release.namespace, "secret", &name)?;
    let token = secret["data"]["token"].as_str().context("a token")?;
    Ok(String::from_utf8(STANDARD.decode(token)?)?)
}

/// An upgrade that restarts the managers, until they are ready.
fn upgrade(release: &Release, values: &Value) -> Result<()> {
    release.helm("upgrade", values)?;
    release.rolled_out("sts", "manager", ROLLED_OUT)
}

/// `manager nodes` with a token and no certificate, in a pod that may reach the managers.
/// The cluster's network takes a moment until it lets a new pod out: the same pod tries
/// again until then.
async fn nodes(release: &Release, token: &str) -> Result<Told> {
    let (namespace, kube) = (release.namespace.as_str(), &release.kube);
    let managers = format!(
        "http://{}-managers.{namespace}.svc:9000",
        release.full_name()
    );
    let image = &values()["images"]["manager"];
    let tag = image["tag"].as_str().context("a tag")?;
    kube.apply(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": CHECK, "namespace": namespace, "labels": {
            "app.kubernetes.io/name": "distributed-file-server",
            "app.kubernetes.io/instance": release.name,
            "app.kubernetes.io/component": "operator",
        }},
        "spec": {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 10001,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "manager",
                "image": format!("localhost/distributed-file-server/manager:{tag}"),
                "imagePullPolicy": "Never",
                "args": ["nodes", "--manager", managers],
                "env": [{ "name": "DFS_TOKEN", "value": token }],
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": { "drop": ["ALL"] },
                },
            }],
        },
    }))?;
    let told = wait::until(SETTLE, async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let logs = ["-n", namespace, "logs", CHECK];
        let now = kube.try_kubectl(&logs, "")?.text;
        let before = kube.try_kubectl(&[&logs[..], &["--previous"]].concat(), "")?;
        // By what it prints, which comes before the pod's state does.
        let told = [now, before.text].into_iter().find_map(|text| {
            let ok = text.contains(" pool=");
            let failed = text.starts_with("manager: ") && !text.contains("Connection refused");
            (ok || failed).then_some(Told { ok, text })
        });
        told.with_context(|| format!("{CHECK} has printed nothing yet"))
    })
    .await?;
    kube.kubectl(&["-n", namespace, "delete", "pod", CHECK])?;
    Ok(told)
}

fn pods(release: &Release) -> Result<BTreeMap<String, String>> {
    pods_of(release, &["manager", "node", "operator"])
}

/// Each pod of some components of the release, with its container's restarts.
pub(super) fn pods_of(release: &Release, components: &[&str]) -> Result<BTreeMap<String, String>> {
    let which = format!("app.kubernetes.io/component in ({})", components.join(","));
    let pods = release.kube.list(&release.namespace, "pod", &which)?;
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].to_string();
    Ok(pods
        .iter()
        .map(|pod| (pod["metadata"]["uid"].to_string(), restarts(pod)))
        .collect())
}

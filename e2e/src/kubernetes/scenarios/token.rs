//! The token of a release is changed as its page says, under load.

use super::readme::{blocks, page};
use super::{POOL, World};
use crate::kubernetes::kube::Kube;
use crate::kubernetes::release::Release;
use crate::kubernetes::traffic::{Traffic, compare};
use crate::tools::Told;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

/// The wait between two steps on the page, and the one that suffices for the kubelets
/// of our own cluster, which update their volumes every 10 s instead of every minute.
const WAITS: [&str; 2] = ["sleep 120", "sleep 35"];

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
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
    let told = nodes(&release, &old)?;
    ensure!(
        !told.ok && told.text.contains("missing or wrong"),
        "{}",
        told.text
    );
    let told = nodes(&release, &new)?.expect("manager nodes")?;
    ensure!(told.matches("available").count() >= 3, "{told}");
    // Pods that start now know the new token alone.
    let victim = format!("{POOL}-node-0");
    release
        .kube
        .kubectl(&["-n", &release.namespace, "delete", "pod", &victim])?;
    world.nodes(4).await?;
    world.nodes(3).await?;
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

/// `manager nodes` with a token, in the manager's pod.
fn nodes(release: &Release, token: &str) -> Result<Told> {
    let pod = format!("{}-manager-0", release.full_name());
    let command = ["--", "manager", "nodes", "--token-file", "/dev/stdin"];
    let args = [
        &["-n", &release.namespace, "exec", "-i", &pod][..],
        &command,
    ]
    .concat();
    release.kube.try_kubectl(&args, token)
}

/// Each pod of the release with its containers' restarts.
fn pods(release: &Release) -> Result<BTreeMap<String, String>> {
    let pods = release.kube.list(&release.namespace, "pod", "")?;
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].to_string();
    Ok(pods
        .iter()
        .map(|pod| (pod["metadata"]["uid"].to_string(), restarts(pod)))
        .collect())
}

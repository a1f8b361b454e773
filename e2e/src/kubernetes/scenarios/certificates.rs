//! The certificates of the inner ports and their authority are replaced under load, by the
//! operator alone.

use super::{POOL, ROLLED_OUT, World, token};
use crate::kubernetes::release::{Release, values};
use crate::kubernetes::traffic::{Traffic, compare};
use anyhow::{Context, Result, ensure};
use authority::Authority;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

/// The life of an authority, and of a certificate, while they are watched.
const LIVES: [Duration; 2] = [Duration::from_secs(150), Duration::from_secs(45)];
/// How long an authority is trusted before it signs. A Secret reaches the pods of our own
/// cluster within 20 s, and they read it again within 5 s.
const SPREAD: Duration = Duration::from_secs(40);
/// How long it may take until the authority was replaced twice.
const REPLACED: Duration = Duration::from_secs(420);

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    let mut short = values();
    let seconds = |time: Duration| format!("{}s", time.as_secs());
    short["tls"] = json!({ "inner": {
        "authorityLife": seconds(LIVES[0]),
        "certificateLife": seconds(LIVES[1]),
        "authoritySpread": seconds(SPREAD),
    }});
    release.helm("upgrade", &short)?;
    one_operator(&release)?;
    let before = token::pods_of(&release, &["manager", "node"])?;
    let traffic = Traffic::start(&client, "certificates");
    // Nobody reconciles the pool meanwhile.
    annotate(&release, "fileserver.dev/paused=true")?;
    let begun = Instant::now();
    // The first one would last for years: the next one is put beside it.
    let (mut seen, first) = (Seen::default(), seen_now(&release)?);
    add_next(&release)?;
    while seen.authorities() < 3 {
        ensure!(begun.elapsed() < REPLACED, "not replaced twice: {seen:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        seen.add(seen_now(&release)?);
    }
    // The certificates of the last authority reach everybody.
    tokio::time::sleep(SPREAD).await;
    seen.add(seen_now(&release)?);
    annotate(&release, "fileserver.dev/paused-")?;
    let after = token::pods_of(&release, &["manager", "node"])?;
    ensure!(before == after, "restarted: {before:?}, {after:?}");
    let answers = traffic.stop().await;
    let failed = answers.failures("");
    ensure!(
        failed.is_empty(),
        "new certificates fail nobody: {failed:?}"
    );
    for (entry, text) in &first {
        let changes = seen.0.get(entry).map_or(0, |all| all.len());
        ensure!(
            changes >= 3,
            "{entry} was replaced {changes} times, from {text}"
        );
    }
    // Pods that start now know the last authority alone.
    let victim = format!("{POOL}-node-0");
    let namespace = &release.namespace;
    release
        .kube
        .kubectl(&["-n", namespace, "delete", "pod", &victim])?;
    world.nodes(4).await?;
    world.nodes(3).await?;
    release.helm("upgrade", &values())?;
    one_operator(&release)?;
    let compared = world.compare().await? + compare(&client, "certificates", &answers).await?;
    Ok(format!(
        "the authority replaced twice in {:.0} s, {seen:?}, without a restart; {compared} compared; {}",
        begun.elapsed().as_secs_f64(),
        answers.words()
    ))
}

fn annotate(release: &Release, change: &str) -> Result<()> {
    let fsp = format!("fsp/{POOL}");
    let args = ["-n", &release.namespace, "annotate", &fsp, change];
    release.kube.kubectl(&args).map(drop)
}

/// Waits until the operator of before has left.
fn one_operator(release: &Release) -> Result<()> {
    release.rolled_out("deploy", "operator", ROLLED_OUT)
}

/// The texts that each entry had.
#[derive(Default)]
struct Seen(BTreeMap<String, Vec<String>>);

impl Seen {
    fn add(&mut self, now: BTreeMap<String, String>) {
        for (entry, text) in now {
            let all = self.0.entry(entry).or_default();
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }

    fn authorities(&self) -> usize {
        self.0.get("authority").map_or(0, Vec::len)
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = self
            .0
            .iter()
            .map(|(entry, all)| format!("{entry} ×{}", all.len()));
        f.write_str(&each.collect::<Vec<_>>().join(", "))
    }
}

/// The certificates as they are now.
fn seen_now(release: &Release) -> Result<BTreeMap<String, String>> {
    let mut now = BTreeMap::new();
    for (what, secret, entry) in [
        ("authority", "authority", "tls.crt"),
        ("manager", "manager-certs", "tls.crt"),
        ("node", "nodes", "main.tls.crt"),
        ("trust of nodes", "nodes", "ca.crt"),
        ("trust of managers", "manager-certs", "ca.crt"),
    ] {
        let name = format!("{}-{secret}", release.full_name());
        let found = release.kube.get(&release.namespace, "secret", &name)?;
        let text = found["data"][entry].as_str();
        let text = text.with_context(|| format!("{entry} in {name}"))?;
        now.insert(what.to_owned(), text.to_owned());
    }
    Ok(now)
}

/// Puts an authority that lasts briefly beside the one that signs, as the operator does
/// when that has to be replaced.
fn add_next(release: &Release) -> Result<()> {
    let of = format!("{}.{}", release.name, release.namespace);
    let next = Authority::new(&of, LIVES[0], SystemTime::now())?;
    let base64 = |text: &str| STANDARD.encode(text);
    let patch: Value = json!({ "data": {
        "next.crt": base64(next.cert()),
        "next.key": base64(next.key()),
    }});
    let name = format!("{}-authority", release.full_name());
    let patch = patch.to_string();
    let args = [
        "-n",
        &release.namespace,
        "patch",
        "secret",
        &name,
        "-p",
        &patch,
    ];
    release.kube.kubectl(&args).map(drop)
}

/// No secret of the release is in a log, an event, a status, an argument, a variable or a
/// metric of it.
pub(super) async fn stay_secret(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let secrets = release.kube.list(&release.namespace, "secret", "")?;
    let mut wanted = Vec::new();
    for secret in &secrets {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        // Helm keeps the chart there, which has no secret, and says much.
        if name.starts_with("sh.helm.") {
            continue;
        }
        for (entry, value) in secret["data"].as_object().into_iter().flatten() {
            if entry.ends_with(".crt") {
                continue;
            }
            let text = STANDARD.decode(value.as_str().unwrap_or_default())?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines = text.lines().map(str::trim);
            // A key of PEM is its longest lines.
            let telling = lines.filter(|line| line.len() >= 16 && !line.starts_with("-----"));
            wanted.extend(telling.map(|line| (format!("{name}/{entry}"), line.to_owned())));
        }
    }
    ensure!(wanted.len() >= 6, "there are few secrets: {}", wanted.len());
    let told = all_that_is_told(&release)?;
    for (which, text) in &wanted {
        ensure!(!told.contains(text), "{which} is shown");
        ensure!(
            !told.contains(&STANDARD.encode(text)),
            "{which} is shown in base64"
        );
    }
    ensure!(!told.contains("PRIVATE KEY"), "a private key is shown");
    Ok(format!(
        "{} secrets in none of {} kB",
        wanted.len(),
        told.len() / 1000
    ))
}

/// Logs, metrics, and all objects but Secrets.
fn all_that_is_told(release: &Release) -> Result<String> {
    let namespace = release.namespace.as_str();
    let mut told = String::new();
    for pod in release.kube.list(namespace, "pod", "")? {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        for more in [&[][..], &["--previous"]] {
            let args = [
                "-n",
                namespace,
                "logs",
                name,
                "--all-containers",
                "--tail=-1",
            ];
            let logs = release.kube.try_kubectl(&[&args, more].concat(), "")?;
            told += &logs.text;
        }
        for port in pod["spec"]["containers"][0]["ports"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if port["name"] == "ops" {
                let path = format!(
                    "/api/v1/namespaces/{namespace}/pods/{name}:{}/proxy/metrics",
                    port["containerPort"]
                );
                let metrics = release.kube.try_kubectl(&["get", "--raw", &path], "")?;
                told += &metrics.text;
            }
        }
    }
    ensure!(told.contains("# TYPE dfs_"), "no metrics");
    for kind in ["events", "fsp", "pods", "sts", "deployments", "configmaps"] {
        let list = ["-n", namespace, "get", kind, "-o", "json"];
        told += &release.kube.kubectl(&list)?;
    }
    Ok(told)
}

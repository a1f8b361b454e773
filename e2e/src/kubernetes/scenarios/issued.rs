//! The certificates of the inner ports are cert-manager's: pools wait for them and say so,
//! they are renewed under load, and the release goes over to the operator's own.

use super::{World, deletion, token};
use crate::files::Files;
use crate::kubernetes::cert_manager::{CertManager, NAMESPACE as AUTHORITIES};
use crate::kubernetes::kube::Kube;
use crate::kubernetes::release::{Release, SETTLE, values};
use crate::kubernetes::traffic::{Traffic, compare};
use crate::wait;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// The namespace of the release, and one that it watches.
pub(super) const NAMESPACES: [&str; 2] = ["issued", "issued-away"];
/// The pools in them.
const POOLS: [&str; 2] = ["main", "away"];
/// The ClusterIssuer.
const ISSUER: &str = "inner";
/// Within this a Secret has reached all pods of our own cluster, and was read again.
const SPREAD: Duration = Duration::from_secs(40);
/// Within this a change of the values has reached managers and operator.
const GOES_OVER: Duration = Duration::from_secs(180);

pub(super) async fn run(world: &mut World) -> Result<String> {
    deletion::wipe(world)?;
    let folder = tempfile::Builder::new()
        .prefix("kubernetes-issued-")
        .tempdir_in(crate::cluster::binaries::scratch()?)?;
    let mut cert_manager = CertManager::start(&world.kube, folder.path()).await?;
    cert_manager.authority(ISSUER).await?;
    let [release, away] = NAMESPACES.map(|of| Release::new(&world.kube, of, "issued"));
    release.make_namespace()?;
    away.make_namespace()?;
    release.helm("install", &with(&issued()))?;
    release.apply_pool(POOLS[0], json!({ "replicas": 2 }))?;
    away.apply_pool(POOLS[1], json!({ "replicas": 1 }))?;
    release.ready(POOLS[0], 2).await?;
    away.ready(POOLS[1], 1).await?;
    let none = format!("{}-authority", release.full_name());
    ensure!(
        release.kube.get(NAMESPACES[0], "secret", &none).is_err(),
        "the operator made an authority of its own"
    );
    let mut files = Files::new(vec![release.client()?]);
    files.upload(60).await?;
    let renewed = renewed(&release, &cert_manager).await?;
    let waited = waits(&release, &mut cert_manager).await?;
    let missing = missing(&release, &cert_manager).await?;
    files.through(vec![release.client()?]);
    files.compare_all().await?;
    goes_over(&release, &away, &files).await?;
    let compared = files.compare_all().await?;
    remove(world, &release)?;
    cert_manager.undefine()?;
    Ok(format!(
        "{renewed}; without cert-manager's controllers: {waited}; without its definitions: {missing}; \
         over to the operator's in three upgrades, {compared} compared"
    ))
}

/// The values with these about the inner ports.
fn with(inner: &Value) -> Value {
    let mut values = values();
    values["operator"]["replicas"] = json!(1);
    values["watchNamespaces"] = json!([NAMESPACES[1]]);
    values["tls"] = json!({ "inner": inner });
    values
}

fn issued() -> Value {
    json!({
        "mode": "certManager",
        "certificateLife": "24h",
        "certManager": { "issuerRef": { "name": ISSUER, "kind": "ClusterIssuer" } },
    })
}

/// Every certificate is replaced under load, and nothing restarts or fails.
async fn renewed(release: &Release, cert_manager: &CertManager) -> Result<String> {
    let client = release.client()?;
    let before = token::pods_of(release, &["manager", "node", "operator"])?;
    let traffic = Traffic::start(&client, "issued");
    let full = release.full_name();
    for (namespace, name, secret) in [
        (
            NAMESPACES[0],
            format!("{full}-manager"),
            format!("{full}-manager-tls"),
        ),
        (
            NAMESPACES[0],
            format!("{full}-operator"),
            format!("{full}-operator-tls"),
        ),
        (
            NAMESPACES[0],
            "main-node".to_owned(),
            "main-node-tls".to_owned(),
        ),
        (
            NAMESPACES[1],
            "away-node".to_owned(),
            "away-node-tls".to_owned(),
        ),
    ] {
        let first = certificate(&release.kube, namespace, &secret)?;
        cert_manager.renew(namespace, &name)?;
        wait::until(SETTLE, async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = certificate(&release.kube, namespace, &secret)?;
            ensure!(now != first, "{name} was not renewed");
            Ok(())
        })
        .await?;
    }
    tokio::time::sleep(SPREAD).await;
    release.ready(POOLS[0], 2).await?;
    let seen = traffic.stop().await;
    let failed = seen.failures("");
    ensure!(
        failed.is_empty(),
        "new certificates fail nobody: {failed:?}"
    );
    let after = token::pods_of(release, &["manager", "node", "operator"])?;
    ensure!(before == after, "restarted: {before:?}, {after:?}");
    // New connections have the new certificates alone.
    let victim = format!("{}-node-0", POOLS[0]);
    let args = ["-n", NAMESPACES[0], "delete", "pod", &victim];
    release.kube.kubectl(&args)?;
    release.ready(POOLS[0], 2).await?;
    let compared = compare(&client, "issued", &seen).await?;
    Ok(format!(
        "four certificates renewed, {compared} compared, {}",
        seen.words()
    ))
}

fn certificate(kube: &Kube, namespace: &str, secret: &str) -> Result<String> {
    let found = kube.get(namespace, "secret", secret)?;
    let text = found["data"]["tls.crt"].as_str();
    Ok(text.context("tls.crt")?.to_owned())
}

/// A pool says which Certificate it waits for.
async fn waits(release: &Release, cert_manager: &mut CertManager) -> Result<String> {
    cert_manager.end();
    release.apply_pool("late", json!({ "replicas": 1 }))?;
    let told = release
        .told("late", "Reconciling", true, "NoCertificate")
        .await?;
    ensure!(told.contains("Certificate issued/late-node"), "{told}");
    let sets = release.kube.list(NAMESPACES[0], "sts", "")?;
    let late = |set: &Value| set["metadata"]["name"] == "late-node";
    ensure!(!sets.iter().any(late), "its nodes would wait for a Secret");
    cert_manager.run().await?;
    release.ready("late", 1).await?;
    release.scale("late", 0)?;
    release.ready("late", 0).await?;
    let args = ["-n", NAMESPACES[0], "delete", "fsp/late", "--timeout=60s"];
    release.kube.kubectl(&args)?;
    Ok(format!("{told:?}"))
}

/// Nodes that run go on where somebody removes cert-manager.
async fn missing(release: &Release, cert_manager: &CertManager) -> Result<String> {
    let before = token::pods_of(release, &["manager", "node", "operator"])?;
    cert_manager.undefine()?;
    let told = release
        .told(POOLS[0], "Stalled", true, "NoCertificate")
        .await?;
    ensure!(told.contains("cert-manager.io/v1"), "{told}");
    let after = token::pods_of(release, &["manager", "node", "operator"])?;
    ensure!(before == after, "restarted: {before:?}, {after:?}");
    cert_manager.define()?;
    cert_manager.authority(ISSUER).await?;
    release.helm("upgrade", &with(&issued()))?;
    release.ready(POOLS[0], 2).await?;
    Ok(format!("{told:?}"))
}

/// From cert-manager's certificates to the operator's, as the page on upgrades says.
async fn goes_over(release: &Release, away: &Release, files: &Files) -> Result<()> {
    let refused = release.helm("upgrade", &with(&json!({ "mode": "operator" })));
    ensure!(refused.is_err(), "nodes were left behind");
    let job = format!("job/{}-prepare", release.full_name());
    let said = release.kube.kubectl(&["-n", NAMESPACES[0], "logs", &job])?;
    ensure!(
        said.contains("tls.inner.mode") && said.contains("plainNodes"),
        "{said}"
    );
    release
        .kube
        .kubectl(&["-n", NAMESPACES[0], "delete", &job])?;
    let mut plain = issued();
    plain["acceptPlain"] = json!(true);
    plain["plainNodes"] = json!(true);
    for (inner, secret) in [
        (plain, None),
        (
            json!({ "mode": "operator", "acceptPlain": true }),
            Some("issued-distributed-file-server-nodes"),
        ),
        (
            json!({ "mode": "operator" }),
            Some("issued-distributed-file-server-nodes"),
        ),
    ] {
        release.helm("upgrade", &with(&inner))?;
        release.rolled_out("sts", "manager", GOES_OVER)?;
        release.rolled_out("deploy", "operator", GOES_OVER)?;
        mounts(release, POOLS[0], secret).await?;
        let elsewhere = secret.map(|secret| format!("{}.{secret}", NAMESPACES[0]));
        mounts(away, POOLS[1], elsewhere.as_deref()).await?;
        release.ready(POOLS[0], 2).await?;
        away.ready(POOLS[1], 1).await?;
        files.compare_all().await?;
    }
    Ok(())
}

/// Waits until all nodes of a pool have restarted with certificates of this Secret.
async fn mounts(release: &Release, pool: &str, secret: Option<&str>) -> Result<()> {
    let selector = format!("fileserver.dev/pool={pool}");
    wait::until(2 * SETTLE, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let rolling = release.condition(pool, "Rolling")?;
        ensure!(!rolling.0, "{rolling:?}");
        for pod in release.kube.list(&release.namespace, "pod", &selector)? {
            let volumes = pod["spec"]["volumes"].as_array().context("volumes")?;
            let certs = volumes.iter().find(|volume| volume["name"] == "certs");
            let found = certs.and_then(|certs| certs["secret"]["secretName"].as_str());
            ensure!(found == secret, "{}: {found:?}", pod["metadata"]["name"]);
        }
        Ok(())
    })
    .await
}

fn remove(world: &World, release: &Release) -> Result<()> {
    release.uninstall()?;
    for namespace in NAMESPACES.iter().chain(&[AUTHORITIES]) {
        let args = ["delete", "namespace", namespace, "--wait=false"];
        world.kube.kubectl(&args)?;
    }
    Ok(())
}

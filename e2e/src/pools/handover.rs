//! A pool of a release that is gone is given to another release, as the chart's README
//! says: its claim stays, and with it its files.

use super::{NAMESPACES, operator};
use crate::kube::ApiServer;
use crate::wait;
use anyhow::{Result, ensure};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// The pool, in the first namespace.
const POOL: &str = "pool-000";
/// The release that takes it.
const RELEASE: &str = "archive";
/// How long that may take after the operator of the first release was killed.
const TAKEN: Duration = Duration::from_secs(60);

/// Hands it over.
pub(super) async fn run(server: &ApiServer, manager: SocketAddr) -> Result<()> {
    let [namespace, own, _] = NAMESPACES;
    let claim = format!("data-{POOL}-node-0");
    let before = get(server, "pvc", &claim)?;
    let operator = operator(server, RELEASE, &[own, namespace], manager)?;
    let _operator = operator.start().await?;
    let set = format!("{POOL}-node");
    for command in [
        &["delete", "statefulset", &set][..],
        &[
            "patch",
            "fsp",
            POOL,
            "--subresource=status",
            "--type=merge",
            "--patch",
            r#"{"status":{"managedBy":null}}"#,
        ],
    ] {
        let told = server.kubectl(&[&["--namespace", namespace], command].concat(), "")?;
        ensure!(told.ok, "kubectl {command:?}: {}", told.text);
    }
    wait::until(TAKEN, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let pool = get(server, "fsp", POOL)?;
        let owner = &pool["status"]["managedBy"];
        ensure!(*owner == format!("{own}/{RELEASE}"), "it is {owner}'s");
        let made = get(server, "statefulset", &set)?;
        let selects = &made["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"];
        ensure!(*selects == RELEASE, "its set selects pods of {selects}");
        Ok(())
    })
    .await?;
    let after = get(server, "pvc", &claim)?;
    for part in ["uid", "deletionTimestamp"] {
        let (before, after) = (&before["metadata"][part], &after["metadata"][part]);
        ensure!(before == after, "{claim}: {part} {before}, then {after}");
    }
    println!("{POOL} went to release {RELEASE} with its claim");
    Ok(())
}

fn get(server: &ApiServer, kind: &str, name: &str) -> Result<Value> {
    let [namespace, ..] = NAMESPACES;
    let args = ["--namespace", namespace, "get", kind, name, "-o", "json"];
    let text = server.kubectl(&args, "")?.expect(name)?;
    Ok(serde_json::from_str(&text)?)
}

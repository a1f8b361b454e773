//! What an upgrade must not change: the names by which the store and nodes are
//! found, and fields of the definition that this version lacks.

use super::{POOL, World};
use crate::kubernetes::release::values;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The definition of pools.
const DEFINITION: &str = "fileserverpools.fileserver.dev";
/// Where it has the fields of a pool.
const FIELDS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let full = release.full_name();
    let uid = || -> Result<Value> {
        let pod = format!("{full}-manager-0");
        let mut pod = release.kube.get(&release.namespace, "pod", &pod)?;
        Ok(pod["metadata"]["uid"].take())
    };
    let before = uid()?;
    for (field, prefix) in [("fullnameOverride", "other"), ("nameOverride", "dfs-other")] {
        let mut renamed = values();
        renamed[field] = json!("other");
        let told = release.helm("upgrade", &renamed);
        ensure!(told.is_err(), "{field}: was taken: {told:?}");
        let job = format!("job/{prefix}-prepare");
        let logs = ["-n", &release.namespace, "logs", &job];
        let said = release.kube.kubectl(&logs)?;
        ensure!(said.contains(field), "{field}: {said}");
        let sets = release.kube.list(&release.namespace, "sts", "")?;
        let renamed = |set: &Value| set["metadata"]["name"] == format!("{prefix}-manager");
        ensure!(!sets.iter().any(renamed), "{field}: another store was made");
        ensure!(uid()? == before, "{field}: the manager was restarted");
        let rest = ["-n", &release.namespace, "delete", &job];
        release.kube.kubectl(&rest)?;
    }
    let stays = definition_stays(world)?;
    release.ready(POOL, 3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "two changes of names were refused, nothing was restarted; {stays}; {compared} compared"
    ))
}

/// A field that somebody else's chart added is still there after an upgrade.
fn definition_stays(world: &World) -> Result<String> {
    let release = &world.release;
    let path = format!("{FIELDS}/future");
    let patch = |operation: Value| -> Result<()> {
        let patch = json!([operation]).to_string();
        let args = ["patch", "crd", DEFINITION, "--type=json", "-p", &patch];
        release.kube.kubectl(&args).map(drop)
    };
    let field = json!({ "type": "string", "default": "x" });
    patch(json!({ "op": "add", "path": path, "value": field }))?;
    release.helm("upgrade", &values())?;
    let definition = release.kube.get("", "crd", DEFINITION)?;
    let there = definition.pointer(&path);
    there.context("the definition was set back")?;
    patch(json!({ "op": "remove", "path": path }))?;
    Ok("a definition that has more stays".to_owned())
}

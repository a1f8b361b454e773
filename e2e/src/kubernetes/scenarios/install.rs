//! From nothing to the first files, and what the API server refuses by itself.

use super::{POOL, World, quiet};
use crate::files::Files;
use crate::kubernetes::release::{SETTLE, values};
use crate::wait;
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Instant;

/// A second pool of the same release.
const SECOND: &str = "other";
/// Files that stay all the time.
const FILES: usize = 600;

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    release.make_namespace()?;
    release.helm("install", &values())?;
    let begun = Instant::now();
    release.apply_pool(POOL, json!({ "replicas": 3 }))?;
    release.apply_pool(SECOND, json!({ "replicas": 1 }))?;
    quiet::install(world)?;
    let wait = |pool: &str| {
        let fsp = format!("fsp/{pool}");
        let args = [
            "-n",
            &release.namespace,
            "wait",
            &fsp,
            "--for=condition=Ready",
            "--timeout=120s",
        ];
        release.kube.kubectl(&args)
    };
    wait(POOL)?;
    wait(SECOND)?;
    let ready = begun.elapsed();
    let client = release.client()?;
    let mut files = Files::new(vec![client]);
    files.upload(FILES).await?;
    world.files = Some(files);
    let compared = world.compare().await?;
    let tested = release
        .kube
        .helm(&["test", &release.name, "-n", &release.namespace], "")?;
    ensure!(tested.contains("Succeeded"), "{tested}");
    wait::until(SETTLE, async || {
        let told = release.status(POOL)?["files"].as_u64();
        ensure!(told > Some(0), "files: {told:?}");
        Ok(())
    })
    .await?;
    refusals(world)?;
    // The second pool's files move to the first; then it may be deleted.
    release.scale(SECOND, 0)?;
    release.ready(SECOND, 0).await?;
    let fsp = format!("fsp/{SECOND}");
    release
        .kube
        .kubectl(&["-n", &release.namespace, "delete", &fsp, "--timeout=60s"])?;
    world.compare().await?;
    quiet::fill(world).await?;
    let listed = release
        .kube
        .kubectl(&["-n", &release.namespace, "get", "fsp"])?;
    println!("{listed}");
    Ok(format!(
        "two pools ready after {:.0} s, {compared} files compared, helm test succeeded",
        ready.as_secs_f64()
    ))
}

/// Nodes with files can't be removed by hand, and a protected pool can't be deleted.
fn refusals(world: &World) -> Result<()> {
    let namespace = &world.release.namespace;
    let (set, fsp) = (format!("sts/{POOL}-node"), format!("fsp/{POOL}"));
    let patch = r#"{"spec":{"replicas":1}}"#;
    for (args, part) in [
        (
            &["-n", namespace, "scale", &set, "--replicas=1"][..],
            "kubectl scale fsp/main --replicas=1",
        ),
        (
            &["-n", namespace, "patch", &set, "-p", patch],
            "kubectl scale fsp/main --replicas=1",
        ),
        (
            &["-n", namespace, "delete", &fsp, "--timeout=5s"],
            "set spec.deletionPolicy to Retain",
        ),
    ] {
        let told = world.kube.try_kubectl(args, "")?;
        ensure!(
            !told.ok && told.text.contains(part),
            "{args:?}: {}",
            told.text
        );
    }
    Ok(())
}

//! A release of an earlier commit is brought to this one, and back.

use super::World;
use crate::files::Files;
use crate::kubernetes::release::{Release, values};
use crate::kubernetes::traffic::{Traffic, compare};
use anyhow::{Result, ensure};
use serde_json::json;

/// Its namespace.
pub(super) const NAMESPACE: &str = "versions";
/// Its pool.
const POOL: &str = "pool";
/// Its nodes.
const NODES: i32 = 3;

pub(super) async fn run(world: &mut World) -> Result<String> {
    let Some(earlier) = &world.earlier else {
        return Ok("no images of an earlier commit are in the cache: not shown".to_owned());
    };
    let release = Release::new(&world.kube, NAMESPACE, "versions");
    release.make_namespace()?;
    let mut old = values();
    for program in ["manager", "operator", "node"] {
        old["images"][program]["tag"] = json!("earlier");
    }
    let chart = earlier.join("charts/distributed-file-server");
    release.helm_chart("install", &chart, &old)?;
    release.apply_pool(POOL, json!({ "replicas": NODES }))?;
    release.ready(POOL, NODES).await?;
    let client = release.client()?;
    let mut files = Files::new(vec![client.clone()]);
    files.upload(100).await?;
    let traffic = Traffic::trying_again(&client, "versions");
    let image = async |tag: &str| -> Result<()> {
        release
            .runs(
                POOL,
                &format!("localhost/distributed-file-server/node:{tag}"),
            )
            .await?;
        release.ready(POOL, NODES).await
    };
    let mut new = values();
    let defaults = std::fs::read_to_string(chart.join("values.yaml"))?;
    // There is no way back to one without certificates once nodes have them.
    if !defaults.contains("plainNodes:") {
        new["tls"] = json!({ "inner": { "mode": "none" } });
    }
    release.helm("upgrade", &new)?;
    image("test").await?;
    release.roll_back()?;
    image("earlier").await?;
    let seen = traffic.stop().await;
    ensure!(
        !seen.stored.is_empty(),
        "nothing was stored: {}",
        seen.words()
    );
    let compared = files.compare_all().await? + compare(&client, "versions", &seen).await?;
    let args = ["delete", "namespace", &release.namespace, "--wait=false"];
    release.kube.kubectl(&args)?;
    let commit = earlier.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!(
        "from {} to this commit and back; {compared} compared; {}",
        &commit[..commit.len().min(12)],
        seen.words()
    ))
}

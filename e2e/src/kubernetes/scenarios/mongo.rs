//! A second release with two managers on a database: no request is lost where
//! clients try once more.

use super::World;
use crate::files::Files;
use crate::kubernetes::release::{Release, values};
use crate::kubernetes::traffic::{Traffic, compare};
use crate::mongo::Server;
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

/// Its namespace.
pub(super) const NAMESPACE: &str = "shared";
/// Its pool.
const POOL: &str = "shared";
/// The control plane's address on the nodes' network, where the database listens.
const ADDRESS: &str = "10.99.0.1";
/// How long the database is away.
const AWAY: Duration = Duration::from_secs(8);

pub(super) async fn run(world: &mut World) -> Result<String> {
    let folder = tempfile::Builder::new()
        .prefix("kubernetes-mongo-")
        .tempdir_in(crate::cluster::binaries::scratch()?)?;
    let mut server = Server::start_at(ADDRESS.parse()?, folder.path()).await?;
    let release = Release::new(&world.kube, NAMESPACE, "two");
    release.make_namespace()?;
    let mut values = values();
    values["store"] = json!({ "engine": "mongodb", "mongodb": { "uri": server.url("dfs") } });
    // It listens where there was room.
    let ports = [server.address().port()];
    values["networkPolicy"]["egress"] = json!({ "database": { "ports": ports } });
    values["manager"] = json!({ "replicas": 2 });
    release.helm("install", &values)?;
    release.apply_pool(POOL, json!({ "replicas": 3 }))?;
    release.ready(POOL, 3).await?;
    let client = release.client()?;
    let mut files = Files::new(vec![client.clone()]);
    files.upload(200).await?;
    let traffic = Traffic::trying_again(&client, "shared");
    release.scale(POOL, 5)?;
    release.ready(POOL, 5).await?;
    release.balanced(POOL).await?;
    release.scale(POOL, 3)?;
    release.ready(POOL, 3).await?;
    values["manager"]["podAnnotations"] = json!({ "example.org/version": "2" });
    release.helm("upgrade", &values)?;
    release.rolled_out("deploy", "manager", Duration::from_secs(180))?;
    let seen = traffic.stop().await;
    let failed = seen.failures("");
    ensure!(
        failed.is_empty(),
        "after one more try none fails: {failed:?}"
    );
    let away = database_away(&release, &mut server).await?;
    let compared = files.compare_all().await? + compare(&client, "shared", &seen).await?;
    release.uninstall()?;
    release
        .kube
        .kubectl(&["delete", "namespace", &release.namespace, "--wait=false"])?;
    Ok(format!(
        "3 to 5 to 3, helm upgrade; {away}; {compared} compared; {}",
        seen.words()
    ))
}

/// A drain pauses while the database is away, and goes on afterwards.
async fn database_away(release: &Release, server: &mut Server) -> Result<String> {
    server.stop().await?;
    release
        .told(POOL, "ManagerReachable", false, "NoAnswer")
        .await?;
    release.scale(POOL, 2)?;
    tokio::time::sleep(AWAY).await;
    let status = release.status(POOL)?;
    ensure!(status["replicas"] == 3, "{status}");
    server.restart().await?;
    release.ready(POOL, 2).await?;
    Ok("the database away: the shrink held, and went on".to_owned())
}

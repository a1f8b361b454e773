//! What happens to managers, their store, and nodes as a whole.

use super::super::World;
use super::super::watched::Watched;
use crate::cluster::{Cluster, Options, SOON};
use crate::disks::volume::{Kind, Volume};
use crate::{mongo, tree};
use anyhow::Result;

/// The size of the store's volume.
const STORE_MIB: u64 = 512;

pub(super) async fn manager_down<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = Watched::start(world, Options::default()).await?;
    watched.cluster.kill_manager().await?;
    watched.fires(alerts).await?;
    watched.cluster.start_manager().await?;
    watched.calm().await?;
    Ok(watched)
}

pub(super) async fn node_unavailable<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 10).await?;
    watched.cluster.kill_node(1).await?;
    watched.look()?;
    watched.fires(alerts).await?;
    watched.start_node(1).await?;
    watched.calm().await?;
    Ok(watched)
}

pub(super) async fn store_full<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut cluster = Cluster::prepare(Options::default())?;
    let folder = cluster.folder().join("small");
    std::fs::create_dir_all(&folder)?;
    let volume = Volume::make(&folder, Kind::Ext4, STORE_MIB)?;
    let store = volume.at.join("store");
    cluster.options.store = Some(format!("embedded:{}", store.display()));
    cluster.start_manager().await?;
    cluster.add_node().await?;
    cluster.wait_available(1).await?;
    let mut watched = Watched::of(world, cluster, None).await?;
    volume.fill()?;
    watched.fires(alerts).await?;
    volume.empty()?;
    watched.calm().await?;
    // Nobody may use the volume when it goes.
    watched.cluster.kill_manager().await?;
    Ok(watched)
}

/// Two managers on a database: both report that it is away.
pub(super) async fn store_away<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let folder = tempfile::tempdir_in(&world.folder)?;
    let mut database = mongo::Server::start(folder.path()).await?;
    let mut cluster = Cluster::prepare(Options {
        store: Some(database.url("files")),
        ..Options::default()
    })?;
    cluster.start_manager().await?;
    cluster.add_manager().await?;
    for _ in 0..2 {
        cluster.add_node().await?;
    }
    cluster.wait_available(2).await?;
    let watched = Watched::of(world, cluster, None).await?;
    watched.store("f", 10).await?;
    database.stop().await?;
    watched.fires(alerts).await?;
    database.restart().await?;
    watched.calm().await?;
    Ok(watched)
}

/// What came after the backup is a delete, so that nothing is left to quarantine.
pub(super) async fn set_back<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 20).await?;
    let backup = watched.cluster.folder().join("backup");
    watched.cluster.stop_manager().await?;
    tree::copy_folder(&watched.cluster.store(), &backup)?;
    watched.cluster.start_manager().await?;
    watched.cluster.wait_available(3).await?;
    watched.cluster.leader(SOON).await?;
    watched.cluster.heard().await;
    watched.cluster.kill_node(0).await?;
    watched.cluster.set_store_back(&backup).await?;
    watched.fires(alerts).await?;
    watched.start_node(0).await?;
    watched.calm().await?;
    Ok(watched)
}

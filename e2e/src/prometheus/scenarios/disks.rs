//! What happens to the disks of nodes.

use super::super::World;
use super::super::watched::Watched;
use crate::cluster::{Cluster, Options};
use crate::disks::volume::{Kind, Volume};
use anyhow::{Result, ensure};

/// More than any disk has.
const ALL: [&str; 2] = ["--reserve", "1000TiB"];
/// The size of small volumes.
const MIB: u64 = 64;

pub(super) async fn full<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 9).await?;
    watched.restart_node(0, &ALL).await?;
    watched.fires(alerts).await?;
    watched.restart_node(0, &[]).await?;
    watched.calm().await?;
    Ok(watched)
}

pub(super) async fn troubles<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 9).await?;
    let foreign = watched.cluster.nodes[0].folder.join("data/0/notes.txt");
    std::fs::write(&foreign, "mine")?;
    watched.restart_node(0, &[]).await?;
    watched.fires(alerts).await?;
    std::fs::remove_file(&foreign)?;
    watched.restart_node(0, &[]).await?;
    watched.calm().await?;
    Ok(watched)
}

/// A service whose first node lies on a small volume. The volume has to be dropped before
/// the service, in whose folder it is mounted.
async fn on_a_volume(world: &World) -> Result<(Watched<'_>, Volume)> {
    let node_args = ["--reserve", "4MiB"].map(str::to_owned).to_vec();
    let mut cluster = Cluster::prepare(Options {
        node_args,
        ..Options::default()
    })?;
    let first = cluster.new_node()?;
    let volume = Volume::make(&cluster.nodes[first].folder, Kind::Ext4, MIB)?;
    cluster.nodes[first].folder = volume.at.join("data-of-node");
    cluster.start_manager().await?;
    cluster.start_node(first).await?;
    cluster.add_node().await?;
    cluster.wait_available(2).await?;
    let watched = Watched::of(world, cluster, None).await?;
    watched.store("before", 10).await?;
    Ok((watched, volume))
}

pub(super) async fn read_only<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let (mut watched, mut volume) = on_a_volume(world).await?;
    volume.turn_read_only()?;
    watched.store("during", 10).await?;
    watched.fires(alerts).await?;
    watched.cluster.kill_node(0).await?;
    volume.repair()?;
    watched.start_node(0).await?;
    watched.calm().await?;
    watched.cluster.kill_node(0).await?;
    Ok(watched)
}

pub(super) async fn silent<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let (mut watched, volume) = on_a_volume(world).await?;
    volume.freeze()?;
    watched.store("during", 10).await?;
    watched.fires(alerts).await?;
    let status = watched.cluster.client()?.status().await?;
    ensure!(status.available() == 2, "{status:?}");
    volume.thaw()?;
    watched.calm().await?;
    watched.cluster.kill_node(0).await?;
    Ok(watched)
}

//! What happens to files and to where they lie.

use super::super::World;
use super::super::watched::Watched;
use crate::cluster::{Options, SOON};
use crate::library::refused;
use crate::{tree, wait};
use anyhow::{Context, Result, ensure};
use client::Code;
use std::path::PathBuf;

/// More than any disk has.
const ALL: [&str; 2] = ["--reserve", "1000TiB"];

/// A file of a node, and where it lies.
fn file_on(watched: &Watched<'_>, node: usize) -> Result<(String, PathBuf)> {
    let files = watched.cluster.tree(node)?.files;
    files.into_iter().next().context("it has no files")
}

/// Reads a file that can't be served.
async fn is_refused(watched: &Watched<'_>, name: &str) -> Result<()> {
    refused(
        watched.cluster.client()?.get(name).await,
        Code::FileUnavailable,
    )
    .with_context(|| name.to_owned())?;
    Ok(())
}

async fn delete(watched: &Watched<'_>, name: &str) -> Result<()> {
    Ok(watched.cluster.client()?.delete(name).await?)
}

pub(super) async fn corrupt<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 10).await?;
    let (name, path) = file_on(&watched, 0)?;
    tree::flip(&path)?;
    is_refused(&watched, &name).await?;
    watched.fires(alerts).await?;
    delete(&watched, &name).await?;
    watched.calm().await?;
    Ok(watched)
}

pub(super) async fn missing<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 10).await?;
    let (name, path) = file_on(&watched, 0)?;
    std::fs::remove_file(path)?;
    is_refused(&watched, &name).await?;
    watched.fires(alerts).await?;
    delete(&watched, &name).await?;
    watched.calm().await?;
    Ok(watched)
}

pub(super) async fn stuck<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 10).await?;
    let (name, path) = file_on(&watched, 0)?;
    tree::flip(&path)?;
    let node = &watched.cluster.nodes[0].id;
    watched.cluster.ask(&["drain", "--node", node]).await?;
    watched.fires(alerts).await?;
    delete(&watched, &name).await?;
    watched.cluster.wait_drained(node, SOON).await?;
    watched.calm().await?;
    Ok(watched)
}

/// Files that the store no longer knows are adopted again.
pub(super) async fn quarantined<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = Watched::start(world, Options::default()).await?;
    let backup = watched.cluster.folder().join("backup");
    watched.cluster.stop_manager().await?;
    tree::copy_folder(&watched.cluster.store(), &backup)?;
    watched.cluster.start_manager().await?;
    watched.cluster.wait_available(3).await?;
    watched.store("f", 12).await?;
    watched.cluster.leader(SOON).await?;
    watched.cluster.heard().await;
    watched.cluster.set_store_back(&backup).await?;
    watched.fires(alerts).await?;
    let adopt = ["quarantine", "adopt", "--all"];
    wait::until(SOON, async || {
        let (code, told) = watched.cluster.ask(&adopt).await?;
        ensure!(code == 0, "{told}");
        Ok(())
    })
    .await?;
    watched.calm().await?;
    Ok(watched)
}

/// The node that joins is empty, and its disk full from the start.
pub(super) async fn skew<'a>(world: &'a World, alerts: &[&str]) -> Result<Watched<'a>> {
    let mut watched = Watched::start(world, Options::default()).await?;
    watched.store("f", 30).await?;
    let added = watched.cluster.new_node()?;
    watched.cluster.nodes[added].args = ALL.map(str::to_owned).to_vec();
    watched.start_node(added).await?;
    watched.fires(alerts).await?;
    watched.restart_node(added, &[]).await?;
    watched.calm().await?;
    Ok(watched)
}

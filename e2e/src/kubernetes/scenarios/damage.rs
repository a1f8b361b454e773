//! Bytes and volumes that are not what they were.

use super::{POOL, World};
use crate::kubernetes::disks;
use crate::library::refused;
use anyhow::{Context, Result, ensure};
use client::Code;

pub(super) async fn run(world: &mut World) -> Result<String> {
    let corrupt = corrupt_in_a_drain(world).await?;
    let swapped = swapped_volume(world).await?;
    Ok(format!("{corrupt}; {swapped}"))
}

/// A damaged file holds up the drain of its node, which names it, until it is deleted.
async fn corrupt_in_a_drain(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    world.nodes(4).await?;
    // An upload goes to the node with the fewest files: the new one.
    let mut doomed = None;
    for number in 0..40 {
        let name = format!("damaged-{number}");
        client
            .put(&name, crate::content::bytes(number, 4096))
            .await?;
        let on = disks::files(&release, &format!("{POOL}-node-3"))?;
        if on.contains(&name) {
            doomed = Some(name);
            break;
        }
    }
    let name = doomed.context("no file went to the new node")?;
    let volume = disks::volume(&release, &format!("{POOL}-node-3"))?;
    let tree = crate::tree::Tree::walk(&volume.join("data"))?;
    let file = tree.files.get(&name).context("the file")?;
    let mut bytes = std::fs::read(file)?;
    bytes[100] ^= 1;
    overwrite(file, &bytes)?;
    // A read finds it.
    let read = async { client.get(&name).await?.bytes().await };
    ensure!(read.await.is_err(), "{name} was served");
    release.told(POOL, "FilesDamaged", true, "Corrupt").await?;
    release.scale(POOL, 3)?;
    let why = release
        .told(POOL, "ScaleDownBlocked", true, "DrainHolds")
        .await?;
    ensure!(why.contains(&name), "{why}");
    client.delete(&name).await?;
    release.ready(POOL, 3).await?;
    for number in 0..40 {
        client.delete(&format!("damaged-{number}")).await?;
    }
    Ok("a corrupt file held up the drain by name until it was deleted".to_owned())
}

/// In place: the file keeps its inode and its attributes.
fn overwrite(file: &std::path::Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().write(true).open(file)?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}

/// An empty volume under a known node is refused, the files keep returning code
/// 4, and the command that the condition names abandons the node.
async fn swapped_volume(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let client = release.client()?;
    world.nodes(4).await?;
    release.balanced(POOL).await?;
    // Only files of this scenario are lost: the others leave that node first.
    let pod = format!("{POOL}-node-3");
    let lost = disks::files(&release, &pod)?;
    ensure!(!lost.is_empty(), "nothing to lose");
    release.lose_volume(&pod).await?;
    let why = release
        .told(POOL, "VolumeReplaced", true, "VolumeReplaced")
        .await?;
    refused(client.get(&lost[0]).await, Code::FileUnavailable)?;
    let command = why.split("kubectl ").nth(1).context("a command")?;
    let args: Vec<&str> = command.split_whitespace().collect();
    release.kube.kubectl(&args)?;
    release
        .told(POOL, "VolumeReplaced", false, "OwnVolumes")
        .await?;
    release.ready(POOL, 4).await?;
    refused(client.get(&lost[0]).await, Code::FileDoesNotExist)?;
    // The lost files are stored anew, for the scenarios that follow.
    world.files()?.store_again(&lost).await?;
    world.nodes(3).await?;
    let compared = world.compare().await?;
    Ok(format!(
        "a swapped volume was refused, and {} files given up by `kubectl annotate`; {compared} compared",
        lost.len()
    ))
}

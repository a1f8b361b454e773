//! How a disk may misbehave, each on its own cluster.

use super::{Bad, Kind, fuse, unreadable};
use crate::library::refused;
use crate::wait;
use anyhow::{Context, Result, ensure};
use client::{Code, NodeState};
use futures::future::LocalBoxFuture;
use std::path::Path;

/// The user that a node runs as whom permissions bind.
const USER: u32 = 65_534;

type Scenario = fn() -> LocalBoxFuture<'static, Result<String>>;

/// All of them, by their names.
pub(super) const ALL: [(&str, Scenario); 9] = [
    ("turns read-only", || Box::pin(turns_read_only())),
    ("dies", || Box::pin(dies())),
    ("hangs", || Box::pin(hangs())),
    ("fills up by bytes", || Box::pin(fills_up(Kind::Ext4))),
    ("fills up by inodes", || {
        Box::pin(fills_up(Kind::Ext4Inodes(600)))
    }),
    ("loses files", || Box::pin(loses_files())),
    (
        "holds foreign entries",
        || Box::pin(holds_foreign_entries()),
    ),
    ("is behind FUSE", || Box::pin(fuse::is_behind_it())),
    ("loses one file to EIO", || Box::pin(unreadable::one_file())),
];

async fn turns_read_only() -> Result<String> {
    let mut bad = Bad::start(Kind::Ext4, 64).await?;
    let before = bad.on_it()?.len();
    ensure!(before > 0, "it got no files");
    bad.volume.turn_read_only()?;
    let longest = bad.uploads_go_on().await?;
    let told = bad.is_told_read_only("Read-only").await?;
    bad.upload(1, 3 << 20).await?;
    bad.read_all().await?;
    ensure!(
        bad.on_it()?.len() == before,
        "files came to a read-only disk"
    );
    // The restart that `/readyz` asks for helps, after a repair.
    bad.repaired().await?;
    Ok(format!("longest upload {longest:.1?}; /readyz: {told}"))
}

async fn dies() -> Result<String> {
    let mut bad = Bad::start(Kind::Xfs, 320).await?;
    bad.volume.shut_down()?;
    let longest = bad.uploads_go_on().await?;
    let told = bad.is_told_read_only("error").await?;
    bad.upload(1, 3 << 20).await?;
    Ok(format!("longest upload {longest:.1?}; /readyz: {told}"))
}

async fn hangs() -> Result<String> {
    let mut bad = Bad::start(Kind::Ext4, 64).await?;
    bad.volume.freeze()?;
    let longest = bad.uploads_go_on().await?;
    let status = bad
        .status("its disk is silent", |node| node.disk_silent_seconds >= 3.0)
        .await?;
    ensure!(
        status.state == NodeState::Available && !status.read_only,
        "{status:?}"
    );
    let (code, told) = bad.ready().await?;
    ensure!(
        code == 503 && told.contains("not answered"),
        "{code} {told}"
    );
    ensure!(bad.metric("dfs_node_disk_silent_seconds").await? >= 3.0);
    bad.upload(1, 3 << 20).await?;
    bad.volume.thaw()?;
    bad.status("its disk answers", |node| node.disk_silent_seconds < 1.0)
        .await?;
    bad.takes_files_again().await?;
    bad.read_all().await?;
    bad.clean().await?;
    Ok(format!("longest upload {longest:.1?}; /readyz: {told}"))
}

async fn fills_up(kind: Kind) -> Result<String> {
    let mut bad = Bad::start(kind, 64).await?;
    let before = bad.on_it()?;
    match kind {
        Kind::Ext4Inodes(_) => bad.volume.fill_inodes()?,
        _ => bad.volume.fill()?,
    }
    let longest = bad.uploads_go_on().await?;
    bad.read_all().await?;
    // A node starts on a full disk as well.
    bad.restart().await?;
    bad.upload(5, 1000).await?;
    bad.read_all().await?;
    let client = bad.cluster.client()?;
    for name in &before[..before.len() / 2] {
        client.delete(name).await?;
    }
    let files = bad.on_it()?.len();
    ensure!(files == before.len() - before.len() / 2, "{files} files");
    // It has the fewest files, but no room for one more: no move to it is tried.
    let stuck = client.status().await?.stuck;
    ensure!(stuck.files == 0, "{stuck:?}");
    bad.volume.empty()?;
    bad.takes_files_again().await?;
    wait::until(super::REPORTED, async || {
        let (code, told) = bad.ready().await?;
        ensure!(code == 200, "{code} {told}");
        Ok(())
    })
    .await?;
    bad.read_all().await?;
    bad.clean().await?;
    Ok(format!(
        "longest upload {longest:.1?}; restarted while full"
    ))
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(mode),
    )?)
}

/// A directory and a file that can't be read make nothing else unavailable.
async fn loses_files() -> Result<String> {
    let mut bad = Bad::start_as(Kind::Xfs, 320, Some(USER)).await?;
    let client = bad.cluster.client()?;
    let tree = bad.cluster.tree(0)?;
    let (name, file) = tree.files.first_key_value().context("it got no files")?;
    let leaf = file.parent().context("a leaf")?.to_owned();
    set_mode(&leaf, 0)?;
    bad.upload(40, 1000).await?;
    let told = bad
        .status("the directory is told", |node| !node.troubles.is_empty())
        .await?
        .troubles;
    ensure!(told[0].starts_with("data/0/0/0/0/0"), "{told:?}");
    refused(client.get(name).await, Code::FileUnavailable)?;
    set_mode(&leaf, 0o750)?;
    bad.read_all().await?;
    removes_no_directory_that_it_cannot_flush(&bad).await?;
    // One unreadable file, across a merge.
    set_mode(file, 0)?;
    bad.restart().await?;
    bad.status("it is merged", |node| node.merged).await?;
    refused(client.get(name).await, Code::FileUnavailable)?;
    let told = bad
        .status("the file is told", |node| !node.troubles.is_empty())
        .await?
        .troubles;
    ensure!(
        told.len() == 1 && told[0].contains(name.as_str()),
        "{told:?}"
    );
    ensure!(bad.metric("dfs_node_troubles").await? > 0.0);
    bad.upload(20, 1000).await?;
    set_mode(file, 0o640)?;
    bad.read_all().await?;
    bad.status("all is well", |node| node.troubles.is_empty())
        .await?;
    bad.clean().await?;
    Ok(told[0].clone())
}

/// An empty directory is not removed while its parent can't be opened, and so can't
/// be flushed: the delete is durable all the same.
async fn removes_no_directory_that_it_cannot_flush(bad: &Bad) -> Result<()> {
    let client = bad.cluster.client()?;
    let tree = bad.cluster.tree(0)?;
    let (_, last) = tree.files.last_key_value().context("it has no files")?;
    let leaf = tree.files.values().map(|file| file.parent());
    let leaf = leaf.max().flatten().context("a leaf")?;
    ensure!(
        last.parent() != Some(leaf) || tree.files.len() > 36,
        "one leaf"
    );
    let above = leaf.parent().context("a directory above")?;
    set_mode(above, 0o300)?;
    let in_it = tree.files.iter().filter(|(_, file)| file.starts_with(leaf));
    for (name, _) in in_it {
        client.delete(name).await?;
    }
    ensure!(leaf.is_dir(), "{} has gone unflushed", leaf.display());
    set_mode(above, 0o750)
}

/// Entries that others put into the tree take up their slots, and do no other harm.
async fn holds_foreign_entries() -> Result<String> {
    let mut bad = Bad::start(Kind::Ext4, 64).await?;
    let data = bad.cluster.nodes[0].folder.join("data");
    // One where the second leaf would be, then two beside directories.
    std::fs::write(data.join("0/0/0/0/1"), "mine")?;
    bad.upload(160, 100).await?;
    std::fs::write(data.join("0/0/notes.txt"), "mine")?;
    std::fs::write(data.join("0/1"), "mine")?;
    bad.restart().await?;
    bad.status("it is merged", |node| node.merged).await?;
    let told = bad
        .status("they are told", |node| node.troubles.len() >= 3)
        .await?
        .troubles;
    bad.upload(160, 100).await?;
    bad.read_all().await?;
    ensure!(std::fs::read(data.join("0/0/0/0/1"))? == b"mine");
    let most = bad.status("it has a part of them", |node| node.files > 100);
    most.await?;
    bad.clean().await?;
    Ok(told.join("; "))
}

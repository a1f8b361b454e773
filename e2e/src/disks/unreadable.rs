//! A single file whose blocks can't be read, which the disk reports as EIO.

use super::volume::{Kind, Volume};
use super::{Bad, REPORTED};
use crate::library::refused;
use crate::wait;
use anyhow::{Context, Result, ensure};
use client::Code;
use std::ffi::OsStr;

/// Only this file is unavailable, and it is not called corrupt.
pub(super) async fn one_file() -> Result<String> {
    let mut bad = Bad::start(Kind::Ext4, 64).await?;
    let client = bad.cluster.client()?;
    let tree = bad.cluster.tree(0)?;
    let (name, file) = tree.files.first_key_value().context("it got no files")?;
    // It is replaced by a copy on another volume, which is then shut down.
    let folder = bad.cluster.folder().join("dead");
    std::fs::create_dir(&folder)?;
    let dead = Volume::make(&folder, Kind::Xfs, 320)?;
    let other = dead.at.join("file");
    let copy = [
        "--preserve=all".as_ref(),
        file.as_os_str(),
        other.as_os_str(),
    ];
    super::volume::call::<&OsStr>("cp", &copy)?;
    dead.bind(&other, file)?;
    dead.shut_down()?;

    refused(client.get(name).await, Code::FileUnavailable)?;
    bad.upload(40, 1000).await?;
    let status = bad
        .status("the file is reported", |node| !node.troubles.is_empty())
        .await?;
    let told = status.troubles.join("; ");
    ensure!(told.contains(name.as_str()), "{told}");
    ensure!(!status.read_only, "{status:?}");
    // After a merge as well.
    bad.restart().await?;
    bad.status("it is merged", |node| node.merged).await?;
    for other in bad.on_it()?.iter().filter(|other| *other != name) {
        client.get(other).await?.bytes().await?;
    }
    refused(client.get(name).await, Code::FileUnavailable)?;
    bad.upload(20, 1000).await?;
    let corrupt = client.status().await?.corrupt;
    ensure!(corrupt.files == 0, "it is called corrupt");

    super::volume::call("umount", &[file])?;
    bad.restart().await?;
    wait::until(REPORTED, async || {
        Ok(client.get(name).await?.bytes().await?)
    })
    .await?;
    bad.read_all().await?;
    bad.status("all is well", |node| node.troubles.is_empty())
        .await?;
    bad.clean().await?;
    Ok(told)
}

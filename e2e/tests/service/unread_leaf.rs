//! A directory that a node can't read when it starts: what it holds is not known, so
//! no file in it is denied or called missing, and no record of one is removed (rule
//! 11, invariant 8).

use anyhow::{Result, ensure};
use client::{Code, Status};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::library::{names, refused};
use e2e::wait;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A user whom permissions bind, where this test is run by root.
const USER: u32 = 64_124;
/// More than a directory takes.
const FILES: usize = 40;

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(mode),
    )?)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_directory_that_could_not_be_read_are_not_called_missing() -> Result<()> {
    let mut cluster = Cluster::prepare(Options::default())?;
    let node = cluster.new_node()?;
    if rustix::process::geteuid().is_root() {
        cluster.run_as(node, USER, &[])?;
    }
    cluster.start_manager().await?;
    cluster.start_node(node).await?;
    cluster.wait_available(1).await?;
    let client = cluster.client()?;
    for number in 0..FILES {
        let name = format!("f{number}");
        client.put(&name, "content").await?;
    }
    let leaf = cluster.nodes[node].folder.join("data/0/0/0/0/0");
    let hidden: Vec<String> = std::fs::read_dir(&leaf)?
        .map(|file| Ok(file?.file_name().into_string().unwrap()))
        .collect::<Result<_>>()?;
    ensure!(hidden.len() == 36, "{hidden:?}");

    cluster.kill_node(node).await?;
    set_mode(&leaf, 0)?;
    cluster.start_node(node).await?;
    let merged = |status: &Status| status.nodes[0].merged;
    let status = cluster.wait_status("it is merged", SOON, merged).await?;
    ensure!(status.missing.files == 0, "{status:?}");
    ensure!(!status.nodes[0].troubles.is_empty(), "{status:?}");
    refused(client.get(&hidden[0]).await, Code::FileUnavailable)?;
    let (code, told) = cluster.ask(&["fsck"]).await?;
    let unreadable = told.matches("unreadable-file").count();
    let missing = told.matches("missing-bytes").count();
    ensure!(code == 1 && (unreadable, missing) == (36, 0), "{told}");
    // A delete waits until its bytes can be removed.
    refused(client.delete(&hidden[0]).await, Code::FileUnavailable)?;
    ensure!(names(&client).await?.len() == FILES);
    // All else goes on.
    client.put("new", "x").await?;
    client.get("new").await?.bytes().await?;
    client.delete("new").await?;

    cluster.kill_node(node).await?;
    set_mode(&leaf, 0o750)?;
    cluster.start_node(node).await?;
    wait::until(SOON, async || {
        refused(client.get(&hidden[0]).await, Code::FileDoesNotExist)?;
        Ok(())
    })
    .await?;
    for name in &hidden[1..] {
        let body = client.get(name).await?.bytes().await?;
        ensure!(body == "content", "{name}");
    }
    ensure!(names(&client).await?.len() == FILES - 1);
    cluster.wait_fsck_clean(SOON).await
}

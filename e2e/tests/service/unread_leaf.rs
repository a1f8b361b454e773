//! A directory that a node can't read when it starts: what it holds is not known, so
//! no file in it is denied or called missing, and no record of one is removed (rule
//! 11, invariant 8).

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
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
    let client = cluster.client();
    for number in 0..FILES {
        let name = format!("f{number}");
        client.put(&name, "content").await?.expect(201)?;
    }
    let leaf = cluster.nodes[node].folder.join("data/0/0/0/0/0");
    let hidden: Vec<String> = std::fs::read_dir(&leaf)?
        .map(|file| Ok(file?.file_name().into_string().unwrap()))
        .collect::<Result<_>>()?;
    ensure!(hidden.len() == 36, "{hidden:?}");

    cluster.kill_node(node).await?;
    set_mode(&leaf, 0)?;
    cluster.start_node(node).await?;
    let merged = |status: &e2e::cluster::Status| status.nodes[0].merged;
    let status = cluster.wait_status("it is merged", SOON, merged).await?;
    ensure!(status.rest["missing"]["files"] == 0, "{status:?}");
    ensure!(!status.nodes[0].troubles.is_empty(), "{status:?}");
    let answer = client.get(&hidden[0]).await?;
    ensure!(answer.outcome() == (503, Some(4)), "{answer:?}");
    let (code, told) = cluster.ask(&["fsck"]).await?;
    let unreadable = told.matches("unreadable-file").count();
    let missing = told.matches("missing-bytes").count();
    ensure!(code == 1 && (unreadable, missing) == (36, 0), "{told}");
    // A delete waits until its bytes can be removed.
    let answer = client.delete(&hidden[0]).await?;
    ensure!(answer.outcome() == (503, Some(4)), "{answer:?}");
    ensure!(client.names().await?.len() == FILES);
    // All else goes on.
    client.put("new", "x").await?.expect(201)?;
    client.get("new").await?.expect(200)?;
    client.delete("new").await?.expect(204)?;

    cluster.kill_node(node).await?;
    set_mode(&leaf, 0o750)?;
    cluster.start_node(node).await?;
    wait::until(SOON, async || {
        let answer = client.get(&hidden[0]).await?;
        ensure!(answer.outcome() == (404, Some(2)), "{answer:?}");
        Ok(())
    })
    .await?;
    for name in &hidden[1..] {
        let answer = client.get(name).await?.expect(200)?;
        ensure!(answer.body == "content", "{name}");
    }
    ensure!(client.names().await?.len() == FILES - 1);
    cluster.wait_fsck_clean(SOON).await
}

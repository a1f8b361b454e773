//! The inner ports refuse callers without the token, and it is never shown.
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use std::path::PathBuf;

const TOKEN: &str = "correct-horse-battery-staple";

async fn guarded() -> Result<(Cluster, PathBuf)> {
    let mut cluster = Cluster::prepare(Options::default())?;
    let file = cluster.folder().join("token");
    std::fs::write(&file, format!("{TOKEN}\n"))?;
    let flags = ["--token-file".to_owned(), file.display().to_string()];
    cluster.options.manager_args = flags.to_vec();
    cluster.start_manager().await?;
    Ok((cluster, file))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_the_token_joins_and_one_without_does_not() -> Result<()> {
    let (mut cluster, file) = guarded().await?;
    let stranger = cluster.new_node()?;
    cluster.nodes[stranger].env =
        vec![("DFS_TOKEN".to_owned(), "another-token-of-length".to_owned())];
    cluster.start_node(stranger).await?;
    let bare = cluster.add_node().await?;
    let friend = cluster.new_node()?;
    cluster.nodes[friend].args = vec!["--token-file".to_owned(), file.display().to_string()];
    cluster.start_node(friend).await?;
    let status = cluster.wait_available(1).await?;
    ensure!(
        status
            .node("node-3")
            .is_some_and(|node| node.state == "available"),
        "{status:?}"
    );
    cluster.client().put("f", "x").await?.expect(201)?;
    for index in [stranger, bare] {
        let node = &cluster.nodes[index];
        e2e::wait::until(SOON, async || {
            let log = node.process.as_ref().unwrap().log().to_lowercase();
            ensure!(log.contains("token"), "{log}");
            Ok(())
        })
        .await?;
    }
    ensure!(cluster.client().status().await?.available() == 1);
    ensure!(!cluster.logs().contains(TOKEN), "the token is in a log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_the_token_are_refused() -> Result<()> {
    let (cluster, file) = guarded().await?;
    ensure!(cluster.ask(&["nodes"]).await.is_err());
    let (code, out) = cluster
        .ask(&["nodes", "--token-file", &file.display().to_string()])
        .await?;
    ensure!(code == 0, "{out}");
    Ok(())
}

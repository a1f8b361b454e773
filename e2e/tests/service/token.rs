//! The inner ports refuse callers without the token, and it is never shown.

use anyhow::{Context, Result, ensure};
use client::NodeState;
use e2e::cluster::{Cluster, Options, Process, SOON};
use http::Method;
use proto::keys::pool_key;
use proto::v1::handover_client::HandoverClient;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
            .is_some_and(|node| node.state == NodeState::Available),
        "{status:?}"
    );
    cluster.client()?.put("f", "x").await?;
    for index in [stranger, bare] {
        let node = &cluster.nodes[index];
        e2e::wait::until(SOON, async || {
            let log = node.process.as_ref().unwrap().log().to_lowercase();
            ensure!(log.contains("token"), "{log}");
            Ok(())
        })
        .await?;
    }
    ensure!(cluster.client()?.status().await?.available() == 1);
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

/// A file name that is made from a text, with no part of the text in it.
fn content_name(text: &str) -> String {
    format!("f{}", e2e::content::sha256(text.as_bytes())[0])
}

/// Waits until a process has logged something at least this many times.
async fn said(process: &Process, text: &str, times: usize) -> Result<()> {
    e2e::wait::until(SOON, async || {
        let log = process.log();
        ensure!(log.matches(text).count() >= times, "{log}");
        Ok(())
    })
    .await
}

/// Adds a node that has the key of one pool, and says that it is of this or another one.
async fn keyed(cluster: &mut Cluster, id: &str, pool: &str, key_of: &str) -> Result<usize> {
    let index = cluster.new_node()?;
    let key = pool_key(TOKEN, key_of);
    cluster.nodes[index].id = id.to_owned();
    cluster.nodes[index].pool = pool.to_owned();
    cluster.nodes[index].env = vec![("DFS_TOKEN".to_owned(), key)];
    cluster.start_node(index).await?;
    Ok(index)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nodes_and_their_volumes_are_is_said_for_the_token_alone() -> Result<()> {
    let (mut cluster, file) = guarded().await?;
    let file = file.display().to_string();
    let index = cluster.new_node()?;
    cluster.nodes[index].args = vec!["--token-file".to_owned(), file.clone()];
    cluster.start_node(index).await?;
    cluster.wait_available(1).await?;
    let (_, lines) = cluster.ask(&["nodes", "--token-file", &file]).await?;
    let said = |field: &str| {
        let mut words = lines.split_whitespace();
        words.find_map(|word| word.strip_prefix(field).map(str::to_owned))
    };
    let public = cluster.wire().call(Method::GET, "/status").await?;
    let public = String::from_utf8(public.expect(200)?.body.to_vec())?;
    for field in ["endpoint=", "volume="] {
        let value = said(field).with_context(|| format!("{field} in {lines}"))?;
        ensure!(!public.contains(&value), "{value} in {public}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_pool_lets_in_its_nodes_and_nothing_else() -> Result<()> {
    let (mut cluster, file) = guarded().await?;
    keyed(&mut cluster, "a-node-1", "a", "a").await?;
    keyed(&mut cluster, "b-node-1", "b", "b").await?;
    cluster.wait_available(2).await?;
    let client = cluster.client()?;
    for i in 0..40 {
        client.put(&format!("f{i}"), format!("{i}")).await?;
    }
    for (id, pool, key_of, why) in [
        (
            "b-2",
            "b",
            "a",
            "the token of this service is missing or wrong",
        ),
        ("b-node-7", "a", "a", "admits nodes of that pool"),
    ] {
        let index = keyed(&mut cluster, id, pool, key_of).await?;
        e2e::wait::until(SOON, async || {
            let log = cluster.nodes[index].process.as_ref().unwrap().log();
            ensure!(log.contains(why), "{log}");
            Ok(())
        })
        .await?;
    }
    ensure!(cluster.client()?.status().await?.available() == 2);
    // No node can order what an administrator can.
    let key = cluster.folder().join("key");
    std::fs::write(&key, pool_key(TOKEN, "a"))?;
    let key = key.display().to_string();
    let asked = cluster.ask(&["nodes", "--token-file", &key]).await;
    let refused = format!("{:#}", asked.unwrap_err());
    ensure!(refused.contains("missing or wrong"), "{refused}");
    // A file moves from pool to pool by its ticket.
    let token = file.display().to_string();
    cluster
        .ask(&["drain", "--node", "a-node-1", "--token-file", &token])
        .await?;
    e2e::wait::until(SOON, async || {
        let status = client.status().await?;
        let files = status.node("b-node-1").map(|node| node.files);
        ensure!(files == Some(40), "{status:?}");
        Ok(())
    })
    .await?;
    for i in 0..40 {
        let body = client.get(&format!("f{i}")).await?.bytes().await?;
        ensure!(body == format!("{i}"), "f{i}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_changed_without_a_restart() -> Result<()> {
    const NEXT: &str = "another-horse-another-battery";
    let (mut cluster, file) = guarded().await?;
    let index = cluster.new_node()?;
    let folder = cluster.folder();
    let nodes_file = folder.join("node-token");
    std::fs::write(&nodes_file, TOKEN)?;
    cluster.nodes[index].args = vec!["--token-file".to_owned(), nodes_file.display().to_string()];
    cluster.start_node(index).await?;
    cluster.wait_available(1).await?;
    let client = cluster.client()?;
    let asks = |cluster: &Cluster, token: &str| -> Result<String> {
        let file = cluster.folder().join(token);
        std::fs::write(&file, token)?;
        Ok(file.display().to_string())
    };
    let everywhere = async |text: &str, times: usize| -> Result<()> {
        let files: [&Path; 2] = [&file, &nodes_file];
        for file in files {
            std::fs::write(file, text)?;
        }
        for process in [cluster.manager()?, cluster.node(index)?] {
            said(process, "the token was read again", times).await?;
        }
        client.put(&content_name(text), text.to_owned()).await?;
        Ok(())
    };
    everywhere(&format!("{TOKEN}\n{NEXT}"), 1).await?;
    everywhere(&format!("{NEXT}\n{TOKEN}"), 2).await?;
    let old = asks(&cluster, TOKEN)?;
    cluster.ask(&["nodes", "--token-file", &old]).await?;
    everywhere(NEXT, 3).await?;
    ensure!(cluster.ask(&["nodes", "--token-file", &old]).await.is_err());
    let new = asks(&cluster, NEXT)?;
    let (_, told) = cluster.ask(&["nodes", "--token-file", &new]).await?;
    ensure!(told.contains("available"), "{told}");
    // A token file that can't be right changes nothing.
    std::fs::write(&file, "short")?;
    said(cluster.manager()?, "the token was not read again", 1).await?;
    cluster.ask(&["nodes", "--token-file", &new]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_ticket_is_refused_before_it_sends_a_byte() -> Result<()> {
    let (mut cluster, file) = guarded().await?;
    let index = cluster.new_node()?;
    cluster.nodes[index].args = vec!["--token-file".to_owned(), file.display().to_string()];
    cluster.start_node(index).await?;
    let url = format!("http://{}", cluster.node(index)?.address("listen")?);
    let mut client = HandoverClient::connect(url).await?;
    // More callers than there are places for transfers, and none of them sends anything.
    for _ in 0..64 {
        let silent = futures::stream::pending::<proto::v1::UploadPart>();
        let asked = tokio::time::timeout(SOON, client.receive_file(silent)).await?;
        let refused = asked.map(drop).unwrap_err();
        ensure!(refused.code() == tonic::Code::Unauthenticated, "{refused}");
    }
    let asked = client.resume_file(proto::v1::ResumeRequest::default());
    let refused = asked.await.map(drop).unwrap_err();
    ensure!(refused.code() == tonic::Code::Unauthenticated, "{refused}");
    Ok(())
}

/// Whether others may read what lies in a folder, or reach it.
fn readable_by_others(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.metadata()?.permissions().mode() & 0o077 != 0 {
            open.push(entry.path());
        }
        if entry.file_type()?.is_dir() {
            open.extend(readable_by_others(&entry.path())?);
        }
    }
    Ok(open)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_store_and_node_are_readable_by_their_owner_only() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.client()?.put("f", "x").await?;
    for folder in [cluster.store(), cluster.nodes[0].folder.clone()] {
        let open = readable_by_others(&folder)?;
        ensure!(open.is_empty(), "others may read {open:?}");
    }
    Ok(())
}

//! Orders that are watched, interrupted, or get no answer.

use crate::behind::behind;
use crate::dfs::{Dfs, ended};
use crate::interrupted::interrupt;
use anyhow::{Context, Result, ensure};
use client::{Error, FileId};
use e2e::cluster::{Cluster, SOON};
use e2e::faulty::{Fault, Faulty};
use e2e::{content, wait};
use futures::TryStreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// More than the answer to the order of a drain, and less than a few looks at it.
const A_LOOK: usize = 1500;

/// Has a few files on each node.
async fn fill(cluster: &Cluster) -> Result<()> {
    for number in 0..9 {
        let name = format!("f{number}");
        let bytes = content::bytes(number, 100);
        cluster.client()?.put(&name, bytes).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_watched_until_it_is_over_or_is_none_or_nobody_wants_to_know() -> Result<()> {
    let mut cluster = Cluster::start(3).await?;
    fill(&cluster).await?;
    let dfs = Dfs::of(&cluster)?;
    // From a node that is away nothing is moved.
    cluster.kill_node(2).await?;
    cluster.wait_available(2).await?;
    let way = Faulty::start(cluster.http(), [Fault::CutAnswer(A_LOOK)]).await?;
    let watch = ["--url", &way.url(), "drain", "--wait", "node-3"];
    let watched = dfs.command(watch)?.spawn()?;
    // A look that failed is followed by another one.
    wait::until(SOON, async || {
        ensure!(way.connections() > 1, "not broken yet");
        Ok(())
    })
    .await?;
    let mut all = dfs.command(["drain", "--wait"])?.spawn()?;
    let stdout = all.stdout.as_mut().context("no stdout")?;
    let mut first = [0; 6];
    wait::at_most(SOON, stdout.read_exact(&mut first)).await??;
    ensure!(&first == b"node-3");
    interrupt(&all)?;
    let all = ended(all).await?;
    let goes_on = "interrupted: the drains go on\n";
    ensure!(all.code == 130 && all.err.ends_with(goes_on), "{all:?}");
    // Of others than those that were named it does not wait.
    let one = dfs.does(&["drain", "--wait", "node-1"]).await?;
    ensure!(one.ends_with("node-1 is empty\n"), "{one}");
    let cost = dfs.run(&["abandon", "node-3"]).await?;
    let order = cost.err.trim().rsplit("dfs ").next().context("no order")?;
    dfs.does(&order.split(' ').collect::<Vec<_>>()).await?;
    let watched = ended(watched).await?;
    ensure!(watched.code == 1, "{watched:?}");
    for says in ["no answer from", "node-3 is drained no more"] {
        ensure!(watched.err.contains(says), "{watched:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_is_interrupted_or_not_read_to_its_end_is_not_clean() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    fill(&cluster).await?;
    let dfs = Dfs::of(&cluster)?;
    let way = Faulty::start(cluster.http(), [Fault::StallAnswer(0)]).await?;
    let fsck = dfs.command(["--url", &way.url(), "fsck"])?.spawn()?;
    wait::until(SOON, async || {
        ensure!(way.connections() == 1, "not asked yet");
        Ok(())
    })
    .await?;
    interrupt(&fsck)?;
    let fsck = ended(fsck).await?;
    ensure!(fsck.code == 130, "{fsck:?}");
    cluster.kill_node(1).await?;
    cluster.wait_available(1).await?;
    let mut unread = dfs.command(["fsck"])?.spawn()?;
    drop(unread.stdout.take());
    let unread = ended(unread).await?;
    ensure!(unread.code == 3, "{unread:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_an_answer_is_given_once_and_a_question_asked_again() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let lossy = async || behind(&cluster, [Fault::CutAnswer(0)]).await;
    let once = |what: &str, way: &Faulty, did: Result<(), Error>| {
        let lost = matches!(did, Err(Error::NoAnswer { .. }));
        ensure!(lost, "{what}: {did:?}");
        ensure!(way.connections() == 1, "{what}: given again");
        Ok(())
    };
    let id: FileId = "01a210eb-4e12-73ea-91ea-c90301660f8e".parse()?;
    let (way, client) = lossy().await?;
    let volume = "00000000-0000-4000-8000-000000000000".parse()?;
    let did = client.abandon("node-9", volume, 0).await;
    once("abandon", &way, did.map(drop))?;
    let (way, client) = lossy().await?;
    once("adopt", &way, client.adopt("node-1", id, 1).await.map(drop))?;
    let (way, client) = lossy().await?;
    let did = client.remove_quarantined("node-1", id, 1).await;
    once("remove", &way, did.map(drop))?;
    let (way, client) = lossy().await?;
    let did: Result<Vec<_>, _> = client.adopt_all(None).try_collect().await;
    once("adopt all", &way, did.map(drop))?;
    let (way, client) = lossy().await?;
    let copies: Vec<_> = client.quarantine(None).try_collect().await?;
    ensure!(copies.is_empty() && way.connections() == 2);
    let (way, client) = lossy().await?;
    let drains = client.drains().await?;
    ensure!(drains.drains.is_empty() && way.connections() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_does_not_move_files_names_the_one_that_does() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let dfs = Dfs::of(&cluster)?;
    let drains = r#"{"drains":[{"node":"n1","records_left":5}],"leader":"host:9000"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{drains}",
        drains.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let args = ["--url", &url, "drain"];
    let asked = dfs.command(args)?.spawn()?;
    let (mut stream, _) = wait::at_most(SOON, listener.accept()).await??;
    let mut head = [0; 16];
    wait::at_most(SOON, stream.read_exact(&mut head)).await??;
    stream.write_all(answer.as_bytes()).await?;
    let asked = ended(asked).await?;
    ensure!(asked.code == 0, "{asked:?}");
    let hint = "the manager that moves files is host:9000";
    ensure!(asked.err.contains(hint), "{asked:?}");
    Ok(())
}

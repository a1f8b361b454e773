//! Processes come and go in any order.

use anyhow::Result;
use bytes::Bytes;
use e2e::cluster::{Cluster, Options, SOON};
use e2e::wire::{Body, Route};
use proto::v1::admin_client::AdminClient;
use proto::v1::{PoolStatusRequest, RefusedFor};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_may_start_before_the_manager() -> Result<()> {
    let mut cluster = Cluster::prepare(Options::default())?;
    cluster.add_node().await?;
    cluster.add_node().await?;
    cluster.start_manager().await?;
    cluster.add_node().await?;
    cluster.wait_available(3).await?;
    cluster.client()?.put("f", "x").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_rejoin_by_themselves_after_a_crash() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..40 {
        client.put(&format!("f{i}"), format!("content {i}")).await?;
    }
    for round in 0..3 {
        cluster.kill_manager().await?;
        cluster.start_manager().await?;
        cluster.wait_available(2).await?;
        let index = round % 2;
        cluster.kill_node(index).await?;
        let killed = Instant::now();
        cluster.start_node(index).await?;
        cluster.wait_available(2).await?;
        // The node's old stream may still look alive; the node is accepted at once
        // all the same.
        assert!(
            killed.elapsed() < Duration::from_secs(8),
            "{:?}",
            killed.elapsed()
        );
        for i in 0..40 {
            let body = client.get(&format!("f{i}")).await?.bytes().await?;
            assert_eq!(body, format!("content {i}"));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_folder_is_refused() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let twin = cluster.new_node()?;
    cluster.nodes[twin].folder = cluster.nodes[0].folder.clone();
    let (status, log) = cluster.node_launch(twin).refused(SOON).await?;
    assert!(!status.success());
    let folder = cluster.nodes[0].folder.display().to_string();
    assert!(
        log.contains(&folder) && (log.contains("use") || log.contains("lock")),
        "{log}"
    );
    cluster.client()?.put("f", "the first is untouched").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_manager_on_the_same_store_is_refused() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let mut launch = cluster.manager_launch();
    for address in [cluster.http(), cluster.grpc(), cluster.ops()] {
        let address = address.to_string();
        for arg in launch.args.iter_mut().filter(|arg| **arg == *address) {
            *arg = "127.0.0.1:0".into();
        }
    }
    launch.stderr = cluster.folder().join("second.log");
    let (status, log) = launch.refused(SOON).await?;
    assert!(!status.success());
    let store = cluster.store().display().to_string();
    assert!(
        log.contains(&store) && (log.contains("use") || log.contains("lock")),
        "{log}"
    );
    cluster.client()?.put("f", "the first is untouched").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_id_that_is_taken_is_refused_and_told_who_holds_it() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    client.put("f", "x").await?;
    let holder = cluster.node(0)?.address("listen")?;
    let twin = cluster.new_node()?;
    cluster.nodes[twin].id = cluster.nodes[0].id.clone();
    let launch = cluster.node_launch(twin);
    // The node may end or go on trying; either way it logs who holds the name.
    let mut child = launch.spawn()?;
    let log = launch.stderr.clone();
    let told = e2e::wait::until(SOON, async || {
        let text = std::fs::read_to_string(&log)?;
        anyhow::ensure!(text.contains(&holder.to_string()), "no {holder} in {text}");
        Ok(())
    });
    told.await?;
    let status = client.status().await?;
    assert_eq!(
        (status.available(), status.nodes.len()),
        (2, 2),
        "{status:?}"
    );
    assert_eq!(client.get("f").await?.bytes().await?, "x");
    child.kill().await?;
    Ok(())
}

/// An upload whose body is sent piece by piece from here.
fn upload(
    cluster: &Cluster,
    name: &str,
) -> (
    mpsc::Sender<&'static str>,
    tokio::task::JoinHandle<Result<e2e::wire::Answer>>,
) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
        let piece: &'static str = receiver.recv().await?;
        Some((Ok(Bytes::from_static(piece.as_bytes())), receiver))
    });
    let request = Route::Put.request_with(name, Body::stream(pieces)).unwrap();
    let client = cluster.wire();
    (
        sender,
        tokio::spawn(async move { client.send(request).await }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_requests_in_flight() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let (body, answer) = upload(&cluster, "slow");
    body.send("first ").await?;
    body.send("second ").await?;
    cluster.wait_uploads_in_flight(1).await?;
    let mut manager = cluster.manager.take().unwrap();
    manager.signal(Signal::TERM)?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(manager.is_running(), "it waits for the upload");
    body.send("third").await?;
    drop(body);
    answer.await??.expect(201)?;
    let status = manager.wait(SOON).await?;
    assert!(status.success(), "{status}");
    cluster.start_manager().await?;
    cluster.wait_available(1).await?;
    assert_eq!(
        cluster.client()?.get("slow").await?.bytes().await?,
        "first second third"
    );
    let node = cluster.nodes[0].process.take().unwrap();
    assert!(node.terminate(SOON).await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_leaves_at_once() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let (body, answer) = upload(&cluster, "stuck");
    body.send("first").await?;
    body.send("second").await?;
    cluster.wait_uploads_in_flight(1).await?;
    let mut manager = cluster.manager.take().unwrap();
    manager.signal(Signal::TERM)?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(manager.is_running(), "it waits for the upload");
    manager.signal(Signal::TERM)?;
    manager.wait(Duration::from_secs(2)).await?;
    assert!(answer.await?.is_err(), "no answer was acknowledged");
    cluster.start_manager().await?;
    cluster.wait_available(1).await?;
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_of_another_cluster_is_refused_and_left_untouched() -> Result<()> {
    let mut first = Cluster::start(1).await?;
    first.client()?.put("precious", "x").await?;
    first.kill_node(0).await?;
    let mut second = Cluster::prepare(Options::default())?;
    second.start_manager().await?;
    // The first cluster's volume, under the same node id.
    let stranger = second.new_node()?;
    second.nodes[stranger].folder = first.nodes[0].folder.clone();
    let mut child = second.node_launch(stranger).spawn()?;
    let url = format!("http://{}", second.grpc());
    let strangers = e2e::wait::until(SOON, async || {
        let mut admin = AdminClient::connect(url.clone()).await?;
        let pool = PoolStatusRequest::default();
        let strangers = admin.pool_status(pool).await?.into_inner().strangers;
        anyhow::ensure!(!strangers.is_empty(), "nobody was refused yet");
        Ok(strangers)
    })
    .await?;
    // The operator's advice rests on what a refusal is about, not on its words.
    let about: Vec<_> = strangers.iter().map(|s| s.refused_for()).collect();
    assert_eq!(about, [RefusedFor::Store], "{strangers:?}");
    assert_eq!(second.client()?.status().await?.available(), 0);
    let _ = child.kill().await;
    first.start_node(0).await?;
    first.wait_available(1).await?;
    assert_eq!(first.client()?.get("precious").await?.bytes().await?, "x");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_flag_is_refused_at_the_start_by_its_name() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let cases: [&[&str]; 4] = [
        &[
            "serve",
            "--http",
            "nonsense",
            "--store",
            "embedded:/nowhere",
        ],
        &["serve", "--store", "nonsense:"],
        &[
            "serve",
            "--store",
            "embedded:x",
            "--body-idle-timeout",
            "soon",
        ],
        &["standalone", "--nodes", "none"],
    ];
    for args in cases {
        let (status, log) = cluster
            .manager_command(args.iter().copied())
            .refused(SOON)
            .await?;
        let flag = args[args.len() - 2];
        let flag = if args.contains(&"nonsense") && args.contains(&"--http") {
            "--http"
        } else {
            flag
        };
        assert!(!status.success() && log.contains(flag), "{args:?}: {log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn inner_ports_on_other_addresses_demand_a_token() -> Result<()> {
    let cluster = Cluster::prepare(Options::default())?;
    let store = format!("embedded:{}", cluster.store().display());
    let args = [
        "serve",
        "--http",
        "127.0.0.1:0",
        "--grpc",
        "0.0.0.0:0",
        "--ops",
        "127.0.0.1:0",
        "--store",
        &store,
    ];
    let (status, log) = cluster.manager_command(args).refused(SOON).await?;
    assert!(!status.success() && log.contains("token"), "{log}");
    Ok(())
}

//! Draining a node: refused where its files do not fit elsewhere, and without losing one.

use anyhow::{Context, Result, ensure};
use client::{Code, Drain, NodeState, Status};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::library::{names, refused};
use e2e::{content, wait};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_does_not_fit_is_refused_with_what_is_short() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    for i in 0..10 {
        let data = content::bytes(i, 100_000);
        client.put(&format!("f{i}"), data).await?;
    }
    let alone = cluster.ask(&["drain", "--node", "node-1"]).await;
    let told = format!("{:#}", alone.unwrap_err());
    ensure!(told.contains("no other node takes files"), "{told}");
    let small = cluster.new_node()?;
    cluster.nodes[small].args = ["--capacity", "300KiB"].map(str::to_owned).to_vec();
    cluster.start_node(small).await?;
    cluster.wait_available(2).await?;
    let short = cluster.ask(&["drain", "--node", "node-1"]).await;
    let told = format!("{:#}", short.unwrap_err());
    ensure!(told.contains("bytes short"), "{told}");
    // The drain was refused, so the node still takes files.
    let status = client.status().await?;
    ensure!(
        status.node("node-1").unwrap().state == NodeState::Available,
        "{status:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_is_empty_takes_nothing_and_opens_again() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client()?;
    for i in 0..90 {
        client.put(&format!("f{i}"), format!("content {i}")).await?;
    }
    cluster.wait_drained("node-2", SOON).await?;
    for i in 90..120 {
        client.put(&format!("f{i}"), format!("content {i}")).await?;
    }
    ensure!(cluster.tree(1)?.files.is_empty(), "it takes nothing");
    for i in 0..120 {
        let body = client.get(&format!("f{i}")).await?.bytes().await?;
        ensure!(body == format!("content {i}"), "f{i}");
    }
    cluster
        .ask(&["drain", "--node", "node-2", "--cancel"])
        .await?;
    wait::until(SOON, async || {
        let counts: Vec<usize> = cluster
            .trees()?
            .iter()
            .map(|tree| tree.files.len())
            .collect();
        ensure!(counts == [40, 40, 40], "{counts:?}");
        Ok(())
    })
    .await
}

/// A manager that stands still at these failpoints, and two nodes; gives the index
/// of the first one too.
async fn stalled(failpoints: &str) -> Result<(Cluster, usize)> {
    let mut cluster = Cluster::prepare(Options::default())?;
    cluster.manager_env = vec![("FAILPOINTS".to_owned(), failpoints.to_owned())];
    cluster.start_manager().await?;
    let first = cluster.add_node().await?;
    cluster.add_node().await?;
    cluster.wait_available(2).await?;
    Ok((cluster, first))
}

/// The leader reads the row of a draining node and stands still while the drain is
/// cancelled: what it does afterwards does not seal the node again.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_drain_is_not_begun_again_by_who_saw_it_before() -> Result<()> {
    let (cluster, node) = stalled("manager::stall_before_seal=1*return(4000)").await?;
    let id = cluster.nodes[node].id.clone();
    cluster.ask(&["drain", "--node", &id]).await?;
    // The leader checks drains every second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.ask(&["drain", "--node", &id, "--cancel"]).await?;
    let seals = |log: &str| log.matches("\"message\":\"seal\"").count();
    wait::until(SOON, async || {
        let log = cluster.node(node)?.log();
        ensure!(seals(&log) >= 3, "the leader has not acted yet: {log}");
        Ok(())
    })
    .await?;
    wait::until(SOON, async || {
        let status = cluster.client()?.status().await?;
        let state = status.node(&id).map(|node| node.state);
        ensure!(state == Some(NodeState::Available), "{state:?}");
        Ok(())
    })
    .await
}

/// A node is sealed while its records are being counted, and a file that was placed on
/// it after they were counted is still on its way: the drain is not reported as done.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_counted_after_the_node_was_looked_at() -> Result<()> {
    let stalls = [
        "manager::stall_before_seal=1*return(9000)",
        "manager::stall_in_order=1*return(4000)",
        "manager::stall_after_records=1*return(6000)",
        "manager::stall_before_finish=2*return(8000)",
    ];
    let (cluster, node) = stalled(&stalls.join(";")).await?;
    let id = cluster.nodes[node].id.clone();
    let client = cluster.client()?;
    let pause = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
    let order = ["drain", "--node", &id];
    let order = cluster.ask(&order);
    let look = async {
        pause(1).await;
        cluster.ask(&["drains"]).await
    };
    let uploads = async {
        pause(2).await;
        // Each node gets one.
        tokio::try_join!(client.put("a", "first"), client.put("b", "second"))
    };
    let (order, look, uploads) = tokio::join!(order, look, uploads);
    order?;
    let told = look?.1;
    ensure!(told.contains(&format!("{id} sealed=false")), "{told}");
    uploads?;
    cluster.wait_drained(&id, SOON).await?;
    for (name, content) in [("a", "first"), ("b", "second")] {
        ensure!(client.get(name).await?.bytes().await? == content, "{name}");
    }
    Ok(())
}

/// The line of a node's drain, as `/status` shows it.
async fn drain_of(cluster: &Cluster, node: &str) -> Result<Drain> {
    let status = cluster.client()?.status().await?;
    let line = status.drains.into_iter().find(|line| line.node == node);
    line.with_context(|| format!("no drain of {node}"))
}

/// Three nodes with 40 files each, moved at 10 a second.
async fn slow_cluster() -> Result<Cluster> {
    let cluster = Cluster::start_with(Options {
        manager_args: ["--move-files-per-second", "10"]
            .map(str::to_owned)
            .to_vec(),
        ..Options::default()
    })
    .await?;
    for i in 0..120 {
        let name = format!("f{i}");
        cluster.client()?.put(&name, format!("content {i}")).await?;
    }
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn drains_are_listed_with_what_is_left_the_rate_and_the_end() -> Result<()> {
    let cluster = slow_cluster().await?;
    let (_, none) = cluster.ask(&["drains"]).await?;
    ensure!(none.trim() == "0 drains", "{none}");
    cluster.ask(&["drain", "--node", "node-2"]).await?;
    wait::until(SOON, async || {
        let line = drain_of(&cluster, "node-2").await?;
        let left = line.files_left.unwrap();
        let rate = line.rate;
        ensure!(left < 40 && (2.0..30.0).contains(&rate), "{line:?}");
        let seconds = line.seconds_left.context("no end")?;
        ensure!((seconds - left as f64 / rate).abs() <= 1.0, "{line:?}");
        ensure!(line.holds.is_none(), "{line:?}");
        Ok(())
    })
    .await?;
    let (_, told) = cluster.ask(&["drains"]).await?;
    for part in [
        "node-2 sealed=true files-left=",
        "seconds-left=",
        "1 drains",
    ] {
        ensure!(told.contains(part), "{told}");
    }
    cluster.wait_drained("node-2", SOON).await?;
    let line = drain_of(&cluster, "node-2").await?;
    ensure!(line.files_left == Some(0), "it stays listed: {line:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_while_draining_keeps_its_records_and_goes_on() -> Result<()> {
    let mut cluster = slow_cluster().await?;
    let client = cluster.client()?;
    cluster.ask(&["drain", "--node", "node-2"]).await?;
    wait::until(SOON, async || {
        ensure!(cluster.tree(1)?.files.len() < 35, "it has not begun");
        Ok(())
    })
    .await?;
    cluster.kill_node(1).await?;
    let left: Vec<String> = cluster.tree(1)?.files.into_keys().collect();
    ensure!(left.len() > 5, "{left:?}");
    wait::until(SOON, async || {
        let line = drain_of(&cluster, "node-2").await?;
        let holds = line.holds.as_deref().unwrap_or_default();
        ensure!(holds.contains("unavailable"), "{line:?}");
        ensure!(line.files_left.is_none(), "not guessed: {line:?}");
        Ok(())
    })
    .await?;
    let (_, told) = cluster.ask(&["drains"]).await?;
    ensure!(told.contains("holds: the node is unavailable"), "{told}");
    ensure!(names(&client).await?.len() == 120, "no record went");
    refused(client.get(&left[3]).await, Code::FileUnavailable)?;
    // The order outlives the manager too.
    cluster.kill_manager().await?;
    cluster.start_manager().await?;
    cluster.start_node(1).await?;
    cluster.wait_drained("node-2", SOON).await?;
    for i in 0..120 {
        let body = client.get(&format!("f{i}")).await?.bytes().await?;
        ensure!(body == format!("content {i}"), "f{i}");
    }
    cluster.wait_fsck_clean(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_of_an_absent_node_begins_when_it_is_back() -> Result<()> {
    let mut cluster = slow_cluster().await?;
    let client = cluster.client()?;
    cluster.kill_node(1).await?;
    wait::until(SOON, async || {
        let status = client.status().await?;
        ensure!(status.available() == 2, "{status:?}");
        Ok(())
    })
    .await?;
    let unknown = cluster.ask(&["drain", "--node", "node-9"]).await;
    let told = format!("{:#}", unknown.unwrap_err());
    ensure!(told.contains("there is no node node-9"), "{told}");
    let (_, told) = cluster.ask(&["drain", "--node", "node-2"]).await?;
    for part in ["sealed=false", "records-left=40", "holds: the node is"] {
        ensure!(told.contains(part), "{told}");
    }
    let cancel = cluster
        .ask(&["drain", "--node", "node-2", "--cancel"])
        .await;
    let told = format!("{:#}", cancel.unwrap_err());
    ensure!(told.contains("unavailable"), "{told}");
    cluster.start_node(1).await?;
    cluster.wait_drained("node-2", SOON).await?;
    for i in 120..150 {
        client.put(&format!("f{i}"), "x").await?;
    }
    ensure!(cluster.tree(1)?.files.is_empty(), "it takes nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_are_drained_at_once_only_where_all_of_it_fits() -> Result<()> {
    let mut cluster = Cluster::start_with(Options {
        nodes: 0,
        manager_args: ["--move-files-per-second", "4"].map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await?;
    for capacity in ["1600KiB", "1600KiB", "100MiB", "100MiB"] {
        let index = cluster.new_node()?;
        cluster.nodes[index].args = ["--capacity", capacity].map(str::to_owned).to_vec();
        cluster.start_node(index).await?;
    }
    cluster.wait_available(4).await?;
    let client = cluster.client()?;
    for i in 0..40 {
        let data = content::bytes(i, 100_000);
        client.put(&format!("f{i}"), data).await?;
    }
    let told = |status: &Status| {
        let free = |id: &str| status.node(id).map_or(0, |node| node.free);
        free("node-1") < 700 << 10 && free("node-2") < 700 << 10
    };
    cluster
        .wait_status("what is free by now", SOON, told)
        .await?;
    // Each of the two would fit, both together do not.
    let both = cluster.ask(&["drain", "--node", "node-3,node-4"]).await;
    let told = format!("{:#}", both.unwrap_err());
    ensure!(
        told.contains("node-3, node-4") && told.contains("bytes short"),
        "{told}"
    );
    let (_, told) = cluster.ask(&["drains"]).await?;
    ensure!(told.trim() == "0 drains", "{told}");
    cluster.ask(&["drain", "--node", "node-4"]).await?;
    let second = cluster.ask(&["drain", "--node", "node-3"]).await;
    let told = format!("{:#}", second.unwrap_err());
    ensure!(
        told.contains("bytes short"),
        "the first one counts too: {told}"
    );

    let index = cluster.add_node().await?;
    cluster.wait_available(4).await?;
    let (_, told) = cluster.ask(&["drain", "--node", "node-3,node-4"]).await?;
    ensure!(told.matches("sealed=true").count() == 2, "{told}");
    for node in ["node-3", "node-4"] {
        cluster.wait_drained(node, SOON).await?;
    }
    for i in 0..40 {
        let body = client.get(&format!("f{i}")).await?.bytes().await?;
        ensure!(body == content::bytes(i, 100_000), "f{i}");
    }
    ensure!(cluster.tree(index)?.files.len() > 10, "the fifth took most");
    cluster
        .ask(&["drain", "--node", "node-3,node-4", "--cancel"])
        .await?;
    let (_, told) = cluster.ask(&["drains"]).await?;
    ensure!(told.trim() == "0 drains", "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drains_that_are_ordered_at_once_leave_a_node_for_the_files() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    cluster.client()?.put("a", "1").await?;
    for round in 0..3 {
        let order = async |node: &str| {
            let drain = ["drain", "--node", node];
            matches!(cluster.ask(&drain).await, Ok((0, _)))
        };
        let ordered = tokio::join!(order("node-1"), order("node-2"), order("node-3"));
        ensure!(ordered != (true, true, true), "round {round}");
        let name = format!("b{round}");
        cluster.client()?.put(&name, "1").await?;
        for (node, is) in ["node-1", "node-2", "node-3"]
            .iter()
            .zip([ordered.0, ordered.1, ordered.2])
        {
            if is {
                cluster.ask(&["drain", "--node", node, "--cancel"]).await?;
            }
        }
    }
    Ok(())
}

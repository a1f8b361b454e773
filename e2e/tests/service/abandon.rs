//! A node that is lost for good is abandoned only by an order that names the
//! number of files this costs, and the order removes no byte (invariants 7, 8).

use anyhow::{Result, ensure};
use client::{Code, Status};
use e2e::cluster::{Cluster, SOON};
use e2e::library::{names, refused};
use e2e::wait;

async fn fails(cluster: &Cluster, args: &[&str], why: &str) -> Result<()> {
    let told = format!("{:#}", cluster.ask(args).await.unwrap_err());
    ensure!(told.contains(why), "{args:?}: {told}");
    Ok(())
}

/// Three nodes with ten files each, the third of them lost.
async fn with_a_lost_node() -> Result<(Cluster, String)> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client()?;
    for i in 0..30 {
        client.put(&format!("f{i}"), format!("content {i}")).await?;
    }
    let volume = cluster.volume_of("node-3").await?;
    let alive = ["abandon", "--node", "node-3", "--volume", &volume];
    fails(&cluster, &alive, "alive").await?;
    cluster.kill_node(2).await?;
    cluster.wait_available(2).await?;
    Ok((cluster, volume))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_given_up_only_by_the_number_of_files_it_costs() -> Result<()> {
    let (cluster, volume) = with_a_lost_node().await?;
    let client = cluster.client()?;
    let lost: Vec<String> = cluster.tree(2)?.files.into_keys().collect();
    ensure!(lost.len() == 10);

    let other = "00000000-0000-4000-8000-000000000000";
    let wrong = ["abandon", "--node", "node-3", "--volume", other];
    fails(&cluster, &wrong, "has volume").await?;
    let (code, told) = cluster
        .ask(&["abandon", "--node", "node-3", "--volume", &volume])
        .await?;
    ensure!(code == 1 && told.contains("costs 10 files"), "{told}");
    ensure!(told.contains("--lose-files 10"), "{told}");
    let mut order = vec!["abandon", "--node", "node-3", "--volume", &volume];
    order.extend(["--lose-files", "9"]);
    fails(&cluster, &order, "10 files would be lost, not 9").await?;
    // So far nothing has changed.
    ensure!(names(&client).await?.len() == 30);
    refused(client.get(&lost[0]).await, Code::FileUnavailable)?;

    *order.last_mut().unwrap() = "10";
    let (code, told) = cluster.ask(&order).await?;
    ensure!(code == 0 && told.contains("given up: 10 files"), "{told}");
    ensure!(names(&client).await?.len() == 20);
    let status = client.status().await?;
    ensure!(status.nodes.len() == 2 && status.files == 20, "{status:?}");
    refused(client.get(&lost[0]).await, Code::FileDoesNotExist)?;
    client.put(&lost[0], "another").await?;
    cluster.wait_fsck_clean(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_turns_up_again_loses_no_byte() -> Result<()> {
    let (mut cluster, volume) = with_a_lost_node().await?;
    let client = cluster.client()?;
    let lost: Vec<String> = cluster.tree(2)?.files.into_keys().collect();
    let order = ["abandon", "--node", "node-3", "--volume", &volume];
    let (code, _) = cluster
        .ask(&[&order[..], &["--lose-files", "10"]].concat())
        .await?;
    ensure!(code == 0);
    client.put(&lost[0], "another").await?;

    cluster.start_node(2).await?;
    let quarantined = |status: &Status| status.quarantined == 10;
    cluster
        .wait_status("its files in quarantine", SOON, quarantined)
        .await?;
    refused(client.get(&lost[1]).await, Code::FileDoesNotExist)?;
    let (code, told) = cluster.ask(&["quarantine", "adopt", "--all"]).await?;
    ensure!(code == 0, "{told}");
    ensure!(told.contains("9 adopted, 1 kept in quarantine"), "{told}");
    ensure!(client.get(&lost[0]).await?.bytes().await? == "another");
    for name in &lost[1..] {
        let number = name.trim_start_matches('f');
        let body = client.get(name).await?.bytes().await?;
        ensure!(body == format!("content {number}"), "{name}");
    }
    wait::until(SOON, async || {
        let (_, told) = cluster.ask(&["fsck"]).await?;
        ensure!(
            told.contains("1 differences"),
            "the kept copy alone: {told}"
        );
        Ok(())
    })
    .await
}

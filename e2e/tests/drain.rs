//! Draining a node: only what fits elsewhere, without losing a file.
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, SOON};
use e2e::{content, wait};

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_does_not_fit_is_refused_with_what_is_short() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let client = cluster.client();
    for i in 0..10 {
        let data = content::bytes(i, 100_000);
        client.put(&format!("f{i}"), data).await?.expect(201)?;
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
    // Refused, it still takes files.
    let status = client.status().await?;
    ensure!(
        status.node("node-1").unwrap().state == "available",
        "{status:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_is_empty_takes_nothing_and_opens_again() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    let client = cluster.client();
    for i in 0..90 {
        client
            .put(&format!("f{i}"), format!("content {i}"))
            .await?
            .expect(201)?;
    }
    let drain = ["drain", "--node", "node-2"];
    cluster.ask(&drain).await?;
    wait::until(SOON, async || {
        let (_, told) = cluster.ask(&drain).await?;
        let zero = ["files-left=0", "quarantined=0", "records-left=0"];
        ensure!(zero.iter().all(|zero| told.contains(zero)), "{told}");
        Ok(())
    })
    .await?;
    for i in 90..120 {
        client
            .put(&format!("f{i}"), format!("content {i}"))
            .await?
            .expect(201)?;
    }
    ensure!(cluster.tree(1)?.files.is_empty(), "it takes nothing");
    for i in 0..120 {
        let body = client.get(&format!("f{i}")).await?.expect(200)?.body;
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

//! A node that advertises another one's address is refused before it can do harm.

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, SOON};
use e2e::wait;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_advertises_anothers_address_is_refused_and_nothing_is_quarantined()
-> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    for i in 0..20 {
        let name = format!("file-{i}");
        client.put(&name, "content").await?;
    }
    let first = cluster.node(0)?.address("listen")?;
    let second = cluster.new_node()?;
    cluster.nodes[second].args = vec!["--advertise".to_owned(), first.to_string()];
    cluster.start_node(second).await?;
    let id = cluster.nodes[second].id.clone();
    // The node logs why, and names who answers there.
    wait::until(SOON, async || {
        let log = cluster.node(second)?.log();
        let names = ["not joined", "node-1", id.as_str(), "--advertise"];
        ensure!(names.iter().all(|name| log.contains(name)), "{log}");
        Ok(())
    })
    .await?;
    let status = client.status().await?;
    ensure!(status.available() == 1, "{status:?}");
    ensure!(cluster.tree(0)?.files.len() == 20, "all files are in place");
    for i in 0..20 {
        client.get(&format!("file-{i}")).await?.bytes().await?;
    }
    // With its own address it joins.
    cluster.kill_node(second).await?;
    cluster.nodes[second].args.clear();
    cluster.start_node(second).await?;
    cluster.wait_available(2).await?;
    cluster.wait_fsck_clean(SOON).await
}

//! Bytes without a record are kept aside, never served, and adopted or removed
//! only on a person's word (rule 11, invariant 8).

use anyhow::{Context, Result, ensure};
use client::{Code, Status};
use e2e::cluster::{Cluster, SOON};
use e2e::library::{names, refused};
use e2e::older_store::{
    all_ten_are_in_quarantine, restart, set_back, with_an_older_store, with_an_older_store_and,
};
use e2e::{content, wait};
use std::time::Duration;

/// The first adoption stands still after it wrote the record, before it moves the bytes.
const STALLS: &str = "manager::stall_in_adopt=1*return(5000)";

/// The flags that name the copy of a file, as `quarantine list` prints them.
async fn flags_of(cluster: &Cluster, name: &str) -> Result<Vec<String>> {
    let (_, out) = cluster.ask(&["quarantine", "list"]).await?;
    let wanted = format!("name=\"{name}\"");
    let line = out.lines().find(|line| line.contains(&wanted));
    let line = line.with_context(|| format!("no {name} in {out}"))?;
    Ok(line.split_whitespace().take(6).map(str::to_owned).collect())
}

/// Runs a `quarantine` command on a copy; gives exit status and stdout.
async fn order(cluster: &Cluster, what: &str, flags: &[String]) -> Result<(i32, String)> {
    let flags = flags.iter().map(String::as_str);
    let args: Vec<&str> = ["quarantine", what].into_iter().chain(flags).collect();
    cluster.ask(&args).await
}

/// Files in the trees that are served.
fn on_disk(cluster: &Cluster) -> Result<usize> {
    Ok(cluster.trees()?.iter().map(|tree| tree.files.len()).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_without_a_record_are_kept_aside_and_never_served() -> Result<()> {
    let cluster = with_an_older_store().await?;
    let client = cluster.client()?;
    for i in 0..10 {
        let old = client.get(&format!("old{i}")).await?.bytes().await?;
        ensure!(old == content::bytes(i, 100));
        refused(client.get(&format!("new{i}")).await, Code::FileDoesNotExist)?;
    }
    ensure!(names(&client).await?.len() == 10);
    let (code, out) = cluster.ask(&["fsck"]).await?;
    ensure!(code == 1 && out.contains("new0"), "{out}");
    let served = on_disk(&cluster)?;
    ensure!(served == 10, "quarantine lies beside data/: {served}");
    // The name is free for others.
    client.put("new0", "another").await?;
    ensure!(client.get("new0").await?.bytes().await? == "another");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adopts_or_removes_what_is_in_quarantine() -> Result<()> {
    let cluster = with_an_older_store().await?;
    let client = cluster.client()?;
    let adopt = flags_of(&cluster, "new3").await?;
    let (code, out) = order(&cluster, "adopt", &adopt).await?;
    ensure!(code == 0, "{out}");
    let back = client.get("new3").await?.bytes().await?;
    ensure!(back == content::bytes(103, 100));
    for i in (0..10).filter(|i| *i != 3) {
        let remove = flags_of(&cluster, &format!("new{i}")).await?;
        let (code, out) = order(&cluster, "remove", &remove).await?;
        ensure!(code == 0, "{out}");
    }
    let (_, left) = cluster.ask(&["quarantine", "list"]).await?;
    ensure!(left.trim().is_empty(), "{left}");
    cluster.wait_fsck_clean(SOON).await?;
    let mut names: Vec<String> = (0..10).map(|i| format!("old{i}")).collect();
    names.push("new3".to_owned());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    cluster.wait_only(&names).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_whose_move_to_quarantine_was_not_flushed_count_on() -> Result<()> {
    let mut cluster = set_back().await?;
    for node in &mut cluster.nodes {
        let fails = ("FAILPOINTS", "node::fail_dir_flush=return");
        node.env = vec![(fails.0.to_owned(), fails.1.to_owned())];
    }
    restart(&mut cluster).await?;
    let all = |status: &Status| {
        let files: u64 = status.nodes.iter().map(|node| node.files).sum();
        files + status.quarantined
    };
    let read_only = |status: &Status| status.nodes.iter().all(|node| node.read_only);
    let status = cluster
        .wait_status("both are read-only", SOON, read_only)
        .await?;
    ensure!(all(&status) == 20, "{status:?}");
    // The merges are tried again, and change nothing.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = cluster.client()?.status().await?;
    ensure!(all(&status) == 20, "{status:?}");
    for index in 0..2 {
        cluster.nodes[index].env.clear();
        cluster.kill_node(index).await?;
        cluster.start_node(index).await?;
    }
    all_ten_are_in_quarantine(&cluster).await?;
    for i in 0..10 {
        cluster
            .client()?
            .get(&format!("old{i}"))
            .await?
            .bytes()
            .await?;
    }
    Ok(())
}

/// Of two orders to adopt one copy, one moves the bytes and the other finds them
/// there: neither removes the record, and both succeed.
#[tokio::test(flavor = "multi_thread")]
async fn two_orders_to_adopt_one_copy_end_well() -> Result<()> {
    let cluster = with_an_older_store_and(STALLS).await?;
    let adopt = flags_of(&cluster, "new3").await?;
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        order(&cluster, "adopt", &adopt).await
    };
    let (first, second) = tokio::join!(order(&cluster, "adopt", &adopt), second);
    for (code, out) in [first?, second?] {
        ensure!(code == 0, "{out}");
    }
    let back = cluster.client()?.get("new3").await?.bytes().await?;
    ensure!(back == content::bytes(103, 100));
    Ok(())
}

/// A file that is deleted while its bytes are being adopted does not come back, and
/// the bytes stay in quarantine.
#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_that_a_delete_overtook_brings_no_bytes() -> Result<()> {
    let cluster = with_an_older_store_and(STALLS).await?;
    let client = cluster.client()?;
    let adopt = flags_of(&cluster, "new3").await?;
    let delete = wait::until(SOON, async || Ok(client.delete("new3").await?));
    let (adopted, deleted) = tokio::join!(order(&cluster, "adopt", &adopt), delete);
    deleted?;
    let why = format!("{:#}", adopted.err().context("it was adopted")?);
    ensure!(why.contains("the copy was deleted"), "{why}");
    refused(client.get("new3").await, Code::FileDoesNotExist)?;
    let served = on_disk(&cluster)?;
    ensure!(served == 10, "it is in no tree: {served}");
    flags_of(&cluster, "new3").await.map(drop)
}

//! The scrub finds what is corrupt, which is reported and kept, and not served.

use anyhow::{Result, ensure};
use client::{Code, Scrub};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::library::refused;
use e2e::tree::flip;
use e2e::wire::encode_name;
use e2e::{content, wait};
use http::Request;

async fn start(scrub: &[&str]) -> Result<Cluster> {
    Cluster::start_with(Options {
        nodes: 2,
        node_args: scrub.iter().map(|&arg| arg.to_owned()).collect(),
        ..Options::default()
    })
    .await
}

const ALL_THE_TIME: [&str; 4] = ["--scrub-every", "1s", "--scrub-bytes-per-second", "100MiB"];

async fn fill(cluster: &Cluster, files: u64) -> Result<()> {
    for i in 0..files {
        let data = content::bytes(i, 1000 + i as usize);
        let name = format!("f{i}");
        cluster.client()?.put(&name, data).await?;
    }
    Ok(())
}

/// The node that holds a file.
fn holder(cluster: &Cluster, name: &str) -> Result<usize> {
    for index in 0..cluster.nodes.len() {
        if cluster.tree(index)?.files.contains_key(name) {
            return Ok(index);
        }
    }
    anyhow::bail!("nobody holds {name}")
}

async fn wait_corrupt(cluster: &Cluster, names: &[&str]) -> Result<()> {
    wait::until(SOON, async || {
        let status = cluster.client()?.status().await?;
        let corrupt = &status.corrupt;
        ensure!(corrupt.files == names.len() as u64, "{corrupt:?}");
        ensure!(corrupt.names == names, "{corrupt:?}");
        Ok(())
    })
    .await
}

async fn ask_in_every_way(
    cluster: &Cluster,
    name: &str,
    outcome: (u16, Option<u64>),
) -> Result<()> {
    let client = cluster.wire();
    let answer = client.get(name).await?;
    ensure!(answer.outcome() == outcome, "GET: {answer:?}");
    let path = format!("/file/{}", encode_name(name));
    let part = Request::get(&path).header("range", "bytes=0-9");
    let answer = client.send(part.body(bytes::Bytes::new().into())?).await?;
    ensure!(
        answer.status == outcome.0 || (outcome.0 == 200 && answer.status == 206),
        "a part of it: {answer:?}"
    );
    let head = client.call(http::Method::HEAD, &path).await?;
    ensure!(head.status == outcome.0, "HEAD: {head:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_corrupt_is_told_by_name_kept_and_not_served() -> Result<()> {
    let mut cluster = start(&ALL_THE_TIME).await?;
    fill(&cluster, 20).await?;
    wait_corrupt(&cluster, &[]).await?;
    let index = holder(&cluster, "f7")?;
    let path = cluster.tree(index)?.files["f7"].clone();
    flip(&path)?;
    wait_corrupt(&cluster, &["f7"]).await?;
    ask_in_every_way(&cluster, "f7", (503, Some(4))).await?;
    ask_in_every_way(&cluster, "f8", (200, None)).await?;
    let (code, told) = cluster.ask(&["fsck"]).await?;
    ensure!(code == 1 && told.contains("corrupt-file"), "{told}");
    ensure!(
        told.contains("\"f7\"") && told.contains("1 differences"),
        "{told}"
    );
    for (ops, line) in [
        (cluster.ops(), "dfs_manager_corrupt_files 1"),
        (cluster.ops(), "dfs_manager_corrupt_file{name=\"f7\",node="),
        (
            cluster.node(index)?.address("metrics")?,
            "corrupt_files{node=",
        ),
    ] {
        let ops = e2e::wire::Client::new(ops);
        let metrics = ops.call(http::Method::GET, "/metrics").await?.expect(200)?;
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        let found = text.lines().find(|l| l.contains(line) && l.ends_with(" 1"));
        ensure!(found.is_some(), "no {line} of 1");
    }
    ensure!(path.is_file(), "it is kept");

    // The corruption is known right after a restart, without a scrub.
    cluster.kill_node(index).await?;
    cluster.nodes[index].args = ["--scrub-bytes-per-second", "0"]
        .map(str::to_owned)
        .to_vec();
    cluster.options.node_args.clear();
    cluster.start_node(index).await?;
    cluster.wait_available(2).await?;
    ask_in_every_way(&cluster, "f7", (503, Some(4))).await?;

    // The right bytes come back: a scrub finds the file whole.
    flip(&path)?;
    cluster.kill_node(index).await?;
    cluster.nodes[index].args = ALL_THE_TIME.map(str::to_owned).to_vec();
    cluster.start_node(index).await?;
    wait::until(SOON, async || {
        let body = cluster.client()?.get("f7").await?.bytes().await?;
        ensure!(body == content::bytes(7, 1007));
        Ok(())
    })
    .await?;
    wait_corrupt(&cluster, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_file_can_be_deleted_and_holds_up_a_drain_until_then() -> Result<()> {
    let cluster = start(&ALL_THE_TIME).await?;
    fill(&cluster, 20).await?;
    let index = holder(&cluster, "f3")?;
    flip(&cluster.tree(index)?.files["f3"])?;
    wait_corrupt(&cluster, &["f3"]).await?;
    let node = cluster.nodes[index].id.clone();
    let drain = ["drain", "--node", &node];
    cluster.ask(&drain).await?;
    wait::until(SOON, async || {
        let (_, told) = cluster.ask(&drain).await?;
        ensure!(told.contains("files-left=1 "), "{told}");
        ensure!(
            told.contains("holds: 1 files can't move, they are corrupt (f3)"),
            "{told}"
        );
        Ok(())
    })
    .await?;
    cluster.client()?.delete("f3").await?;
    wait_corrupt(&cluster, &[]).await?;
    wait::until(SOON, async || {
        let (_, told) = cluster.ask(&drain).await?;
        ensure!(
            told.contains("files-left=0") && !told.contains("holds"),
            "{told}"
        );
        Ok(())
    })
    .await?;
    cluster.wait_fsck_clean(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_meets_corrupt_bytes_reports_them() -> Result<()> {
    let cluster = start(&["--scrub-bytes-per-second", "0"]).await?;
    let data = content::bytes(1, 300_000);
    cluster.client()?.put("large", data).await?;
    fill(&cluster, 4).await?;
    for name in ["large", "f1"] {
        flip(&cluster.tree(holder(&cluster, name)?)?.files[name])?;
    }
    refused(cluster.client()?.get("f1").await, Code::FileUnavailable)?;
    let large = cluster.client()?.get("large").await?.bytes().await;
    ensure!(large.is_err(), "broken off before its last bytes");
    wait_corrupt(&cluster, &["f1", "large"]).await?;
    ask_in_every_way(&cluster, "large", (503, Some(4))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_goes_on_where_a_restart_stopped_it() -> Result<()> {
    // 16 files a second, since each file has a cost beside its bytes.
    let mut cluster = start(&["--scrub-bytes-per-second", "256KiB"]).await?;
    fill(&cluster, 300).await?;
    let scrub = async |cluster: &Cluster| -> Result<Scrub> {
        let status = cluster.client()?.status().await?;
        Ok(status.node("node-1").unwrap().scrub.clone())
    };
    cluster.kill_node(0).await?;
    let journal = cluster.nodes[0].folder.join("scrub.json");
    // The pass over the empty tree of the first start is no use here.
    std::fs::remove_file(&journal).ok();
    cluster.start_node(0).await?;
    cluster.wait_available(2).await?;
    let before = wait::until(SOON, async || {
        let scrub = scrub(&cluster).await?;
        ensure!(scrub.done > 0.3, "{scrub:?}");
        Ok(scrub)
    })
    .await?;
    ensure!(before.ended.is_none(), "{before:?}");
    cluster.stop().await?;
    cluster.start_manager().await?;
    for index in 0..2 {
        cluster.start_node(index).await?;
    }
    cluster.wait_available(2).await?;
    let after = scrub(&cluster).await?;
    ensure!(after.begun == before.begun, "{before:?} {after:?}");
    ensure!(after.done >= before.done, "{before:?} {after:?}");
    let ended = wait::until(SOON, async || {
        let scrub = scrub(&cluster).await?;
        ensure!(scrub.ended.is_some(), "{scrub:?}");
        Ok(scrub)
    })
    .await?;
    let read = ended.files;
    ensure!(read < 130, "it read {read} of 150 files again");
    Ok(())
}

//! A full disk is not a target: uploads go to the others, and when none has
//! room the answer is code 8, while reads and deletes still work.

use anyhow::{Result, ensure};
use client::Code;
use e2e::cluster::{Cluster, Options, SOON};
use e2e::library::refused;
use e2e::wire::Route;
use e2e::{content, wait};
use std::path::{Path, PathBuf};
use std::process::Command;

/// More than any disk has: the node is full, and no root is needed to fill its disk.
const ALL: [&str; 2] = ["--reserve", "1000TiB"];

async fn with_reserve(cluster: &mut Cluster, index: usize, args: &[&str]) -> Result<()> {
    if cluster.nodes[index].process.is_some() {
        cluster.kill_node(index).await?;
    }
    cluster.nodes[index].args = args.iter().map(|&arg| arg.to_owned()).collect();
    cluster.start_node(index).await
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_go_to_the_nodes_that_have_room() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    with_reserve(&mut cluster, 0, &ALL).await?;
    cluster.wait_available(2).await?;
    for i in 0..30 {
        client.put(&format!("f{i}"), "x").await?;
    }
    let counts: Vec<usize> = cluster
        .trees()?
        .iter()
        .map(|tree| tree.files.len())
        .collect();
    ensure!(counts == [0, 30], "{counts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_has_room_uploads_are_code_8_and_reads_and_deletes_work() -> Result<()> {
    let mut cluster = Cluster::start(2).await?;
    let client = cluster.client()?;
    for i in 0..20 {
        client.put(&format!("f{i}"), "x").await?;
    }
    for index in 0..2 {
        with_reserve(&mut cluster, index, &ALL).await?;
    }
    cluster.wait_available(2).await?;
    for route in Route::ALL {
        let answer = cluster.wire().upload(route, "g", "x").await?;
        ensure!(answer.outcome() == (507, Some(8)), "{route:?} {answer:?}");
        ensure!(answer.json()?["message"] == "Insufficient storage");
    }
    for i in 0..20 {
        client.get(&format!("f{i}")).await?.bytes().await?;
    }
    for i in 0..10 {
        client.delete(&format!("f{i}")).await?;
    }
    with_reserve(&mut cluster, 1, &[]).await?;
    cluster.wait_available(2).await?;
    client.put("g", "x").await?;
    Ok(())
}

/// A small file system, if this test is run by root; unmounted at the end.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).ok()?;
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder);
        let done = command.output().ok()?;
        done.status.success().then(|| Self(folder.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_refuses_and_recovers_after_deletes() -> Result<()> {
    let node_args = ["--reserve", "1MiB"].map(str::to_owned).to_vec();
    let mut cluster = Cluster::prepare(Options {
        nodes: 0,
        node_args,
        ..Options::default()
    })?;
    cluster.start_manager().await?;
    let index = cluster.new_node()?;
    let Some(_small) = Small::mount(&cluster.nodes[index].folder, "48m") else {
        eprintln!("not root, or no tmpfs: the reserve stands for a full disk in the other tests");
        return Ok(());
    };
    cluster.start_node(index).await?;
    cluster.wait_available(1).await?;
    let client = cluster.client()?;
    let data = content::bytes(1, 3 << 20);
    let mut stored = 0;
    // The loop ends when the disk is full: its size is sixteen files of 3 MiB.
    let full = loop {
        let stores = client.put(&format!("f{stored}"), data.clone()).await;
        if stores.is_err() {
            break stores;
        }
        stored += 1;
        ensure!(stored <= 16, "{stored} files of 3 MiB on 48 MiB");
    };
    refused(full, Code::InsufficientStorage)?;
    ensure!(stored >= 10, "only {stored} files of 3 MiB on 48 MiB");
    // The answer may come while the body is still being sent, and be lost.
    let known = client.put("known", content::bytes(2, 100 << 20)).await;
    let code = known.as_ref().err().and_then(client::Error::code);
    ensure!(known.is_err() && code.is_none_or(|code| code == Code::InsufficientStorage));
    for route in Route::ALL {
        // The size of this upload is not known before its end.
        let pieces: Vec<_> = route
            .pieces("unknown", &content::bytes(3, 60 << 20))
            .concat()
            .chunks(1 << 20)
            .map(|c| Ok(bytes::Bytes::copy_from_slice(c)))
            .collect();
        let body = e2e::wire::Body::stream(futures::stream::iter(pieces));
        let answer = cluster
            .wire()
            .send(route.request_with("unknown", body)?)
            .await;
        if let Ok(answer) = answer {
            ensure!(answer.outcome() == (507, Some(8)), "{route:?} {answer:?}");
        }
    }
    for i in 0..stored {
        ensure!(
            client.get(&format!("f{i}")).await?.bytes().await? == data,
            "f{i}"
        );
    }
    for i in 0..stored / 2 {
        client.delete(&format!("f{i}")).await?;
    }
    wait::until(SOON, async || Ok(client.put("again", data.clone()).await?)).await?;
    ensure!(client.get("again").await?.bytes().await? == data);
    let mut names: Vec<String> = (stored / 2..stored).map(|i| format!("f{i}")).collect();
    names.push("again".to_owned());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    cluster.wait_only(&names).await?;
    drop(cluster);
    Ok(())
}

/// A service of one node on a file system of 100 MiB; None unless run by root.
async fn on_a_small_disk() -> Result<Option<(Cluster, Small)>> {
    let node_args = ["--reserve", "4MiB"].map(str::to_owned).to_vec();
    let mut cluster = Cluster::prepare(Options {
        nodes: 0,
        node_args,
        ..Options::default()
    })?;
    cluster.start_manager().await?;
    let index = cluster.new_node()?;
    let Some(small) = Small::mount(&cluster.nodes[index].folder, "100m") else {
        eprintln!("not root, or no tmpfs: node/src/disk/space.rs has the same in small");
        return Ok(None);
    };
    cluster.start_node(index).await?;
    cluster.wait_available(1).await?;
    Ok(Some((cluster, small)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_unknown_size_may_take_more_than_half_of_the_room() -> Result<()> {
    let Some((cluster, _small)) = on_a_small_disk().await? else {
        return Ok(());
    };
    let client = cluster.client()?;
    let data = content::bytes(1, 60 << 20);
    let pieces: Vec<_> = data
        .chunks(1 << 20)
        .map(bytes::Bytes::copy_from_slice)
        .collect();
    let free = async || -> Result<u64> { Ok(client.status().await?.nodes[0].free) };
    let before = free().await?;
    // Sent slowly enough for the node's figures to be read anew meanwhile.
    let body = futures::stream::unfold(pieces.into_iter(), |mut pieces| async move {
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        Some((Ok(pieces.next()?), pieces))
    });
    let body = e2e::wire::Body::stream(body);
    let wire = cluster.wire();
    let upload = wire.send(Route::Put.request_with("a", body)?);
    tokio::pin!(upload);
    let mut least = before;
    let answer = loop {
        tokio::select! {
            answer = &mut upload => break answer?,
            now = free() => least = least.min(now?),
        }
    };
    answer.expect(201)?;
    // The bytes must not be counted twice, as claimed and as written.
    ensure!(
        least > 28 << 20,
        "{} MiB were left of {}",
        least >> 20,
        before >> 20
    );
    ensure!(client.get("a").await?.bytes().await? == data);
    drop(cluster);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upload_announces_and_does_not_send_keeps_no_room_from_others() -> Result<()> {
    use tokio::io::AsyncWriteExt;
    let Some((cluster, _small)) = on_a_small_disk().await? else {
        return Ok(());
    };
    let client = cluster.client()?;
    let mut held = Vec::new();
    for number in 0..3 {
        let mut stream = tokio::net::TcpStream::connect(cluster.http()).await?;
        let length = 90 << 20;
        let head = format!(
            "PUT /file/h{number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&content::bytes(1, 1 << 20)).await?;
        held.push(stream);
    }
    let metrics = e2e::wire::Client::new(cluster.node(0)?.address("metrics")?);
    wait::until(SOON, async || {
        let text = metrics.call(http::Method::GET, "/metrics").await?.body;
        let text = String::from_utf8_lossy(&text).into_owned();
        let open = text
            .lines()
            .find(|line| line.starts_with("dfs_node_open_creates"));
        ensure!(open.is_some_and(|line| line.ends_with(" 3")), "{open:?}");
        Ok(())
    })
    .await?;
    client.put("a", content::bytes(2, 5 << 20)).await?;
    client.put("b", "x").await?;
    drop(held);
    drop(cluster);
    Ok(())
}

/// Fills the free space of a file system, to the last byte.
fn fill_up(folder: &Path) -> Result<()> {
    let mut file = std::fs::File::create(folder.join("filler"))?;
    let piece = vec![0; 64 << 10];
    // It ends with "no space left".
    while std::io::Write::write_all(&mut file, &piece).is_ok() {}
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_disk_is_full_refuses_new_files_deletes_and_heals_by_itself() -> Result<()> {
    let mut cluster = Cluster::prepare(Options {
        nodes: 0,
        ..Options::default()
    })?;
    let Some(small) = Small::mount(&cluster.store(), "160m") else {
        eprintln!("not root, or no tmpfs: no disk of the store can be filled");
        return Ok(());
    };
    cluster.start_manager().await?;
    cluster.add_node().await?;
    cluster.wait_available(1).await?;
    let client = cluster.client()?;
    for i in 0..20 {
        client.put(&format!("f{i}"), "x").await?;
    }
    fill_up(&small.0)?;
    refused(client.put("g", "x").await, Code::InsufficientStorage)?;
    let status = client.status().await?;
    ensure!(status.store_full.is_some(), "{status:?}");
    client.get("f0").await?.bytes().await?;
    // The store gives up its ballast to make room for the delete.
    client.delete("f1").await?;
    // That room is taken too, and the manager starts with no room left at all.
    fill_up(&small.0.join("engine"))?;
    cluster.kill_manager().await?;
    cluster.start_manager().await?;
    cluster.wait_available(1).await?;
    client.get("f0").await?.bytes().await?;
    refused(client.put("g", "x").await, Code::InsufficientStorage)?;
    for filler in ["filler", "engine/filler"] {
        std::fs::remove_file(small.0.join(filler))?;
    }
    wait::until(SOON, async || Ok(client.put("g", "x").await?)).await?;
    client.delete("f2").await?;
    ensure!(cluster.manager.as_mut().is_some_and(|m| m.is_running()));
    drop(cluster);
    Ok(())
}

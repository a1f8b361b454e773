//! A whole download of corrupt bytes never ends as a success (invariant 3).

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, SOON};
use e2e::tree::flip;
use e2e::{content, raw, wait};
use http::Method;
use std::os::unix::fs::FileExt;

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_corrupt_bytes_never_ends_as_a_success() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    for (name, size) in [("small", 1000), ("medium", 60_000), ("large", 3 << 20)] {
        client.put(name, content::bytes(1, size)).await?;
        client.get(name).await?.bytes().await?;
        flip(&cluster.tree(0)?.files[name])?;
        for accept in ["*/*", "application/json"] {
            let request = format!(
                "GET /file/{name} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
            );
            let answer = raw::exchange(cluster.http(), request.as_bytes(), false, SOON).await;
            if let Ok(answer) = answer {
                let success = answer.status == 200 && answer.whole;
                ensure!(
                    !success,
                    "{name} {accept}: {} bytes as a success",
                    answer.body.len()
                );
            }
        }
    }
    client.put("other", "fine").await?;
    ensure!(client.get("other").await?.bytes().await? == "fine");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_never_served_as_whole() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    for (name, size) in [("small", 1000), ("large", 3 << 20)] {
        client.put(name, content::bytes(1, size)).await?;
        let path = cluster.tree(0)?.files[name].clone();
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .set_len(size as u64 / 2)?;
        let request =
            format!("GET /file/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw::exchange(cluster.http(), request.as_bytes(), false, SOON).await;
        if let Ok(answer) = answer {
            ensure!(answer.status != 200 || !answer.whole, "{name}: {answer:?}");
        }
    }
    Ok(())
}

/// Files whose length is wrong: their names, sizes, and what they are cut or grown to.
const LENGTHS: [(&str, usize, u64); 6] = [
    ("small, cut", 1000, 500),
    ("small, grown", 1000, 1500),
    ("one chunk, cut", 100_000, 99_999),
    ("one chunk, grown", 100_000, 100_001),
    ("large, cut", 3 << 20, 2 << 20),
    ("large, grown", 3 << 20, 4 << 20),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_length_is_refused_in_every_way_and_reported() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    for (name, size, length) in LENGTHS {
        let data = content::bytes(1, size);
        client.put(name, data).await?;
        let path = cluster.tree(0)?.files[name].clone();
        let file = std::fs::OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        for range in [None, Some("bytes=0-9"), Some("bytes=400-")] {
            let headers: Vec<_> = range.iter().map(|range| ("range", *range)).collect();
            let answer = cluster.wire().get_with(name, &headers).await?;
            ensure!(
                answer.outcome() == (503, Some(4)),
                "{name} {range:?}: {answer:?}"
            );
        }
        let head = cluster.wire().head_with(name, &[]).await?;
        ensure!(head.status == 503, "{name} HEAD: {head:?}");
    }
    wait::until(SOON, async || {
        let status = client.status().await?;
        ensure!(status.corrupt.files == LENGTHS.len() as u64, "{status:?}");
        Ok(())
    })
    .await?;
    // They are kept, and go only when they are deleted.
    for (name, ..) in LENGTHS {
        client.delete(name).await?;
    }
    cluster.wait_fsck_clean(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_download_of_a_corrupt_file_has_an_answer() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    for (name, size) in [("a", 1000), ("b", 100_000), ("c", 300_000), ("d", 3 << 20)] {
        client.put(name, content::bytes(1, size)).await?;
        let path = cluster.tree(0)?.files[name].clone();
        let file = std::fs::OpenOptions::new().write(true).open(path)?;
        file.write_all_at(b"another", size as u64 - 7)?;
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(format!("/file/{name}"))
            .body(bytes::Bytes::new().into())?;
        // Its head comes, whatever becomes of the body.
        let answer = cluster.wire().start(request).await?;
        let status = answer.status().as_u16();
        let wanted = if size > 256 << 10 { 200 } else { 503 };
        ensure!(status == wanted, "{name}: {status}");
    }
    Ok(())
}

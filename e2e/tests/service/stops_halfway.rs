//! A client that stops halfway leaves nothing behind, on every route.

use anyhow::Result;
use bytes::Bytes;
use e2e::cluster::{Cluster, Options, SOON};
use e2e::wire::Route;
use e2e::{content, raw, wait};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn impatient() -> Result<Cluster> {
    let manager_args = ["--body-idle-timeout", "2s"].map(str::to_owned).to_vec();
    Cluster::start_with(Options {
        nodes: 2,
        manager_args,
        ..Options::default()
    })
    .await
}

/// The request whose body stops after the given share of it.
fn part(route: Route, name: &str, data: &Bytes, percent: usize) -> Vec<u8> {
    let body = route.pieces(name, data).concat();
    let (method, path, kind) = route.head(name);
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &body[..length * percent / 100]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_nothing() -> Result<()> {
    let cluster = impatient().await?;
    for size in [1000, 3_000_000] {
        let data = content::bytes(1, size);
        for (i, route) in Route::ALL.into_iter().enumerate() {
            for percent in [0, 10, 50, 99] {
                let name = format!("half-{size}-{i}-{percent}");
                let mut stream = TcpStream::connect(cluster.http()).await?;
                stream
                    .write_all(&part(route, &name, &data, percent))
                    .await?;
                drop(stream);
            }
        }
    }
    cluster.wait_only(&[]).await?;
    // None of the names stayed reserved.
    let client = cluster.client()?;
    client.put("half-1000-0-50", "x").await?;
    cluster.wait_only(&["half-1000-0-50"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_falls_silent_is_ended_at_its_deadline() -> Result<()> {
    let cluster = impatient().await?;
    let data = content::bytes(1, 1_000_000);
    let mut streams = Vec::new();
    for (i, route) in Route::ALL.into_iter().enumerate() {
        for percent in [0, 50, 99] {
            let name = format!("silent-{i}-{percent}");
            let mut stream = TcpStream::connect(cluster.http()).await?;
            stream
                .write_all(&part(route, &name, &data, percent))
                .await?;
            streams.push((route, percent, stream));
        }
    }
    for (route, percent, mut stream) in streams {
        // An answer or just the end of the connection, but in time.
        let answer = wait::at_most(SOON, raw::read_answer(&mut stream)).await;
        let answer = answer.map_err(|e| e.context(format!("{route:?} {percent} %")))?;
        if let Ok(answer) = answer {
            assert!(
                matches!(answer.status, 400 | 408),
                "{route:?} {percent} %: {answer:?}"
            );
        }
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_upload_of_the_name_succeeds_after_the_first_stopped() -> Result<()> {
    let cluster = impatient().await?;
    let client = cluster.client()?;
    let data = content::bytes(1, 500_000);
    for (i, route) in Route::ALL.into_iter().enumerate() {
        let name = format!("again-{i}");
        let mut stream = TcpStream::connect(cluster.http()).await?;
        stream.write_all(&part(route, &name, &data, 60)).await?;
        let upload = client.put(&name, "second");
        wait::at_most(Duration::from_secs(20), upload).await??;
        drop(stream);
        assert_eq!(client.get(&name).await?.bytes().await?, "second");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_broken_off_disturbs_nobody() -> Result<()> {
    let cluster = impatient().await?;
    let client = cluster.client()?;
    let data = content::bytes(1, 8 << 20);
    client.put("large", data.clone()).await?;
    for _ in 0..50 {
        let mut stream = TcpStream::connect(cluster.http()).await?;
        stream
            .write_all(b"GET /file/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await?;
        drop(stream);
    }
    assert!(client.get("large").await?.bytes().await? == data);
    client.delete("large").await?;
    cluster.wait_only(&[]).await
}

//! The bounds of the REST API: past one, clients wait, then get code 9.
#![allow(clippy::unwrap_used)]

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::{content, raw, wait};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn bounded(flags: &[&str]) -> Result<Cluster> {
    let manager_args = flags.iter().map(|&flag| flag.to_owned()).collect();
    Cluster::start_with(Options {
        nodes: 1,
        manager_args,
        ..Options::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_the_bound_is_code_6_and_leaves_nothing() -> Result<()> {
    let cluster = bounded(&["--max-body-bytes", "64KiB"]).await?;
    let client = cluster.client();
    client
        .put("fits", content::bytes(1, 60_000))
        .await?
        .expect(201)?;
    for route in e2e::client::Route::ALL {
        let body = route.pieces("long", &content::bytes(1, 200_000)).concat();
        let (method, path, kind) = route.head("long");
        // With its length told, and without.
        let told = format!("Content-Length: {}", body.len());
        for framing in [told.as_str(), "Transfer-Encoding: chunked"] {
            let mut bytes = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
            )
            .into_bytes();
            if framing == told {
                bytes.extend(&body);
            } else {
                bytes.extend(format!("{:x}\r\n", body.len()).bytes());
                bytes.extend(&body);
                bytes.extend(b"\r\n0\r\n\r\n");
            }
            // A server that closes while it is still sent to may lose its answer.
            if let Ok(answer) = raw::exchange(cluster.http(), &bytes, false, SOON).await {
                ensure!(
                    matches!(answer.status, 400 | 413),
                    "{route:?} {framing}: {answer:?}"
                );
                ensure!(answer.code() == Some(6), "{route:?} {framing}: {answer:?}");
            }
        }
    }
    cluster.wait_only(&["fits"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_past_the_bound_wait_and_then_get_code_9() -> Result<()> {
    let cluster = bounded(&["--max-uploads", "2", "--max-wait", "1s"]).await?;
    let client = cluster.client();
    let mut held = Vec::new();
    for i in 0..2 {
        let mut stream = TcpStream::connect(cluster.http()).await?;
        let head =
            format!("PUT /file/held-{i} HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&[b'x'; 100_000]).await?;
        held.push(stream);
    }
    wait::until(SOON, async || {
        let begun = Instant::now();
        let answer = client.put("third", "x").await?;
        if answer.status == 201 {
            // The two were not under way yet.
            client.delete("third").await?.expect(204)?;
        }
        ensure!(answer.outcome() == (429, Some(9)), "{answer:?}");
        ensure!(answer.json()?["message"] == "Too many requests");
        ensure!(!answer.header("retry-after").is_empty(), "{answer:?}");
        ensure!(
            begun.elapsed() > Duration::from_millis(900),
            "it waits first"
        );
        Ok(())
    })
    .await?;
    // Reads go on meanwhile, and a place that is given up is taken.
    ensure!(client.get("third").await?.outcome() == (404, Some(2)));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.put("fourth", "x").await }
    });
    for stream in &mut held {
        stream.write_all(b"y").await?;
        ensure!(raw::read_answer(stream).await?.status == 201);
    }
    waiting.await??.expect(201)?;
    cluster.wait_only(&["fourth", "held-0", "held-1"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_long_or_too_slow_is_ended() -> Result<()> {
    let cluster = bounded(&["--max-header-bytes", "4KiB", "--header-timeout", "1s"]).await?;
    let long = format!(
        "GET /files HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "x".repeat(10_000)
    );
    if let Ok(answer) = raw::exchange(cluster.http(), long.as_bytes(), false, SOON).await {
        ensure!(answer.status == 431, "{answer:?}");
    }
    let mut slow = TcpStream::connect(cluster.http()).await?;
    slow.write_all(b"GET /files HTTP/1.1\r\nHo").await?;
    let begun = Instant::now();
    let answer = wait::at_most(SOON, raw::read_answer(&mut slow)).await?;
    ensure!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 408));
    ensure!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}

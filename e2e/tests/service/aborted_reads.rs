//! Clients that break off their downloads, however many, cost nobody else theirs,
//! and neither do clients that read to the end.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::cluster::Cluster;
use e2e::content;
use e2e::wire::{Body, Client, Route};
use http::Request;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than the HTTP/2 library tolerates on one connection: 1,024 streams that it reset.
const ABORTS: u64 = 1_500;
/// As many that are read to their end.
const WHOLE: u64 = 1_500;
const TASKS: usize = 16;

/// Reads the head and a bit of a file of some MiB, and closes the connection.
async fn abort_one(client: &Client) -> Result<()> {
    let mut stream = TcpStream::connect(client.address()).await?;
    stream
        .write_all(b"GET /file/middle HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut some = [0; 1024];
    let read = stream.read(&mut some).await?;
    ensure!(some[..read].starts_with(b"HTTP/1.1 200"), "an aborted GET");
    Ok(())
}

/// A large file at a few MiB a second.
async fn slow_download(client: &Client, wanted: &Bytes) -> Result<()> {
    let request = Request::get("/file/large").body(Body::from(Bytes::new()))?;
    let answer = client.start(request).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let (mut body, mut at) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        let data = frame.with_context(|| format!("broken off at {at}"))?;
        let data = data.into_data().unwrap_or_default();
        ensure!(data == wanted[at..at + data.len()], "other bytes at {at}");
        at += data.len();
        // The rate of a slow line, not a wait for anything.
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
    ensure!(at == wanted.len(), "{at} bytes");
    Ok(())
}

async fn slow_upload(client: &Client, number: u64, data: &Bytes) -> Result<()> {
    let pieces: Vec<Bytes> = data.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
    let paced = futures::stream::unfold(pieces.into_iter(), |mut pieces| async move {
        let piece = pieces.next()?;
        tokio::time::sleep(Duration::from_millis(8)).await;
        Some((Ok(piece), pieces))
    });
    let name = format!("up-{number}");
    let request = Route::Put.request_with(&name, Body::stream(paced))?;
    client.send(request).await?.expect(201)?;
    client.delete(&name).await?.expect(204)?;
    Ok(())
}

/// Runs `step` `count` times, in a few tasks at once.
async fn times<F>(count: u64, step: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for started in 0..count {
        if started >= TASKS as u64 {
            tasks.join_next().await.context("a task")???;
        }
        tasks.spawn(step());
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_go_away_and_readers_who_stay_break_nobody_elses_transfer() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let large = content::bytes(1, 24 << 20);
    let middle = content::bytes(2, 4 << 20);
    let whole = content::bytes(3, 100 << 10);
    client.put("large", large.clone()).await?.expect(201)?;
    client.put("middle", middle).await?.expect(201)?;
    client.put("whole", whole.clone()).await?.expect(201)?;

    let over = Arc::new(AtomicBool::new(false));
    let honest = Arc::new(AtomicU64::new(0));
    let mut beside = tokio::task::JoinSet::new();
    for number in 0..4u64 {
        let (client, large) = (client.clone(), large.clone());
        let (over, honest) = (over.clone(), honest.clone());
        beside.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                match number % 2 {
                    0 => slow_download(&client, &large).await.context("a download")?,
                    _ => slow_upload(&client, number, &large)
                        .await
                        .context("an upload")?,
                }
                honest.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    let begun = Instant::now();
    times(ABORTS, || {
        let client = client.clone();
        async move { abort_one(&client).await }
    })
    .await?;
    times(WHOLE, || {
        let (client, whole) = (client.clone(), whole.clone());
        async move {
            let answer = client.get("whole").await?.expect(200)?;
            ensure!(answer.body == whole, "other bytes");
            Ok(())
        }
    })
    .await?;
    println!(
        "{ABORTS} aborted and {WHOLE} whole in {:?}",
        begun.elapsed()
    );
    over.store(true, Ordering::Relaxed);
    while let Some(done) = beside.join_next().await {
        done??;
    }
    ensure!(honest.load(Ordering::Relaxed) >= 4);
    Ok(())
}

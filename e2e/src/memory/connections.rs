//! The cost of connections that have no place among the uploads: heads that
//! never end, and what HTTP/2 clients send ahead (invariant 9).

use super::mib;
use crate::cluster::{Cluster, Options};
use crate::wire::{Body, Pieces};
use crate::{raw, wait};
use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::StreamExt;
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// `--max-connections` of this run; few enough for the usual limit of files.
const CONNECTIONS: usize = 900;
/// What one of them may cost the manager, as the documentation states.
const EACH: u64 = 160 << 10;
/// How many connections, the first ones, have wide HTTP/2 windows.
const WIDE: usize = 20;
/// Streams of an HTTP/2 connection, and what each may send ahead on these.
const STREAMS: usize = 100;
const AHEAD: u64 = 64 << 10;
/// The least that a request takes of `--max-request-heads`.
const REQUEST: u64 = 2 << 10;
/// A head that is far too long.
const HEAD: usize = 250 << 10;
/// Uploads, of 1 MiB each, on an HTTP/2 connection with narrow windows.
const UPLOADS: usize = 4;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Measures both, each on a service of its own, since a peak can't be reset.
///
/// # Errors
/// Where the manager grew by more than is stated.
pub(super) async fn run() -> Result<()> {
    let cluster = cluster(&[]).await?;
    let before = cluster.manager()?.peak_memory()?;
    let held = heads(cluster.http()).await?;
    told(
        "unfinished heads",
        &cluster,
        before,
        CONNECTIONS as u64 * EACH,
    )?;
    drop((held, cluster));

    let cluster = self::cluster(&PATIENT).await?;
    let before = cluster.manager()?.peak_memory()?;
    let held = waiting_uploads(cluster.http()).await?;
    let (wide, narrow) = (WIDE * STREAMS, (CONNECTIONS - WIDE) * UPLOADS);
    let requests = (wide + narrow) as u64 * REQUEST;
    let bound = CONNECTIONS as u64 * EACH + wide as u64 * AHEAD + requests;
    told("waiting HTTP/2 uploads", &cluster, before, bound)?;
    drop(held);
    Ok(())
}

/// There is one place among the uploads, and the upload that has it may keep it.
const PATIENT: [&str; 4] = [
    "--max-uploads=1",
    "--max-wait=300s",
    "--body-idle-timeout=300s",
    "--rate-grace=300s",
];

async fn cluster(flags: &[&str]) -> Result<Cluster> {
    let connections = format!("--max-connections={CONNECTIONS}");
    let mut manager_args = vec![connections, "--client-share=100".to_owned()];
    manager_args.extend(flags.iter().map(|&flag| flag.to_owned()));
    Cluster::start_with(Options {
        nodes: 1,
        manager_args,
        ..Options::default()
    })
    .await
}

fn told(what: &str, cluster: &Cluster, before: u64, bound: u64) -> Result<()> {
    let added = cluster.manager()?.peak_memory()?.saturating_sub(before);
    println!(
        "{what} on {CONNECTIONS} connections: {} of {} added",
        mib(added),
        mib(bound)
    );
    ensure!(added < bound, "{what} cost {}", mib(added));
    Ok(())
}

/// Connections that each send a head without an end; a few are left for other clients.
async fn heads(address: SocketAddr) -> Result<Vec<TcpStream>> {
    let mut sending = JoinSet::new();
    for _ in 0..CONNECTIONS - 10 {
        sending.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            let head = format!(
                "GET /files HTTP/1.1\r\nHost: localhost\r\nX: {}",
                "x".repeat(HEAD)
            );
            // The connection may be refused by now.
            let sent = stream.write_all(head.as_bytes());
            let _ = tokio::time::timeout(Duration::from_secs(10), sent).await;
            anyhow::Ok(stream)
        });
    }
    let mut held = Vec::new();
    while let Some(sent) = sending.join_next().await {
        held.push(sent??);
    }
    Ok(held)
}

/// HTTP/2 connections with uploads that wait for the one place, as many as may.
async fn waiting_uploads(address: SocketAddr) -> Result<JoinSet<()>> {
    let (sent, mut tasks) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    let first = TcpStream::connect(address).await?;
    let first = raw::hold_upload(first, "first").await?;
    tasks.spawn(async move {
        let _held = first;
        std::future::pending().await
    });
    for at in 0..CONNECTIONS - 10 {
        let stream = TcpStream::connect(address).await?;
        let shake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = shake.await?;
        tasks.spawn(async move {
            // The connection ends with the service.
            let _ = connection.await;
        });
        let uploads = if at < WIDE { STREAMS } else { UPLOADS };
        for upload in 0..uploads {
            let (mut sender, sent) = (sender.clone(), sent.clone());
            let pieces = futures::stream::repeat(Bytes::from_static(&ZEROS)).take(16);
            let body = Body::stream(pieces.map(move |piece| {
                sent.fetch_add(1, Ordering::Relaxed);
                Ok(piece)
            }));
            let request =
                Request::put(format!("http://{address}/file/{at}-{upload}")).body(body)?;
            tasks.spawn(async move {
                let _ = sender.send_request(request).await;
            });
        }
    }
    // Waits until no window has room any more.
    let still = AtomicU64::new(0);
    let last = AtomicU64::new(0);
    wait::until(Duration::from_secs(60), async || {
        let now = sent.load(Ordering::Relaxed);
        match last.swap(now, Ordering::Relaxed) == now {
            true => still.fetch_add(1, Ordering::Relaxed),
            false => still.swap(0, Ordering::Relaxed),
        };
        ensure!(
            now > 0 && still.load(Ordering::Relaxed) > 40,
            "{now} pieces sent"
        );
        Ok(())
    })
    .await?;
    // Others still get their answers.
    let client = crate::wire::Client::new(address);
    let request = Request::get("/files").body(Body::from(Pieces::empty()))?;
    client.send(request).await?.expect(200)?;
    Ok(tasks)
}

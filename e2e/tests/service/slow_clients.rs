//! A slow reader and a slow writer don't hold up others, nor fill the memory.

use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::{content, load, wait};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What others may wait for a small file while the slow ones hang about.
const BEARABLE: Duration = Duration::from_secs(2);

async fn others_go_on(cluster: &Cluster, tag: &str) -> Result<()> {
    let client = cluster.wire();
    let mut worst = load::new_histogram()?;
    for i in 0..100 {
        let name = format!("quick-{tag}-{i}");
        let begun = Instant::now();
        client.put(&name, "quick").await?.expect(201)?;
        assert_eq!(client.get(&name).await?.expect(200)?.body, "quick");
        client.delete(&name).await?.expect(204)?;
        worst.saturating_record(load::micros(begun.elapsed()));
    }
    assert!(
        worst.max() < load::micros(BEARABLE),
        "the slowest took {} µs",
        worst.max()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_hold_up_nobody_and_cost_little_memory() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    let data = content::bytes(1, 32 << 20);
    client.put("large", data.clone()).await?.expect(201)?;
    let before = cluster.manager()?.peak_memory()?;
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(cluster.http()).await?;
        stream
            .write_all(b"GET /file/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await?;
        slow.push(stream);
    }
    others_go_on(&cluster, "readers").await?;
    assert!(
        client.get("large").await?.expect(200)?.body == data,
        "beside 64 slow readers"
    );
    let added = cluster.manager()?.peak_memory()? - before;
    assert!(
        added < 256 << 20,
        "64 slow readers of 32 MiB cost {added} bytes"
    );
    drop(slow);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_writers_hold_up_nobody_and_succeed_in_the_end() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let client = cluster.wire();
    let mut slow = Vec::new();
    for i in 0..64 {
        let mut stream = TcpStream::connect(cluster.http()).await?;
        let head = format!(
            "PUT /file/slow-{i} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100100\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&[b'x'; 100_000]).await?;
        slow.push(stream);
    }
    others_go_on(&cluster, "writers").await?;
    for stream in &mut slow {
        stream.write_all(&[b'y'; 100]).await?;
    }
    for stream in &mut slow {
        assert_eq!(e2e::raw::read_answer(stream).await?.status, 201);
    }
    let body = client.get("slow-63").await?.expect(200)?.body;
    assert_eq!((body.len(), &body[100_000..]), (100_100, &[b'y'; 100][..]));
    Ok(())
}

/// Places that downloads have taken, as the manager's metrics show them.
async fn downloads_in_flight(cluster: &Cluster) -> Result<u64> {
    let ops = e2e::wire::Client::new(cluster.ops());
    let answer = ops.call(http::Method::GET, "/metrics").await?.expect(200)?;
    let text = String::from_utf8(answer.body.to_vec())?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("dfs_manager_downloads_in_flight "));
    Ok(line.context("no such metric")?.trim().parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_too_little_loses_its_place() -> Result<()> {
    let cluster = Cluster::start_with(Options {
        nodes: 1,
        manager_args: ["--rate-grace=6s", "--min-download-rate=1MiB"]
            .map(str::to_owned)
            .to_vec(),
        ..Options::default()
    })
    .await?;
    let client = cluster.wire();
    client
        .put("large", content::bytes(1, 32 << 20))
        .await?
        .expect(201)?;
    client
        .put("small", content::bytes(1, 20_000))
        .await?
        .expect(201)?;
    // Over HTTP/1 the socket is full; over HTTP/2 it is not, only the stream's
    // window is.
    let mut first = TcpStream::connect(cluster.http()).await?;
    first
        .write_all(b"GET /file/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    let (answer, driven) = ask_http2(&cluster, "/file/large", 65_535).await?;
    let (small, driven_small) = ask_http2(&cluster, "/file/small", 1).await?;
    assert_eq!(downloads_in_flight(&cluster).await?, 3);
    wait::until(SOON, async || {
        let taken = downloads_in_flight(&cluster).await?;
        ensure!(taken == 0, "{taken} places are still taken");
        Ok(())
    })
    .await?;
    drop((first, answer, small));
    // Their connections were ended.
    for driven in [driven, driven_small] {
        let _ended = wait::at_most(SOON, driven).await??;
    }
    Ok(())
}

type Http2 = tokio::task::JoinHandle<hyper::Result<()>>;

/// Sends a request over an HTTP/2 connection of its own, whose streams have a window of
/// `window` bytes until they are read.
async fn ask_http2(
    cluster: &Cluster,
    path: &str,
    window: u32,
) -> Result<(http::Response<hyper::body::Incoming>, Http2)> {
    let stream = TcpStream::connect(cluster.http()).await?;
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(stream))
        .await?;
    let driven = tokio::spawn(connection);
    let request = http::Request::get(format!("http://{}{path}", cluster.http()));
    let body = e2e::wire::Body::from(e2e::wire::Pieces::empty());
    let answer = sender.send_request(request.body(body)?).await?;
    assert_eq!(answer.status(), 200, "{path}");
    Ok((answer, driven))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_keeps_its_place_until_its_client_has_taken_it() -> Result<()> {
    let flags = [
        "--max-downloads=2",
        "--max-requests=1",
        "--client-share=100",
        "--max-wait=500ms",
    ];
    let cluster = Cluster::start_with(Options {
        nodes: 1,
        manager_args: flags.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await?;
    let client = cluster.wire();
    let data = content::bytes(1, 20_000);
    client.put("small", data.clone()).await?.expect(201)?;
    // Each of these answers is one piece, of which the window lets one byte out.
    let paths = ["/file/small", "/files", "/status"];
    let mut held = Vec::new();
    for path in paths {
        held.push(ask_http2(&cluster, path, 1).await?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(downloads_in_flight(&cluster).await?, 2);
    for path in paths {
        let refused = client.call(http::Method::GET, path).await?;
        assert_eq!(refused.outcome(), (429, Some(9)), "{path}");
    }
    for (path, (answer, _driven)) in paths.into_iter().zip(held) {
        let body = wait::at_most(SOON, answer.into_body().collect()).await??;
        let whole = client.call(http::Method::GET, path).await?.expect(200)?;
        if path == "/file/small" {
            assert_eq!(body.to_bytes(), data);
        }
        assert!(!whole.body.is_empty(), "{path}: its place is free again");
    }
    wait::until(SOON, async || {
        let taken = downloads_in_flight(&cluster).await?;
        ensure!(taken == 0, "{taken} places are still taken");
        Ok(())
    })
    .await
}

//! Requests that are refused before their bodies are read, or meanwhile: the client
//! gets its answer, and learns what becomes of its connection.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::cluster::{Cluster, Options, SOON};
use e2e::library;
use e2e::wire::{Body, Pieces};
use e2e::{raw, wait};
use http::{Method, Request, Version};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a head and reads one answer.
async fn ask(cluster: &Cluster, lines: &str) -> Result<raw::RawAnswer> {
    let request = format!("{lines}\r\n\r\n");
    raw::exchange(cluster.http(), request.as_bytes(), false, SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_that_was_not_asked_for_ends_its_connection_and_says_so() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.wire().put("a", "x").await?.expect(201)?;
    for (line, status) in [
        ("PUT /file/a", 409),
        ("POST /file/a", 405),
        ("PUT /nothing", 404),
        ("DELETE /file/b", 404),
    ] {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2000000"
        );
        let answer = ask(&cluster, &head).await?;
        ensure!(answer.status == status, "{line}: {answer:?}");
        ensure!(
            answer.head.contains("connection: close"),
            "{line}: {answer:?}"
        );
    }
    // A body that was asked for and read leaves the connection open.
    let mut stream = TcpStream::connect(cluster.http()).await?;
    let head = "PUT /file/b HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    for (bytes, status) in [
        (format!("{head}x"), 201),
        (head.replace("/b", "/c") + "x", 201),
    ] {
        stream.write_all(bytes.as_bytes()).await?;
        let answer = raw::read_answer(&mut stream).await?;
        ensure!(answer.status == status, "{answer:?}");
        ensure!(!answer.head.contains("connection: close"), "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_is_not_lost_to_who_still_sends() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.wire().put("a", "x").await?.expect(201)?;
    for (line, status) in [
        ("POST /file/a", 405),
        ("PUT /nothing", 404),
        ("PUT /file/a", 409),
    ] {
        // The body is read to its end: the next request comes on the same connection.
        let mut stream = TcpStream::connect(cluster.http()).await?;
        for _ in 0..2 {
            let head =
                format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&vec![b'x'; 1_000_000]).await?;
            let answer = raw::read_answer(&mut stream).await?;
            ensure!(answer.status == status, "{line}: {answer:?}");
        }
        // Too slow a body to wait for: the answer says that the connection closes, and the
        // body is read meanwhile, so that bytes still sent do not reset the connection.
        let mut stream = TcpStream::connect(cluster.http()).await?;
        let head =
            format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let answer = wait::at_most(SOON, raw::read_answer(&mut stream)).await??;
        ensure!(answer.status == status, "{line}: {answer:?}");
        ensure!(
            answer.head.contains("connection: close"),
            "{line}: {answer:?}"
        );
        for _ in 0..10 {
            stream.write_all(&[b'x'; 10_000]).await.context("reset")?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut end = Vec::new();
        stream.read_to_end(&mut end).await.context("reset")?;
    }
    Ok(())
}

/// Before any route sees a request, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_sees_is_read_on_and_leaves_the_connection_open() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    for (field, value, status) in [
        ("host", "evil.example", 421),
        ("origin", "http://evil.example", 403),
    ] {
        for _ in 0..20 {
            let request = Request::put("/file/a").header(field, value);
            let body = Pieces::new([Bytes::from(vec![b'x'; 300_000])]);
            let answer = client.send(request.body(body.into())?).await?;
            ensure!(answer.status.as_u16() == status, "{field}: {answer:?}");
            ensure!(answer.header("connection") != "close", "{answer:?}");
        }
    }
    ensure!(library::names(&cluster.client()?).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_over_http_2_leaves_the_stream_whole() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.wire().put("a", "x").await?.expect(201)?;
    let stream = TcpStream::connect(cluster.http()).await?;
    let shake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = shake.await?;
    let driven = tokio::spawn(connection);
    for (method, path, status) in [
        (Method::POST, "/file/a", 405),
        (Method::PUT, "/nothing", 404),
        (Method::PUT, "/file/a", 409),
    ] {
        let piece = || futures::future::ready(Ok(Bytes::from(vec![0; 100_000])));
        use futures::StreamExt;
        let pieces = futures::stream::repeat_with(piece)
            .then(|piece| piece)
            .take(10);
        let request = Request::builder()
            .method(method.clone())
            .version(Version::HTTP_2)
            .uri(format!("http://{}{path}", cluster.http()))
            .body(Body::stream(pieces))?;
        let answer = sender.send_request(request).await?;
        ensure!(answer.status() == status, "{method} {path}: {answer:?}");
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(!body.is_empty(), "{method} {path}");
    }
    drop(sender);
    driven.await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_for_this_service_is_refused() -> Result<()> {
    let cluster = Cluster::start_with(Options {
        nodes: 1,
        manager_args: vec!["--allowed-hosts=files.example".to_owned()],
        ..Options::default()
    })
    .await?;
    for (lines, status, code) in [
        ("GET /files HTTP/1.1\r\nHost: localhost:8000", 200, None),
        ("GET /files HTTP/1.1\r\nHost: 10.1.2.3", 200, None),
        ("GET /files HTTP/1.1\r\nHost: files.example", 200, None),
        ("GET /files HTTP/1.1\r\nHost: evil.example", 421, Some(6)),
        ("GET /files HTTP/1.1\r\nX: y", 400, Some(6)),
        (
            "GET /files HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
            400,
            Some(6),
        ),
        (
            "PUT /file/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0",
            501,
            Some(6),
        ),
        (
            "PUT /file/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Encoding: identity\r\nContent-Encoding: gzip",
            415,
            Some(6),
        ),
        (
            "PUT /file/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nOrigin: http://evil.example",
            403,
            Some(7),
        ),
        (
            "POST /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nSec-Fetch-Site: cross-site",
            403,
            Some(7),
        ),
        (
            "DELETE /file/a HTTP/1.1\r\nHost: localhost\r\nOrigin: null",
            403,
            Some(7),
        ),
        (
            "DELETE /file/a HTTP/1.1\r\nHost: localhost:8000\r\nOrigin: http://localhost:8000",
            404,
            Some(2),
        ),
    ] {
        let answer = ask(&cluster, lines).await?;
        ensure!(
            (answer.status, answer.code()) == (status, code),
            "{lines}: {answer:?}"
        );
        ensure!(
            answer.head.contains("x-content-type-options: nosniff"),
            "{answer:?}"
        );
        let policy = "cross-origin-resource-policy: same-origin";
        ensure!(answer.head.contains(policy), "{answer:?}");
    }
    cluster.wait_only(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_in_an_announced_trailer_is_checked() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let right = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    let wrong = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    for (name, digest, status) in [("a", wrong, 400), ("b", right, 201)] {
        let bytes = format!(
            "PUT /file/{name} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Digest\r\n\r\n3\r\nabc\r\n0\r\nContent-Digest: {digest}\r\n\r\n"
        );
        let answer = raw::exchange(cluster.http(), bytes.as_bytes(), false, SOON).await?;
        ensure!(answer.status == status, "{answer:?}");
    }
    cluster.wait_only(&["b"]).await
}

//! Connections that ask for nothing don't last, and each client has its share of them.

use anyhow::{Result, ensure};
use e2e::callers::Closed;
use e2e::cluster::{Cluster, Options, SOON};
use e2e::secure::Secure;
use e2e::wire::{Http2, Pieces, connect_from};
use e2e::{raw, wait};
use http::Request;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const FILES: &[u8] = b"GET /files HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// How HTTP/2 begins, with empty SETTINGS.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingping";
/// `--header-timeout` here, and what a machine under load may take beside it.
const FIRST: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_secs(12);

/// Waits for the other side to end a connection, which takes as long as it should.
async fn ends(mut stream: impl AsyncRead + Unpin, since: Instant) -> Result<()> {
    // However it ends.
    let _ = wait::at_most(SOON, stream.read_to_end(&mut Vec::new())).await?;
    let took = since.elapsed();
    ensure!(took > FIRST / 2 && took < FIRST + SLACK, "{took:?}");
    Ok(())
}

/// Sends the same again and again, and waits as [`ends`].
async fn ends_though_it_sends(
    stream: TcpStream,
    bytes: &'static [u8],
    since: Instant,
) -> Result<()> {
    let (reading, mut writing) = stream.into_split();
    let sending = tokio::spawn(async move {
        while writing.write_all(bytes).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    ends(reading, since).await?;
    sending.abort();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_idle_only_once_it_has_asked_for_something() -> Result<()> {
    let flag = format!("--header-timeout={}s", FIRST.as_secs());
    let cluster = Cluster::start_with(Options {
        nodes: 1,
        manager_args: vec![flag],
        ..Options::default()
    })
    .await?;
    let at = cluster.http();
    let mut used = TcpStream::connect(at).await?;
    used.write_all(FILES).await?;
    ensure!(raw::read_answer(&mut used).await?.status == 200);
    let used_http2 = Http2::open(at).await?;
    let request = || Request::get("/files").body(Pieces::empty().into());
    used_http2.send(request()?).await?.expect(200)?;

    let since = Instant::now();
    let silent = TcpStream::connect(at).await?;
    let mut slow = TcpStream::connect(at).await?;
    slow.write_all(&FILES[..FILES.len() - 2]).await?;
    let mut http2 = TcpStream::connect(at).await?;
    http2.write_all(PREFACE).await?;
    tokio::try_join!(
        ends(silent, since),
        ends_though_it_sends(slow, b"X: y\r\n", since),
        ends_though_it_sends(http2, PING, since),
    )?;
    tokio::time::sleep(FIRST).await;
    used.write_all(FILES).await?;
    ensure!(raw::read_answer(&mut used).await?.status == 200);
    used_http2.send(request()?).await?.expect(200)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_of_tls_is_no_request() -> Result<()> {
    let flag = format!("--header-timeout={}s", FIRST.as_secs());
    let secure = Secure::start(&[&flag]).await?;
    for protocol in ["http/1.1", "h2"] {
        let since = Instant::now();
        let stream = secure
            .tls()?
            .connect(secure.cluster.http(), protocol)
            .await?;
        ends(stream, since).await?;
    }
    Ok(())
}

/// Connects from another address of this machine and asks for the files, or for what a
/// link opens.
async fn ask(
    service: &Closed,
    from: &str,
    path: &str,
    token: Option<&str>,
) -> Result<(TcpStream, raw::RawAnswer)> {
    let mut stream = connect_from(from.parse()?, service.cluster.http()).await?;
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n");
    stream.write_all(head.as_bytes()).await?;
    let answer = wait::at_most(SOON, raw::read_answer(&mut stream)).await??;
    Ok((stream, answer))
}

/// The connection ends after an answer that says why.
async fn is_turned_away((mut stream, answer): (TcpStream, raw::RawAnswer)) -> Result<()> {
    ensure!(
        (answer.status, answer.code()) == (429, Some(9)),
        "{answer:?}"
    );
    let told = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(
        told.contains("--max-connections") && told.contains("--client-share"),
        "{told}"
    );
    ensure!(answer.head.contains("connection: close"), "{answer:?}");
    let ended = wait::at_most(SOON, stream.read(&mut [0; 1])).await?;
    ensure!(matches!(ended, Ok(0)), "{ended:?}");
    Ok(())
}

/// Callers share an address, as behind a proxy, and one of them comes by several.
#[tokio::test(flavor = "multi_thread")]
async fn connections_of_a_caller_are_its_own_wherever_they_come_from() -> Result<()> {
    let flags = ["--max-connections=16", "--client-share=25"];
    let mut service = Closed::prepare(Options::default(), &flags).await?;
    let (one, token) = service.add(&["--name=one", "--rights=get,list"]).await?;
    let (_, other) = service.add(&["--name=other", "--rights=list"]).await?;
    service.run().await?;
    let all = service.cluster.wire();
    all.put("f", "x").await?.expect(201)?;
    // This is the first of its four connections.
    let link = one
        .link_path("f", r#"{"method":"GET","expires":"1h"}"#)
        .await?;

    let (proxy, files) = ("127.0.0.3", "/files");
    let mut held = Vec::new();
    for _ in 0..3 {
        let (stream, answer) = ask(&service, proxy, files, Some(&token)).await?;
        ensure!(answer.status == 200, "{answer:?}");
        held.push(stream);
    }
    for (from, path, bearer) in [
        (proxy, files, Some(&*token)),
        ("127.0.0.4", files, Some(&token)),
        ("127.0.0.5", &link, None),
    ] {
        is_turned_away(ask(&service, from, path, bearer).await?).await?;
    }
    let http2 = Http2::open(service.cluster.http()).await?;
    let request = || {
        let request = Request::get("/files").header("authorization", format!("Bearer {token}"));
        request.body(Pieces::empty().into())
    };
    let refused = http2.send(request()?).await?;
    ensure!(refused.outcome() == (429, Some(9)), "{refused:?}");
    wait::until(SOON, async || {
        ensure!(http2.send(request()?).await.is_err(), "it is open");
        Ok(())
    })
    .await?;

    // The address has its whole share for others yet, and those for theirs.
    let mut neighbours = Vec::new();
    for _ in 0..4 {
        let (stream, answer) = ask(&service, proxy, files, Some(&other)).await?;
        ensure!(answer.status == 200, "{answer:?}");
        neighbours.push(stream);
    }
    for _ in 0..4 {
        let (stream, answer) = ask(&service, proxy, files, None).await?;
        ensure!(answer.status == 401, "{answer:?}");
        neighbours.push(stream);
    }
    ensure!(
        ask(&service, proxy, files, Some(&other)).await.is_err(),
        "the connections of nobody are the address's"
    );
    drop(neighbours);
    held.pop();
    wait::until(SOON, async || {
        let (_, answer) = ask(&service, proxy, files, Some(&token)).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    })
    .await
}

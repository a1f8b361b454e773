//! The REST API with TLS, as clients have it that are let in.

use anyhow::{Result, ensure};
use e2e::certificates::Authority;
use e2e::cluster::SOON;
use e2e::secure::Secure;
use e2e::wire::{Client, Connection, Http2, Route, Tls};
use e2e::{content, ports, raw, wait};
use http::{Method, Request};
use http_body_util::BodyExt;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HSTS: &str = "strict-transport-security";

fn get(path: &str) -> Result<Request<e2e::wire::Body>> {
    let request = Request::builder().method(Method::GET).uri(path);
    Ok(request.body(e2e::wire::Pieces::empty().into())?)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_out_over_both_versions_and_protocols() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let (http, authority) = (secure.cluster.http(), secure.authority.pem());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = Tls::new(&authority, &[version], None)?;
        let data = content::bytes(1, 5_000_000);
        let name = format!("{:?}", version.version);
        let mut connection = Connection::open_tls(http, &tls).await?;
        let stored = connection.send(Route::Put.request(&name, &data)?).await?;
        let year = "max-age=31536000";
        ensure!(stored.expect(201)?.header(HSTS) == year);
        let path = format!("/file/{name}");
        let read = connection.send(get(&path)?).await?.expect(200)?;
        ensure!(read.body == data && read.header(HSTS) == year);
        let connection = Http2::open_tls(http, &tls).await?;
        let read = connection.send(get(&path)?).await?.expect(200)?;
        ensure!(read.body == data && read.header(HSTS) == year);
        let other = format!("{name}-2");
        let stored = connection.send(Route::Put.request(&other, &data)?).await?;
        stored.expect(201)?;
        let missing = connection.send(get("/file/none")?).await?.expect(404)?;
        ensure!(missing.header(HSTS) == year, "errors have it too");
        let read = connection.send(get(&format!("/file/{other}"))?).await?;
        ensure!(read.body == data);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_port_is_there_only_if_it_is_asked_for() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    ensure!(secure.cluster.manager()?.told("plain").is_err());
    drop(secure);
    let wanted = ports::free()?.to_string();
    let secure = Secure::start(&["--http-plain", &wanted]).await?;
    let at = secure.cluster.manager()?.address("plain")?;
    ensure!(at.to_string() == wanted);
    let plain = Client::new(at);
    let stored = plain.put("a", "from one").await?.expect(201)?;
    ensure!(stored.header(HSTS).is_empty(), "{stored:?}");
    let read = secure.wire()?.get("a").await?.expect(200)?;
    ensure!(read.body == "from one" && !read.header(HSTS).is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ports_have_one_bound() -> Result<()> {
    let at = ports::free()?.to_string();
    let bound = ["--max-connections", "8", "--client-share", "50"];
    let flags = [&["--http-plain", &at], &bound[..]].concat();
    let secure = Secure::start(&flags).await?;
    let at = secure.cluster.manager()?.address("plain")?;
    // The connections of the client that waited for the node are closed one after another.
    let request = b"GET /files HTTP/1.1\r\nHost: localhost\r\n\r\n";
    wait::until(SOON, async || {
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(TcpStream::connect(at).await?);
        }
        let mut served = 0;
        for stream in &mut held {
            let sent = stream.write_all(request).await;
            let answered = sent.is_ok() && raw::read_answer(stream).await.is_ok();
            served += usize::from(answered);
        }
        ensure!(served == 4, "{served}");
        let beside = secure.tls()?.connect(secure.cluster.http(), "h2").await;
        ensure!(beside.is_err(), "the share is used up over there");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_certificate_is_for_new_connections_and_old_ones_go_on() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let data = content::bytes(3, 64 << 20);
    let client = secure.wire()?;
    client.put("large", data.clone()).await?.expect(201)?;
    let mut body = client.start(get("/file/large")?).await?.into_body();
    let first = body.frame().await.unwrap()?.into_data().unwrap();
    let next = Authority::new("next")?;
    secure.replace(&next)?;
    let replaced = Tls::trusting(&next.pem())?;
    wait::until(Duration::from_secs(15), async || {
        Connection::open_tls(secure.cluster.http(), &replaced).await?;
        Ok(())
    })
    .await?;
    let old = Connection::open_tls(secure.cluster.http(), &secure.tls()?).await;
    ensure!(old.is_err(), "it is not served any more");
    let rest = body.collect().await?.to_bytes();
    ensure!(first.len() < data.len() && [first, rest].concat() == data);
    client.get("large").await?.expect(200)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_certificate_on_disk_changes_nothing_and_is_logged() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let other = Authority::new("other")?;
    let (mut pair, own) = (other.server()?, secure.authority.server()?);
    pair.key = own.key;
    pair.place(&secure.cluster.folder().join("tls"))?;
    wait::until(Duration::from_secs(15), async || {
        let log = secure.cluster.manager()?.log();
        ensure!(log.contains("does not belong to --tls-cert"), "{log}");
        ensure!(!log.contains("PRIVATE KEY"), "{log}");
        Ok(())
    })
    .await?;
    Connection::open_tls(secure.cluster.http(), &secure.tls()?).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_keep_nobody_out() -> Result<()> {
    let flags = ["--header-timeout", "1s", "--max-connections", "200"];
    let secure = Secure::start(&[&flags[..], &["--client-share", "100"]].concat()).await?;
    let http = secure.cluster.http();
    let mut idle = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(http).await?;
        if number % 2 == 0 {
            // The head of a record that never comes.
            stream.write_all(&[0x16, 3, 1, 2, 0]).await?;
        }
        idle.push(stream);
    }
    let begun = Instant::now();
    let client = secure.wire()?;
    client.put("a", "a").await?.expect(201)?;
    ensure!(begun.elapsed() < Duration::from_secs(10));
    for mut stream in idle {
        let ended = wait::at_most(SOON, stream.read(&mut [0; 64])).await?;
        ensure!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_cut_off() -> Result<()> {
    let secure = Secure::start(&["--write-idle-timeout", "1s"]).await?;
    let client = secure.wire()?;
    client
        .put("large", content::bytes(4, 64 << 20))
        .await?
        .expect(201)?;
    let mut stream = secure
        .tls()?
        .connect(secure.cluster.http(), "http/1.1")
        .await?;
    let request = b"GET /file/large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut read = Vec::new();
    let ended = wait::at_most(SOON, stream.read_to_end(&mut read)).await?;
    ensure!(ended.is_err(), "it ended well after {} bytes", read.len());
    ensure!(read.len() < 64 << 20);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_client_that_still_sends() -> Result<()> {
    let secure = Secure::start(&["--max-body-bytes", "64KiB"]).await?;
    let mut stream = secure
        .tls()?
        .connect(secure.cluster.http(), "http/1.1")
        .await?;
    let length = 20 << 20;
    let head =
        format!("PUT /file/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sending = tokio::spawn(async move {
        let _ = writing.write_all(&vec![b'x'; length]).await;
        writing
    });
    let mut answer = Vec::new();
    // Closed in order: an end of TLS, not only one of TCP.
    wait::at_most(SOON, reading.read_to_end(&mut answer)).await??;
    let answer = String::from_utf8_lossy(&answer);
    ensure!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    ensure!(answer.contains("\"code\":6"), "{answer}");
    drop(sending.await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_closes_idle_connections_in_order_and_waits_for_no_handshake() -> Result<()> {
    let mut secure = Secure::start(&[]).await?;
    let http = secure.cluster.http();
    let mut begun = TcpStream::connect(http).await?;
    begun.write_all(&[0x16, 3, 1, 2, 0]).await?;
    let silent = TcpStream::connect(http).await?;
    let mut fresh = secure.tls()?.connect(http, "h2").await?;
    let multiplexed = Http2::open_tls(http, &secure.tls()?).await?;
    multiplexed.send(get("/files")?).await?.expect(200)?;
    let mut used = secure.tls()?.connect(http, "http/1.1").await?;
    let request = b"GET /files HTTP/1.1\r\nHost: localhost\r\n\r\n";
    used.write_all(request).await?;
    let mut answer = vec![0; 12];
    used.read_exact(&mut answer).await?;
    ensure!(answer == b"HTTP/1.1 200");
    let started = Instant::now();
    let manager = secure.cluster.manager.take().unwrap();
    let status = manager.terminate(SOON).await?;
    ensure!(status.success(), "{status}");
    ensure!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    // Without an end of TLS this is an error.
    used.read_to_end(&mut answer).await?;
    fresh.read_to_end(&mut Vec::new()).await?;
    drop((begun, silent));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_goes_over_tls_too() -> Result<()> {
    let secure = Secure::start(&[]).await?;
    let folder = secure.cluster.folder();
    let url = format!("https://{}", secure.cluster.http());
    let check = async |authority: &str| {
        let file = folder.join("trusted.crt");
        std::fs::write(&file, authority)?;
        let file = file.display().to_string();
        let args = ["check", "--url", &url, "--tls-ca", &file];
        secure.cluster.manager_command(args).output(SOON).await
    };
    let (status, out, log) = check(&secure.authority.pem()).await?;
    ensure!(status.success() && out.contains("1 nodes"), "{out}{log}");
    let (status, out, log) = check(&Authority::new("another")?.pem()).await?;
    ensure!(
        !status.success() && log.contains("UnknownIssuer"),
        "{out}{log}"
    );
    let command = secure.cluster.manager_command(["check", "--url", &url]);
    let (status, _, log) = command.output(SOON).await?;
    ensure!(!status.success() && log.contains("--tls-ca FILE"), "{log}");
    Ok(())
}

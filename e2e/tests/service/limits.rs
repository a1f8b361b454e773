//! The bounds of the REST API: past one, or past its share of one, a client
//! waits, then gets code 9.

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::{content, raw, wait, wire};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    let client = cluster.wire();
    client
        .put("fits", content::bytes(1, 60_000))
        .await?
        .expect(201)?;
    for route in e2e::wire::Route::ALL {
        let body = route.pieces("long", &content::bytes(1, 200_000)).concat();
        let (method, path, kind) = route.head("long");
        // With a Content-Length, and without.
        let told = format!("Content-Length: {}", body.len());
        for framing in [told.as_str(), "Transfer-Encoding: chunked"] {
            let mut bytes = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
            )
            .into_bytes();
            if framing == told {
                bytes.extend(&body);
            } else {
                bytes.extend(format!("{:x}\r\n", body.len()).bytes());
                bytes.extend(&body);
                bytes.extend(b"\r\n0\r\n\r\n");
            }
            // Where the server closes while the client still sends, its answer may be lost.
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
    let cluster = bounded(&[
        "--max-uploads",
        "2",
        "--client-share",
        "100",
        "--max-wait",
        "1s",
    ])
    .await?;
    let client = cluster.wire();
    let mut held = Vec::new();
    for i in 0..2 {
        let mut stream = TcpStream::connect(cluster.http()).await?;
        let head = format!(
            "PUT /file/held-{i} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&[b'x'; 100_000]).await?;
        held.push(stream);
    }
    wait::until(SOON, async || {
        let begun = Instant::now();
        let answer = client.put("third", "x").await?;
        if answer.status == 201 {
            // The two uploads were not under way yet.
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
    // Reads go on meanwhile, and a place that becomes free is taken.
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
        "GET /files HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n",
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

/// A connection from another address of this machine, as of another client.
async fn connect_from(cluster: &Cluster, address: &str) -> Result<TcpStream> {
    wire::connect_from(address.parse()?, cluster.http()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_leaves_places_to_the_others() -> Result<()> {
    let flags = [
        "--max-uploads",
        "4",
        "--client-share",
        "50",
        "--max-wait",
        "1s",
    ];
    let cluster = bounded(&flags).await?;
    let mut held = Vec::new();
    for i in 0..2 {
        let stream = TcpStream::connect(cluster.http()).await?;
        held.push(raw::hold_upload(stream, &format!("held-{i}")).await?);
    }
    wait::until(SOON, async || {
        let answer = cluster.wire().put("third", "x").await?;
        if answer.status == 201 {
            cluster.wire().delete("third").await?.expect(204)?;
        }
        ensure!(answer.outcome() == (429, Some(9)), "{answer:?}");
        let why = answer.json()?["detail"].to_string();
        ensure!(why.contains("--client-share"), "{why}");
        Ok(())
    })
    .await?;
    let mut other = raw::hold_upload(connect_from(&cluster, "127.0.0.2").await?, "other").await?;
    other.write_all(b"c").await?;
    ensure!(raw::read_answer(&mut other).await?.status == 201);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_leaves_connections_to_the_others() -> Result<()> {
    let cluster = bounded(&["--max-connections", "8", "--client-share", "50"]).await?;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(connect_from(&cluster, "127.0.0.3").await?);
    }
    let request = b"GET /files HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut other = connect_from(&cluster, "127.0.0.2").await?;
    other.write_all(request).await?;
    ensure!(
        wait::at_most(SOON, raw::read_answer(&mut other))
            .await??
            .status
            == 200
    );
    // Connections beyond the client's share were closed.
    let mut served = 0;
    for stream in &mut held {
        let answered = match stream.write_all(request).await {
            Ok(()) => wait::at_most(SOON, raw::read_answer(stream)).await?.is_ok(),
            Err(_) => false,
        };
        served += usize::from(answered);
    }
    ensure!(served == 4, "{served}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_trickles_is_given_up_and_holds_only_what_it_sent() -> Result<()> {
    let flags = [
        "--max-upload-bytes",
        "1MiB",
        "--rate-grace",
        "3s",
        "--max-wait",
        "1s",
    ];
    let cluster = bounded(&flags).await?;
    let mut slow = Vec::new();
    for i in 0..32 {
        let mut stream = TcpStream::connect(cluster.http()).await?;
        let head = format!(
            "PUT /file/slow-{i} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        slow.push(stream);
    }
    let (mut last, begun) = (slow.pop().unwrap(), Instant::now());
    let trickle = tokio::spawn(async move {
        let (mut reading, mut writing) = last.split();
        let mut answer = Vec::new();
        loop {
            let mut some = [0; 1000];
            tokio::select! {
                read = reading.read(&mut some) => match read? {
                    0 => return anyhow::Ok(String::from_utf8_lossy(&answer).into_owned()),
                    read => answer.extend(&some[..read]),
                },
                () = tokio::time::sleep(Duration::from_millis(300)) => {
                    // The connection may be closed by now.
                    let _ = writing.write_all(b"1\r\na\r\n").await;
                }
            }
        }
    });
    // There is room for another upload beside them.
    let data = content::bytes(1, 60_000);
    cluster.wire().put("other", data).await?.expect(201)?;
    let answer = wait::at_most(SOON, trickle).await???;
    ensure!(
        answer.contains(" 408 ") && answer.contains("\"code\":6"),
        "{answer}"
    );
    ensure!(
        begun.elapsed() >= Duration::from_secs(3),
        "not before its grace"
    );
    cluster.wait_only(&["other"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_heads_and_status_have_a_bound_too() -> Result<()> {
    let flags = ["--max-requests", "1", "--max-wait", "1s"];
    let mut cluster = bounded(&flags).await?;
    cluster.wire().put("a", "a").await?.expect(201)?;
    cluster.manager_env = vec![(
        "FAILPOINTS".to_owned(),
        "manager::stall_before_remove=1*return(8000)".to_owned(),
    )];
    cluster.kill_manager().await?;
    cluster.start_manager().await?;
    cluster.wait_available(1).await?;
    let client = cluster.wire();
    let deleting = tokio::spawn({
        let client = client.clone();
        async move { client.delete("a").await }
    });
    wait::until(SOON, async || {
        let answer = client.call(http::Method::DELETE, "/file/b").await?;
        ensure!(answer.outcome() == (429, Some(9)), "{answer:?}");
        ensure!(!answer.header("retry-after").is_empty(), "{answer:?}");
        Ok(())
    })
    .await?;
    ensure!(client.call(http::Method::GET, "/status").await?.status == 429);
    ensure!(client.head_with("b", &[]).await?.status == 429);
    // Uploads and downloads have bounds of their own.
    client.put("c", "c").await?.expect(201)?;
    client.get("c").await?.expect(200)?;
    deleting.await??.expect(204)?;
    client.delete("c").await?.expect(204)?;
    Ok(())
}

//! Links that carry their own right: what they open, and that nothing else is opened by
//! one whose parts were changed.

use anyhow::{Context, Result, ensure};
use e2e::callers::Closed;
use e2e::cluster::{Cluster, SOON};
use e2e::library;
use e2e::wire::Client;
use e2e::{content, wait};
use http::{Method, Request};

const REFUSED: (u16, Option<u64>) = (401, Some(7));

/// A service whose own client may do everything, and nobody else anything.
async fn closed(flags: &[&str]) -> Result<Cluster> {
    Ok(Closed::start(flags).await?.cluster)
}

const GET: &str = r#"{"method":"GET","expires":"1h"}"#;

async fn put(client: &Client, path: &str, data: bytes::Bytes) -> Result<e2e::wire::Answer> {
    let request = Request::builder().method(Method::PUT).uri(path);
    let body = e2e::wire::Pieces::new([data]);
    client.send(request.body(body.into())?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_its_file_and_nothing_else() -> Result<()> {
    let cluster = closed(&[]).await?;
    let (all, holder) = (cluster.wire(), Client::new(cluster.http()));
    for name in ["a", "ä b?&=%.txt"] {
        all.put(name, content::bytes(1, 100_000))
            .await?
            .expect(201)?;
        let path = all.link_path(name, GET).await?;
        let whole = holder.call(Method::GET, &path).await?.expect(200)?;
        ensure!(whole.body == content::bytes(1, 100_000));
        holder.call(Method::HEAD, &path).await?.expect(200)?;
        let part = holder
            .call_with(Method::GET, &path, &[("range", "bytes=1-2")])
            .await?;
        ensure!(part.expect(206)?.body.len() == 2);
        for method in [Method::DELETE, Method::PUT] {
            ensure!(holder.call(method, &path).await?.outcome() == REFUSED);
        }
    }
    let path = all.link_path("a", GET).await?;
    let query = path.split_once('?').unwrap().1;
    for other in [
        "/files",
        "/status",
        "/file/%C3%A4%20b%3F%26%3D%25.txt",
        "/file/none",
        "/file",
    ] {
        let method = if other == "/file" {
            Method::POST
        } else {
            Method::GET
        };
        let answer = holder.call(method, &format!("{other}?{query}")).await?;
        ensure!(answer.outcome() == REFUSED, "{other}: {answer:?}");
    }
    let more = holder
        .call(Method::POST, &format!("/file/a/link?{query}"))
        .await?;
    ensure!(more.outcome() == REFUSED, "a link makes no links: {more:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_link_is_signed() -> Result<()> {
    let cluster = closed(&[]).await?;
    let (all, holder) = (cluster.wire(), Client::new(cluster.http()));
    all.put("a", "x").await?.expect(201)?;
    all.put("b", "y").await?.expect(201)?;
    let to_get = all.link_path("a", GET).await?;
    let to_put = all
        .link_path("c", r#"{"method":"PUT","expires":"1h","max_bytes":10}"#)
        .await?;
    let of_b = all.link_path("b", GET).await?;
    let part = |path: &str, field: &str| {
        let (_, rest) = path.split_once(&format!("{field}=")).unwrap();
        rest.split('&').next().unwrap().to_owned()
    };
    for (method, good) in [(Method::GET, &to_get), (Method::PUT, &to_put)] {
        let mut wrong = vec![
            good.replace("/file/a", "/file/b")
                .replace("/file/c", "/file/d"),
        ];
        for field in ["link", "by", "id", "max_bytes", "expires", "signature"] {
            if !good.contains(&format!("{field}=")) {
                continue;
            }
            let value = part(good, field);
            // Each digit by another one, the field left out, given twice, or empty.
            for at in 0..value.len() {
                let mut changed = value.clone().into_bytes();
                changed[at] = match changed[at] {
                    b'-' => continue,
                    b'1' => b'2',
                    _ => b'1',
                };
                let changed = String::from_utf8(changed)?;
                wrong
                    .push(good.replace(&format!("{field}={value}"), &format!("{field}={changed}")));
            }
            if field != "signature" {
                wrong.push(good.replace(&format!("{field}={value}&"), ""));
            }
            wrong.push(good.replace(&format!("{field}={value}"), &format!("{field}=")));
            wrong.push(format!("{good}&{field}={value}"));
        }
        wrong.push(good.replace(&part(good, "signature"), &part(&of_b, "signature")));
        wrong.push(format!("{good}&max_bytes=1000"));
        ensure!(wrong.len() > 100);
        for path in wrong {
            let answer = match method {
                Method::PUT => put(&holder, &path, "z".into()).await?,
                _ => holder.call(Method::GET, &path).await?,
            };
            ensure!(answer.outcome() == REFUSED, "{method} {path}: {answer:?}");
        }
    }
    holder.call(Method::GET, &to_get).await?.expect(200)?;
    put(&holder, &to_put, "z".into()).await?.expect(201)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_dies_with_its_files_id() -> Result<()> {
    let cluster = closed(&[]).await?;
    let (all, holder) = (cluster.wire(), Client::new(cluster.http()));
    all.put("a", "first").await?.expect(201)?;
    let path = all.link_path("a", GET).await?;
    holder.call(Method::GET, &path).await?.expect(200)?;
    all.delete("a").await?.expect(204)?;
    ensure!(holder.call(Method::GET, &path).await?.outcome() == (404, Some(2)));
    all.put("a", "second").await?.expect(201)?;
    for method in [Method::GET, Method::HEAD] {
        let answer = holder.call(method, &path).await?;
        ensure!(answer.status.as_u16() == 404, "{answer:?}");
        ensure!(!answer.body.windows(6).any(|bytes| bytes == b"second"));
    }
    let etag = all.get("a").await?.header("etag").to_owned();
    let known = [("if-none-match", etag.as_str())];
    let answer = holder.call_with(Method::GET, &path, &known).await?;
    ensure!(answer.outcome() == (404, Some(2)), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_store_takes_one_new_name_and_its_bytes() -> Result<()> {
    let cluster = closed(&[]).await?;
    let (all, holder) = (cluster.wire(), Client::new(cluster.http()));
    let ask = r#"{"method":"PUT","expires":"1h","max_bytes":100000}"#;
    let path = all.link_path("a", ask).await?;
    for framed in [true, false] {
        let long = content::bytes(1, 100_001);
        let answer = match framed {
            true => put(&holder, &path, long).await?,
            false => {
                let pieces = futures::stream::iter([Ok(long)]);
                let request = Request::builder().method(Method::PUT).uri(&path);
                holder
                    .send(request.body(e2e::wire::Body::stream(pieces))?)
                    .await?
            }
        };
        ensure!(answer.outcome() == (413, Some(6)), "{answer:?}");
    }
    ensure!(library::names(&cluster.client()?).await?.is_empty());
    ensure!(holder.call(Method::GET, &path).await?.outcome() == REFUSED);
    put(&holder, &path, content::bytes(1, 100_000))
        .await?
        .expect(201)?;
    ensure!(put(&holder, &path, "x".into()).await?.outcome() == (409, Some(3)));
    ensure!(
        all.link("a", ask).await?.outcome() == (409, Some(3)),
        "the name is taken"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_a_link_is_checked() -> Result<()> {
    let cluster = closed(&["--max-body-bytes=1MiB"]).await?;
    let all = cluster.wire();
    all.put("a", "x").await?.expect(201)?;
    for (body, field) in [
        (r#"{"method":"GET","expires":"8days"}"#, "expires"),
        (r#"{"method":"GET","expires":"0s"}"#, "expires"),
        (r#"{"method":"GET","expires":3600}"#, "string"),
        (r#"{"method":"GET"}"#, "expires"),
        (r#"{"method":"DELETE","expires":"1h"}"#, "DELETE"),
        (
            r#"{"method":"GET","expires":"1h","max_bytes":1}"#,
            "max_bytes",
        ),
        (r#"{"method":"PUT","expires":"1h"}"#, "max_bytes"),
        (
            r#"{"method":"PUT","expires":"1h","max_bytes":1048577}"#,
            "max_bytes",
        ),
        (r#"{"method":"PUT","expires":"1h","max_bytes":-1}"#, "body"),
        (r#"{"method":"GET","expires":"1h","more":1}"#, "more"),
        ("", "body"),
        ("[]", "body"),
    ] {
        let answer = all.link("a", body).await?;
        ensure!(answer.outcome() == (400, Some(6)), "{body}: {answer:?}");
        let told = answer.json()?["detail"].to_string();
        ensure!(told.contains(field), "{body}: {told}");
    }
    let long = format!(r#"{{"method":"GET","expires":"{}"}}"#, " ".repeat(5000));
    ensure!(all.link("a", &long).await?.outcome() == (413, Some(6)));
    ensure!(all.link("none", GET).await?.outcome() == (404, Some(2)));
    // Nothing else is posted below a file's path.
    let answer = all.call(Method::POST, "/file/a").await?;
    ensure!(answer.outcome() == (405, Some(6)), "{answer:?}");
    ensure!(
        answer.header("allow") == "GET,HEAD,PUT,DELETE",
        "{answer:?}"
    );
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = all.call(method, "/file/a/link").await?;
        ensure!(answer.outcome() == (405, Some(6)), "{answer:?}");
        ensure!(answer.header("allow") == "POST", "{answer:?}");
    }
    let answer = all.call(Method::OPTIONS, "/file/a").await?;
    ensure!(
        answer.header("allow") == "GET,HEAD,PUT,DELETE",
        "{answer:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_in_time_and_with_its_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("keys");
    let (old, new) = ("an-old-key-of-length", "a-new-key-of-length");
    std::fs::write(&file, old)?;
    let cluster = closed(&[&format!("--link-key-file={}", file.display())]).await?;
    let (all, holder) = (cluster.wire(), Client::new(cluster.http()));
    all.put("a", "x").await?.expect(201)?;
    let short = all
        .link_path("a", r#"{"method":"GET","expires":"2s"}"#)
        .await?;
    let first = all.link_path("a", GET).await?;
    let status = async |path: &str, wanted: u16| {
        wait::until(SOON, async || {
            let status = holder.call(Method::GET, path).await?.status.as_u16();
            ensure!(status == wanted, "{status}");
            Ok(())
        })
        .await
    };
    status(&short, 401).await?;
    status(&first, 200).await?;
    // The new one signs, both are accepted.
    std::fs::write(&file, format!("{new}\n{old}\n"))?;
    wait::until(SOON, async || {
        let log = std::fs::read_to_string(cluster.log_of_manager(0))?;
        ensure!(log.contains("the key of links was read again"), "{log}");
        Ok(())
    })
    .await?;
    let second = all.link_path("a", GET).await?;
    status(&first, 200).await?;
    std::fs::write(&file, new)?;
    status(&first, 401).await?;
    status(&second, 200).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_holds_after_a_restart_and_begins_as_a_flag_says() -> Result<()> {
    let public = "https://files.example/there";
    let mut cluster = closed(&[&format!("--public-url={public}/")]).await?;
    let all = cluster.wire();
    all.put("a", "x").await?.expect(201)?;
    let made = all.link("a", GET).await?.expect(201)?.json()?;
    let path = made["url"]
        .as_str()
        .unwrap()
        .strip_prefix(public)
        .context("the flag")?
        .to_owned();
    cluster.stop_manager().await?;
    cluster.start_manager().await?;
    cluster.wait_available(1).await?;
    let holder = Client::new(cluster.http());
    holder.call(Method::GET, &path).await?.expect(200)?;
    Ok(())
}

/// Whoever could make one while anyone may do everything would keep that right for a week.
#[tokio::test(flavor = "multi_thread")]
async fn no_link_is_made_while_anyone_may_do_everything() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    client.put("a", "x").await?.expect(201)?;
    let answer = client.link("a", GET).await?;
    ensure!(answer.outcome() == (403, Some(7)), "{answer:?}");
    Ok(())
}

/// A caller's links take no more places than the caller has.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_counts_as_its_maker() -> Result<()> {
    let bounds = ["--max-downloads=4", "--client-share=75", "--max-wait=2s"];
    let mut service = Closed::start(&bounds).await?;
    let all = service.cluster.wire();
    // Far more than sockets hold.
    all.put("large", content::bytes(1, 40_000_000))
        .await?
        .expect(201)?;
    let path = all.link_path("large", GET).await?;
    let other = service.caller(&["--name=other", "--rights=get"]).await?;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = tokio::net::TcpStream::connect(service.cluster.http()).await?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await?;
        held.push(stream);
    }
    wait::until(SOON, async || {
        let refused = all.get_with("large", &[("range", "bytes=0-0")]).await?;
        ensure!(refused.outcome() == (429, Some(9)), "{refused:?}");
        Ok(())
    })
    .await?;
    let part = other.get_with("large", &[("range", "bytes=0-0")]).await?;
    part.expect(206)?;
    drop(held);
    service.cluster.stop_manager().await
}

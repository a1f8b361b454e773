//! What callers of a prefix may have stored: to the file and to the byte, whoever of them
//! stores it and by whatever way.

use anyhow::{Result, ensure};
use e2e::callers::Closed;
use e2e::cluster::{Options, SOON};
use e2e::wire::{Answer, Client, NameAt, Pieces, Route};
use e2e::{content, wait};
use http::{Method, Request};

const FULL: (u16, Option<u64>) = (507, Some(8));
const WRITES: &str = "--rights=get,create,delete";

/// A service with callers of the prefix `ci-`, of which the first one's line has limits.
async fn bounded(limits: &str) -> Result<(Closed, Vec<Client>)> {
    let mut service = Closed::prepare(Options::default(), &[]).await?;
    let mut callers = Vec::new();
    for name in ["--name=a", "--name=b"] {
        callers.push(service.add(&[name, WRITES, "--prefix=ci-"]).await?.0);
    }
    bound(&mut service, limits)?;
    service.run().await?;
    Ok((service, callers))
}

/// Gives the first caller's line these limits, in place of those that it has.
fn bound(service: &mut Closed, limits: &str) -> Result<()> {
    let line = &mut service.lines[1];
    let end = line.find(",\"stored_").unwrap_or(line.len() - 1);
    line.replace_range(end.., &format!(",{limits}}}"));
    service.write()
}

fn detail(answer: &Answer) -> Result<String> {
    Ok(answer.json()?["detail"].to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_prefix_share_its_limit() -> Result<()> {
    let (service, callers) = bounded(r#""stored_files":3"#).await?;
    let (a, b, all) = (&callers[0], &callers[1], service.cluster.wire());
    a.put("ci-1", "x").await?.expect(201)?;
    b.put("ci-2", "x").await?.expect(201)?;
    b.upload(Route::Json(NameAt::First), "ci-3", "x")
        .await?
        .expect(201)?;
    for caller in [a, b] {
        let refused = caller.put("ci-4", "x").await?;
        ensure!(refused.outcome() == FULL, "{refused:?}");
        let why = detail(&refused)?;
        ensure!(
            why.contains("3 files may be stored for the prefix"),
            "{why}"
        );
        ensure!(
            caller
                .upload(Route::Form(NameAt::Last), "ci-4", "x")
                .await?
                .outcome()
                == FULL
        );
        let taken = caller.put("ci-1", "x").await?;
        ensure!(taken.outcome() == (409, Some(3)), "{taken:?}");
    }
    // Who has no prefix is not bounded, and what it stores counts for nobody.
    all.put("ci-5", "x").await?.expect(201)?;
    all.put("other", "x").await?.expect(201)?;
    // Whoever deletes it, a file makes room.
    all.delete("ci-2").await?.expect(204)?;
    all.delete("ci-5").await?.expect(204)?;
    a.put("ci-6", "x").await?.expect(201)?;
    ensure!(b.put("ci-7", "x").await?.outcome() == FULL);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_bounded_however_they_come() -> Result<()> {
    let (service, callers) = bounded(r#""stored_bytes":1000000"#).await?;
    let a = &callers[0];
    a.put("ci-1", content::bytes(1, 700_000))
        .await?
        .expect(201)?;
    let more = content::bytes(2, 300_001);
    let refused = a.put("ci-2", more.clone()).await?;
    ensure!(refused.outcome() == FULL, "{refused:?}");
    let why = detail(&refused)?;
    let said = "1000000 bytes may be stored for the prefix";
    ensure!(why.contains(said) && why.contains("700000"), "{why}");
    ensure!(
        a.upload(Route::Multipart(NameAt::First), "ci-2", more.clone())
            .await?
            .outcome()
            == FULL
    );
    // Of a length that is not known beforehand.
    let pieces = more.chunks(1000).map(bytes::Bytes::copy_from_slice);
    let pieces = Pieces::new(pieces);
    let request = Request::builder().method(Method::PUT).uri("/file/ci-2");
    let refused = a.send(request.body(pieces.into())?).await?;
    ensure!(refused.outcome() == FULL, "{refused:?}");
    a.put("ci-2", content::bytes(2, 300_000))
        .await?
        .expect(201)?;
    ensure!(a.put("ci-3", "x").await?.outcome() == FULL);
    a.put("ci-3", "").await?.expect(201)?;
    ensure!(service.cluster.wire().get("ci-2").await?.body.len() == 300_000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_upload_and_a_link_count_as_what_they_are() -> Result<()> {
    let (service, callers) = bounded(r#""stored_files":2"#).await?;
    let (a, holder) = (&callers[0], service.anyone());
    let put = async |client: &Client, path: &str, key: Option<&str>| {
        let mut request = Request::builder().method(Method::PUT).uri(path);
        if let Some(key) = key {
            request = request.header("idempotency-key", format!("\"{key}\""));
        }
        let body = Pieces::new([bytes::Bytes::from_static(b"x")]);
        client.send(request.body(body.into())?).await
    };
    let link = r#"{"method":"PUT","expires":"1h","max_bytes":10}"#;
    let first = a.link_path("ci-l1", link).await?;
    let second = a.link_path("ci-l2", link).await?;
    put(a, "/file/ci-1", Some("k")).await?.expect(201)?;
    put(&holder, &first, None).await?.expect(201)?;
    let refused = put(&holder, &second, None).await?;
    ensure!(refused.outcome() == FULL, "{refused:?}");
    let why = detail(&refused)?;
    ensure!(why.contains("for whoever made the link"), "{why}");
    // Full, but this one is there already.
    put(a, "/file/ci-1", Some("k")).await?.expect(201)?;
    ensure!(put(a, "/file/ci-2", Some("l")).await?.outcome() == FULL);
    let other = second.replace("for=", "for=1");
    ensure!(put(&holder, &other, None).await?.outcome() == (401, Some(7)));
    a.delete("ci-1").await?.expect(204)?;
    put(&holder, &second, None).await?.expect(201)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uploads_at_once_no_more_get_in_and_a_restart_changes_nothing() -> Result<()> {
    let (mut service, callers) = bounded(r#""stored_files":10"#).await?;
    let uploads = (0..40).map(|number| {
        let caller = &callers[number % 2];
        async move {
            caller
                .put(&format!("ci-{number}"), content::bytes(3, 80_000))
                .await
        }
    });
    let mut stored = 0;
    for answer in futures::future::join_all(uploads).await {
        match answer?.outcome() {
            (201, None) => stored += 1,
            other => ensure!(other == FULL, "{other:?}"),
        }
    }
    ensure!(stored == 10, "{stored} of 10 were stored");
    service.cluster.kill_manager().await?;
    service.cluster.start_manager().await?;
    service.cluster.wait_available(1).await?;
    ensure!(callers[0].put("ci-x", "x").await?.outcome() == FULL);
    // The file is read again when it changes.
    bound(&mut service, r#""stored_files":11"#)?;
    wait::until(SOON, async || {
        callers[1].put("ci-x", "x").await?.expect(201)?;
        Ok(())
    })
    .await?;
    ensure!(callers[0].put("ci-y", "x").await?.outcome() == FULL);
    Ok(())
}

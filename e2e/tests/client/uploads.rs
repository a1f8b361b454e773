//! Uploads on a way on which answers get lost and bytes change.

use crate::behind::behind;
use anyhow::{Context, Result, ensure};
use client::{Client, Code, Error, Upload};
use e2e::callers::{Closed, known};
use e2e::cluster::Cluster;
use e2e::content;
use e2e::faulty::{Fault, Faulty};
use e2e::library::names;
use futures::{StreamExt, stream};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::block_in_place;

/// Longer than what is read before it is sent.
const LONG: usize = 5_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_stores_nothing_twice() -> Result<()> {
    let cluster = Cluster::start(2).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("long");
    std::fs::write(&path, content::bytes(1, LONG))?;
    for (name, upload) in [
        ("bytes", Upload::bytes(content::bytes(1, 1000))),
        ("file", Upload::file(&path)),
    ] {
        let (way, client) = behind(&cluster, [Fault::CutAnswer(0), Fault::CutAnswer(0)]).await?;
        let stored = client.put(name, upload).await.context(name)?;
        ensure!(
            way.connections() == 3,
            "{name}: {} attempts",
            way.connections()
        );
        ensure!(client.stat(name).await?.id == stored.id);
    }
    ensure!(names(&cluster.client()?).await? == ["bytes", "file"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_delete_is_no_missing_file() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.client()?.put("a", "1").await?;
    let (way, client) = behind(&cluster, []).await?;
    let id = client.stat("a").await?.id;
    way.next([Fault::CutAnswer(0)]);
    // A connection of its own.
    let client = Client::builder(&way.url())?.build()?;
    client.delete_exactly("a", id).await?;
    ensure!(way.connections() == 3);
    let error = client.delete("a").await.unwrap_err();
    ensure!(error.code() == Some(Code::FileDoesNotExist), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_change_on_their_way_are_not_kept() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("long");
    std::fs::write(&path, content::bytes(1, LONG))?;
    // Behind the head of the request.
    let flip = Fault::FlipRequest(1000);
    let (_way, client) = behind(&cluster, [flip]).await?;
    let error = client
        .put("short", Upload::bytes(content::bytes(1, 2000)))
        .await
        .unwrap_err();
    ensure!(error.code() == Some(Code::InvalidRequest), "{error}");
    let (_way, client) = behind(&cluster, [flip]).await?;
    let error = client.put("long", Upload::file(&path)).await.unwrap_err();
    ensure!(
        matches!(error, Error::StoredDamaged { left: None, .. }),
        "{error}"
    );
    ensure!(names(&cluster.client()?).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_sent_once() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let data = content::bytes(1, LONG);
    let pieces = || {
        let pieces: Vec<io::Result<_>> = data
            .chunks(100_000)
            .map(|piece| Ok(data.slice_ref(piece)))
            .collect();
        stream::iter(pieces)
    };
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let (way, client) = behind(&cluster, []).await?;
    let upload = Upload::stream(pieces());
    let upload = upload.on_progress(move |bytes| counted.store(bytes, Ordering::Relaxed));
    client.put("whole", upload).await?;
    ensure!(sent.load(Ordering::Relaxed) == LONG as u64);
    ensure!(client.get("whole").await?.bytes().await? == data);
    way.next([Fault::CutAnswer(0)]);
    // A connection of its own.
    let client = Client::builder(&way.url())?.build()?;
    let error = client
        .put("cut", Upload::stream(pieces()))
        .await
        .unwrap_err();
    ensure!(matches!(error, Error::ReadOnce { .. }), "{error}");
    ensure!(
        error.to_string().contains("may have been stored"),
        "{error}"
    );
    let broken = pieces()
        .take(30)
        .chain(stream::once(async { Err(io::Error::other("torn off")) }));
    let error = client
        .put("broken", Upload::stream(broken))
        .await
        .unwrap_err();
    ensure!(matches!(error, Error::Source { .. }), "{error}");
    let error = client.stat("broken").await.unwrap_err();
    ensure!(error.code() == Some(Code::FileDoesNotExist), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_tried_again() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let (way, client) = behind(&cluster, []).await?;
    let folder = tempfile::tempdir()?;
    for path in [folder.path().join("none"), folder.path().to_owned()] {
        let error = client.put("a", Upload::file(&path)).await.unwrap_err();
        ensure!(matches!(error, Error::Source { .. }), "{error}");
    }
    ensure!(way.connections() == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_attempt_to_delete_spares_another_file() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let other = cluster.client()?;
    other.put("a", "1").await?;
    let way = Faulty::start(cluster.http(), []).await?;
    let id = Client::builder(&way.url())?.build()?.stat("a").await?.id;
    way.next([Fault::CutAnswer(0)]);
    let in_the_pause = move |_: &Error, _| {
        let stored = other.put("a", "another");
        block_in_place(|| Handle::current().block_on(stored)).unwrap();
    };
    let client = Client::builder(&way.url())?
        .on_retry(in_the_pause)
        .build()?;
    client.delete_exactly("a", id).await?;
    ensure!(way.connections() == 3);
    ensure!(client.get("a").await?.bytes().await? == "another");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_damaged_and_stays_is_said() -> Result<()> {
    let mut closed = Closed::start(&[]).await?;
    let (caller, token) = closed.add(&["--name=creator", "--rights=create"]).await?;
    known(&[caller]).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("long");
    std::fs::write(&path, content::bytes(1, LONG))?;
    let way = Faulty::start(closed.cluster.http(), [Fault::FlipRequest(1000)]).await?;
    let client = Client::builder(&way.url())?.token(&token)?.build()?;
    let error = client.put("a", Upload::file(&path)).await.unwrap_err();
    let left = matches!(error, Error::StoredDamaged { left: Some(_), .. });
    ensure!(left && error.to_string().contains("still there"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_use_is_refused_before_a_long_body() -> Result<()> {
    const MUCH: usize = 64 << 20;
    let cluster = Cluster::start(1).await?;
    let (way, client) = behind(&cluster, []).await?;
    client.put("a", Upload::bytes("1")).await?;
    let folder = tempfile::tempdir_in(e2e::cluster::binaries::scratch()?)?;
    let path = folder.path().join("much");
    std::fs::write(&path, content::bytes(1, MUCH))?;
    // So slow that the refusal comes long before the end.
    way.next([Fault::SlowRequest(Duration::from_millis(20))]);
    let client = Client::builder(&way.url())?.build()?;
    let read = Arc::new(AtomicU64::new(0));
    let counted = read.clone();
    let upload =
        Upload::file(&path).on_progress(move |bytes| counted.store(bytes, Ordering::Relaxed));
    let error = client.put("a", upload).await.unwrap_err();
    ensure!(error.code() == Some(Code::FileNameExists), "{error}");
    let read = read.load(Ordering::Relaxed);
    ensure!(read < MUCH as u64, "{read} bytes were sent");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_slowly_is_not_silent() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let data = content::bytes(1, 32 << 20);
    // More than three seconds, of which little lies in the buffers of sockets.
    let slow = Fault::SlowRequest(Duration::from_millis(6));
    let way = Faulty::start(cluster.http(), [slow]).await?;
    let client = Client::builder(&way.url())?
        .silence(Duration::from_secs(2))
        .deadline(Duration::ZERO)
        .build()?;
    let begun = Instant::now();
    client.put("a", Upload::bytes(data)).await?;
    ensure!(
        begun.elapsed() > Duration::from_secs(2),
        "it was not slow: {:?}",
        begun.elapsed()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_waits_for_a_service_that_is_not_there_yet() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let at = e2e::ports::free()?;
    let retried = Arc::new(Notify::new());
    let (told, url) = (retried.clone(), format!("http://{at}"));
    let client = Client::builder(&url)?
        .on_retry(move |_, _| told.notify_one())
        .build()?;
    let upload = Upload::stream(stream::iter([Ok("one ".into()), Ok("two".into())]));
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.put("a", upload).await }
    });
    retried.notified().await;
    let _way = Faulty::start_at(at, cluster.http(), []).await?;
    waits.await??;
    ensure!(client.get("a").await?.bytes().await? == "one two");
    Ok(())
}

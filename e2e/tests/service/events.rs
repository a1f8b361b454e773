//! The status as a stream of events: live while its caller may see it and the manager runs.

use anyhow::{Context, Result, ensure};
use e2e::callers::{Closed, known};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::wait;
use e2e::wire::{Body, Client, Pieces};
use http::header::ACCEPT;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Far below the time for which a manager waits for what is in flight.
const AT_ONCE: Duration = Duration::from_secs(8);

struct Events {
    answer: Response<Incoming>,
    text: String,
}

impl Events {
    async fn open(client: &Client) -> Result<Self> {
        let request = Request::builder()
            .method(Method::GET)
            .uri("/status")
            .header(ACCEPT, "text/event-stream")
            .body(Body::Pieces(Pieces::empty()))?;
        let answer = client.start(request).await?;
        ensure!(answer.status() == 200, "{answer:?}");
        Ok(Self {
            answer,
            text: String::new(),
        })
    }

    /// The next event or comment; `None` at the end.
    async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Ok(Some(event));
            }
            let Some(frame) = wait::at_most(SOON, self.answer.frame()).await? else {
                return Ok(None);
            };
            let data = frame?.into_data().ok().context("no data")?;
            self.text += std::str::from_utf8(&data)?;
        }
    }

    /// The status of the next event.
    async fn status(&mut self) -> Result<Value> {
        loop {
            let event = self.next().await?.context("the stream ended")?;
            if let Some(data) = event.strip_prefix("event: status\ndata: ") {
                return Ok(serde_json::from_str(data)?);
            }
        }
    }

    async fn ends(&mut self) -> Result<()> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_comes_at_once_and_whenever_it_has_changed() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    let (mut one, mut other) = (Events::open(&client).await?, Events::open(&client).await?);
    ensure!(one.status().await?["files"] == 0);
    client.put("f", "x").await?.expect(201)?;
    let stored = async |events: &mut Events| {
        while events.status().await?["files"] != 1 {}
        anyhow::Ok(())
    };
    wait::at_most(SOON, stored(&mut one)).await??;
    wait::at_most(SOON, stored(&mut other)).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_events_is_not_idle() -> Result<()> {
    let options = Options {
        nodes: 0,
        manager_args: vec!["--idle-timeout=1s".to_owned()],
        ..Options::default()
    };
    let cluster = Cluster::start_with(options).await?;
    let mut events = Events::open(&cluster.wire()).await?;
    events.status().await?;
    for _ in 0..2 {
        let comment = events.next().await?;
        ensure!(comment.as_deref() == Some(":"), "{comment:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_callers_right() -> Result<()> {
    let mut closed = Closed::start(&[]).await?;
    let watcher = closed.caller(&["--name=watcher", "--rights=admin"]).await?;
    known(std::slice::from_ref(&watcher)).await?;
    let mut events = Events::open(&watcher).await?;
    events.status().await?;
    closed.lines.retain(|line| !line.contains("\"watcher\""));
    closed.write()?;
    wait::at_most(SOON, events.ends()).await??;
    ensure!(watcher.call(Method::GET, "/status").await?.status == 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_hold_up_no_end() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let mut events = Events::open(&cluster.wire()).await?;
    events.status().await?;
    let begun = Instant::now();
    let manager = cluster.manager.take().context("no manager")?;
    let status = manager.terminate(SOON).await?;
    let took = begun.elapsed();
    ensure!(
        status.success() && took < AT_ONCE,
        "{status} after {took:?}"
    );
    events.ends().await
}

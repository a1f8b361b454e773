//! Many clients that upload all files, or fetch and compare them, and try again
//! where the service asks for that.

use super::Source;
use crate::content;
use crate::wire::{self, Answer, Body, Route};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use client::Client;
use http::Request;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long one file may be tried for.
const PATIENCE: Duration = Duration::from_secs(90);

/// What all clients share.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    wire: wire::Client,
    client: Client,
    sources: Arc<Vec<Source>>,
    done: Arc<AtomicUsize>,
    retries: Arc<AtomicU64>,
}

impl Transfer {
    pub(super) fn new(address: SocketAddr, sources: Arc<Vec<Source>>) -> Result<Self> {
        let retries = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&retries);
        let client = Client::builder(&format!("http://{address}"))?
            .deadline(PATIENCE)
            .on_retry(move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
            })
            .build()?;
        Ok(Self {
            wire: wire::Client::new(address),
            client,
            sources,
            done: Arc::default(),
            retries,
        })
    }

    /// How often something was tried again.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Waits until this many files are done.
    pub(super) async fn reached(&self, files: usize, within: Duration) -> Result<()> {
        let start = Instant::now();
        while self.done.load(Ordering::Relaxed) < files {
            ensure!(
                start.elapsed() < within,
                "no {files} files within {within:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Sends what `make` gives until there is an answer that is neither 503 nor 429.
    async fn persist(&self, make: impl Fn() -> Result<Request<Body>>) -> Result<Answer> {
        let start = Instant::now();
        loop {
            let outcome = self.wire.send(make()?).await;
            let wait = match &outcome {
                Ok(answer) if matches!(answer.status.as_u16(), 503 | 429) => {
                    let seconds = answer.header("retry-after").parse().unwrap_or(1);
                    Duration::from_secs(seconds).min(Duration::from_secs(5))
                }
                Ok(_) => return outcome,
                Err(_) => Duration::from_millis(500),
            };
            if start.elapsed() > PATIENCE {
                bail!("given up after {PATIENCE:?}: {outcome:?}");
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
        }
    }

    async fn upload(&self, index: usize) -> Result<()> {
        let source = &self.sources[index];
        let data = read(source)?;
        let route = Route::ALL[index % Route::ALL.len()];
        // With a key, an upload whose answer was lost can be sent again.
        let key = content::hex(&content::sha256(source.name.as_bytes())[..16]);
        let make = || {
            let mut request = route.request(&source.name, &data)?;
            request
                .headers_mut()
                .insert("idempotency-key", format!("\"{key}\"").parse()?);
            Ok(request)
        };
        self.persist(make)
            .await?
            .expect(201)
            .with_context(|| format!("{route:?}"))?;
        Ok(())
    }

    async fn compare(&self, index: usize) -> Result<()> {
        let source = &self.sources[index];
        let body = self.client.get(&source.name).await?.bytes().await?;
        let (there, here) = (content::sha256(&body), content::sha256(&read(source)?));
        ensure!(
            there == here,
            "SHA-256 {} instead of {}",
            content::hex(&there),
            content::hex(&here)
        );
        Ok(())
    }
}

fn read(source: &Source) -> Result<Bytes> {
    let data = std::fs::read(&source.path);
    Ok(data
        .with_context(|| format!("reading {}", source.path.display()))?
        .into())
}

/// Uploads every file once.
pub(super) async fn upload_all(transfer: Transfer, clients: usize) -> Result<()> {
    for_each(transfer, clients, |transfer, index| async move {
        transfer.upload(index).await
    })
    .await
}

/// Fetches every file and compares the SHA-256 sums.
pub(super) async fn download_all(transfer: Transfer, clients: usize) -> Result<()> {
    for_each(transfer, clients, |transfer, index| async move {
        transfer.compare(index).await
    })
    .await
}

async fn for_each<F, Fut>(transfer: Transfer, clients: usize, work: F) -> Result<()>
where
    F: Fn(Transfer, usize) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    transfer.done.store(0, Ordering::Relaxed);
    let mut tasks = tokio::task::JoinSet::<Result<()>>::new();
    for _ in 0..clients {
        let (transfer, next) = (transfer.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(source) = transfer.sources.get(index) else {
                    return Ok(());
                };
                let outcome = work(transfer.clone(), index).await;
                outcome.with_context(|| source.name.clone())?;
                transfer.done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.context("a client panicked")??;
    }
    Ok(())
}

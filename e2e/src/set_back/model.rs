//! What the clients of the run were answered: what is stored and what is deleted,
//! to be compared with the service after its store was set back.

use crate::content;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use client::{Client, Code, Error, Upload};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Clients at once.
const CLIENTS: usize = 8;
/// How often a request is tried while it is answered 503 or breaks off.
const TRIES: usize = 120;
const PAUSE: Duration = Duration::from_millis(250);

/// Acknowledged uploads by name, and acknowledged deletes.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    stored: BTreeMap<String, u64>,
    deleted: BTreeSet<String>,
    seeds: u64,
}

/// The clients, and what they were answered.
#[derive(Clone)]
pub(super) struct Model {
    clients: Vec<Client>,
    known: Arc<Mutex<Acknowledged>>,
}

fn data(seed: u64) -> Bytes {
    // One in 200 is large, and has a stream of its own.
    let size = match seed % 200 {
        0 => 100_000,
        rest => 20 + rest * 11,
    };
    content::bytes(seed, size as usize)
}

impl Model {
    pub(super) fn new(clients: Vec<Client>) -> Self {
        Self {
            clients,
            known: Arc::default(),
        }
    }

    /// Names of files that are stored.
    pub(super) fn stored(&self) -> Vec<String> {
        self.known.lock().stored.keys().cloned().collect()
    }

    fn client(&self, at: usize) -> &Client {
        &self.clients[at % self.clients.len()]
    }

    /// Stores a file, as a patient client does.
    pub(super) async fn put(&self, name: &str) -> Result<()> {
        let seed = {
            let mut known = self.known.lock();
            known.seeds += 1;
            known.seeds
        };
        let mut last = None;
        for attempt in 0..TRIES {
            let upload = Upload::bytes(data(seed)).key(format!("k{seed}"));
            match self.client(seed as usize + attempt).put(name, upload).await {
                Ok(_) => {
                    let mut known = self.known.lock();
                    known.deleted.remove(name);
                    known.stored.insert(name.to_owned(), seed);
                    return Ok(());
                }
                Err(error) if error.is_retryable() => last = Some(error),
                Err(error) => return Err(error).context(format!("upload of {name}")),
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("upload of {name}, after {TRIES} tries: {last:?}")
    }

    /// Deletes a file, as a patient client does.
    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        let mut last = None;
        for attempt in 0..TRIES {
            match self.client(attempt).delete(name).await {
                Err(error) if error.is_retryable() => last = Some(error),
                Err(error) if !error.is_gone() => {
                    return Err(error).context(format!("delete of {name}"));
                }
                _ => {
                    let mut known = self.known.lock();
                    known.stored.remove(name);
                    known.deleted.insert(name.to_owned());
                    return Ok(());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("delete of {name}, after {TRIES} tries: {last:?}")
    }

    /// Stores many files at once.
    pub(super) async fn put_all(&self, names: Vec<String>) -> Result<()> {
        self.each(names, async |model, name| model.put(&name).await)
            .await
    }

    /// Deletes one in `every` of the stored files, and stores about half of those
    /// anew under their names.
    pub(super) async fn churn(&self, every: usize) -> Result<usize> {
        let names: Vec<_> = self.stored().into_iter().step_by(every).collect();
        let count = names.len();
        self.each(names, async |model, name| {
            model.delete(&name).await?;
            let again = name.bytes().map(u32::from).sum::<u32>() % 2 == 0;
            match again {
                true => model.put(&name).await,
                false => Ok(()),
            }
        })
        .await?;
        Ok(count)
    }

    async fn each<F>(&self, names: Vec<String>, work: F) -> Result<()>
    where
        F: AsyncFn(Self, String) -> Result<()> + Clone + 'static,
    {
        let local = tokio::task::LocalSet::new();
        let names = Arc::new(Mutex::new(names.into_iter()));
        local
            .run_until(async {
                let mut tasks = JoinSet::new();
                for _ in 0..CLIENTS {
                    let (model, names, work) = (self.clone(), names.clone(), work.clone());
                    tasks.spawn_local(async move {
                        loop {
                            let next = names.lock().next();
                            let Some(name) = next else {
                                return anyhow::Ok(());
                            };
                            work(model.clone(), name).await?;
                        }
                    });
                }
                while let Some(task) = tasks.join_next().await {
                    task??;
                }
                Ok(())
            })
            .await
    }

    /// Every acknowledged file reads byte for byte.
    pub(super) async fn all_are_there(&self) -> Result<usize> {
        let names = self.stored();
        let count = names.len();
        self.each(names, async |model, name| {
            let seed = model.known.lock().stored.get(&name).copied();
            let seed = seed.context("it is stored")?;
            let read = async { model.client(seed as usize).get(&name).await?.bytes().await };
            let body = read.await.with_context(|| name.clone())?;
            ensure!(body == data(seed), "{name} has other bytes");
            Ok(())
        })
        .await?;
        Ok(count)
    }

    /// No deleted file is served again. Where its record came back with the store
    /// its bytes are missing, and it is deleted once more.
    pub(super) async fn none_came_back(&self) -> Result<usize> {
        let names: Vec<_> = self.known.lock().deleted.iter().cloned().collect();
        let count = names.len();
        self.each(names, async |model, name| {
            let read = model.client(0).get(&name).await.map(drop);
            let code = read.as_ref().err().and_then(Error::code);
            let gone = matches!(code, Some(Code::FileDoesNotExist | Code::FileUnavailable));
            ensure!(gone, "{name} was deleted: {read:?}");
            model.delete(&name).await
        })
        .await?;
        Ok(count)
    }
}

//! The files of the run: made from their numbers, uploaded and read through
//! several managers.

use crate::content;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use client::{Client, Error, Upload};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Clients at once.
const CLIENTS: usize = 16;
/// How often an upload is tried, through one manager after the other.
const TRIES: usize = 40;

/// The files, and the managers that serve them.
pub struct Files {
    every: Vec<Client>,
    chosen: Vec<Client>,
    count: usize,
}

fn name(number: usize) -> String {
    format!("file-{number}")
}

fn data(number: usize) -> Bytes {
    // Every hundredth is large, and needs a stream of its own.
    let size = match number % 100 {
        0 => 150_000,
        rest => 50 + rest * 37,
    };
    content::bytes(number as u64, size)
}

impl Files {
    /// No files yet, and these managers.
    pub fn new(clients: Vec<Client>) -> Self {
        Self {
            chosen: clients.clone(),
            every: clients,
            count: 0,
        }
    }

    /// From now on through one manager only.
    pub fn only(&mut self, at: usize) {
        self.chosen = vec![self.every[at].clone()];
    }

    /// From now on through all of them.
    pub fn all(&mut self) {
        self.chosen = self.every.clone();
    }

    /// From now on through these managers.
    pub fn through(&mut self, clients: Vec<Client>) {
        self.chosen.clone_from(&clients);
        self.every = clients;
    }

    /// Stores files again that were lost, by their names.
    ///
    /// # Errors
    /// Where one is not stored.
    pub async fn store_again(&self, names: &[String]) -> Result<()> {
        for lost in names {
            let number = lost.strip_prefix("file-").and_then(|n| n.parse().ok());
            if let Some(number) = number {
                store(&self.chosen, 0, number).await?;
            }
        }
        Ok(())
    }

    /// A manager by its number, whichever are chosen.
    pub fn manager(&self, at: usize) -> &Client {
        &self.every[at]
    }

    /// One of the chosen managers.
    pub fn client(&self, at: usize) -> Client {
        self.chosen[at % self.chosen.len()].clone()
    }

    /// Files that were uploaded.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Uploads this many new files, and gives the rate.
    pub async fn upload(&mut self, count: usize) -> Result<f64> {
        let begun = Instant::now();
        let next = Arc::new(AtomicUsize::new(self.count));
        let end = self.count + count;
        let mut tasks = JoinSet::new();
        for worker in 0..CLIENTS {
            let (clients, next) = (self.chosen.clone(), next.clone());
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        return anyhow::Ok(());
                    }
                    store(&clients, worker, number).await?;
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        self.count = end;
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }

    /// Reads a file through a manager and compares it.
    pub async fn read(&self, at: usize, number: usize) -> Result<()> {
        read(&self.client(at), number).await
    }

    /// Reads about this many files, spread over all, and gives their numbers.
    pub async fn read_some(&self, at: usize, count: usize) -> Result<Vec<usize>> {
        let client = self.every[at].clone();
        let step = (self.count / count).max(1);
        let numbers: Vec<usize> = (0..self.count).step_by(step).collect();
        for number in &numbers {
            read(&client, *number).await?;
        }
        Ok(numbers)
    }

    /// Reads all files, each through one manager or the other.
    pub async fn compare_all(&self) -> Result<usize> {
        let mut tasks = JoinSet::new();
        for worker in 0..CLIENTS {
            let (client, count) = (self.client(worker), self.count);
            tasks.spawn(async move {
                for number in (worker..count).step_by(CLIENTS) {
                    read(&client, number).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(self.count)
    }

    /// Deletes a file by its number.
    ///
    /// # Errors
    /// Where it is not deleted.
    pub async fn delete(&self, number: usize) -> Result<(), Error> {
        self.client(0).delete(&name(number)).await
    }
}

/// Stores a file as a patient client would: with a key, again where that may help, and
/// through the next manager.
async fn store(clients: &[Client], worker: usize, number: usize) -> Result<()> {
    let mut last = None;
    for attempt in 0..TRIES {
        let client = &clients[(worker + attempt) % clients.len()];
        let upload = Upload::bytes(data(number)).key(format!("k{number}"));
        match client.put(&name(number), upload).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_retryable() => last = Some(error),
            Err(error) => return Err(error).context(format!("file {number}")),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    anyhow::bail!("file {number}, after {TRIES} tries: {last:?}")
}

async fn read(client: &Client, number: usize) -> Result<()> {
    let read = async { client.get(&name(number)).await?.bytes().await };
    let body = read.await.with_context(|| format!("file {number}"))?;
    ensure!(body == data(number), "file {number}: other bytes");
    Ok(())
}

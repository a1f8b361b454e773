//! Clients that upload and read all the time, and count the answers that they get.

use crate::content;
use anyhow::Result;
use client::{Client, Error, Upload};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Clients at once.
const CLIENTS: u64 = 4;
/// Pause of a client after each of its rounds.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause before a request is sent once more.
const AGAIN: Duration = Duration::from_secs(1);

/// Traffic that goes on until it is stopped.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    stored: Mutex<Vec<u64>>,
    answers: Mutex<BTreeMap<String, u64>>,
    /// Whether a request that broke, or found no server, is sent once more.
    tries_again: bool,
}

/// What the clients saw.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Files that were stored.
    pub stored: Vec<u64>,
    /// Counts of answers by request and result: `upload 201` and so on.
    pub answers: BTreeMap<String, u64>,
}

impl Seen {
    /// Counts of the answers that were no success, of requests that begin with `of`.
    pub fn failures(&self, of: &str) -> BTreeMap<String, u64> {
        let bad = self.answers.iter().filter(|(what, _)| {
            what.starts_with(of) && !what.ends_with(" 201") && !what.ends_with(" 200")
        });
        bad.map(|(what, count)| (what.clone(), *count)).collect()
    }

    /// In a few words.
    pub fn words(&self) -> String {
        let each: Vec<_> = self
            .answers
            .iter()
            .map(|(what, count)| format!("{what} ×{count}"))
            .collect();
        each.join(", ")
    }
}

fn name(series: &str, number: u64) -> String {
    format!("{series}-{number}")
}

fn data(number: u64) -> bytes::Bytes {
    content::bytes(number, 100 + (number as usize % 50) * 97)
}

impl Traffic {
    /// Begins a series of files.
    pub fn start(client: &Client, series: &'static str) -> Self {
        Self::with(client, series, Shared::default())
    }

    /// The same by clients that try once more.
    pub fn trying_again(client: &Client, series: &'static str) -> Self {
        let shared = Shared {
            tries_again: true,
            ..Shared::default()
        };
        Self::with(client, series, shared)
    }

    fn with(client: &Client, series: &'static str, shared: Shared) -> Self {
        let traffic = Self {
            shared: Arc::new(shared),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        for worker in 0..CLIENTS {
            let (client, shared) = (client.clone(), traffic.shared.clone());
            let stop = traffic.stop.clone();
            traffic.tasks.spawn(async move {
                while !stop.is_cancelled() {
                    shared.round(&client, series, worker).await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        traffic
    }

    /// Ends it, after the requests under way.
    pub async fn stop(self) -> Seen {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let lock = |list: &Mutex<Vec<u64>>| list.lock().clone();
        let answers = self.shared.answers.lock();
        Seen {
            stored: lock(&self.shared.stored),
            answers: answers.clone(),
        }
    }
}

impl Shared {
    fn count(&self, what: String) {
        let mut answers = self.answers.lock();
        *answers.entry(what).or_default() += 1;
    }

    /// One upload, and a read of an earlier file.
    async fn round(&self, client: &Client, series: &str, worker: u64) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = name(series, number);
        let upload = || Upload::bytes(data(number)).key(&file);
        let mut sent = client.put(&file, upload()).await;
        if self.tries_again && failed(&sent) {
            self.count("upload, sent again 200".to_owned());
            tokio::time::sleep(AGAIN).await;
            sent = client.put(&file, upload()).await;
        }
        match sent {
            Ok(_) => {
                self.count("upload 201".to_owned());
                self.stored.lock().push(number);
            }
            Err(error) => self.count(answered("upload", error)),
        }
        let earlier = {
            let stored = self.stored.lock();
            let at = number.wrapping_mul(7).wrapping_add(worker) as usize;
            stored.get(at % stored.len().max(1)).copied()
        };
        let Some(earlier) = earlier else {
            return;
        };
        let earlier_name = name(series, earlier);
        let read = async || client.get(&earlier_name).await?.bytes().await;
        let mut answer = read().await;
        if self.tries_again && failed(&answer) {
            self.count("read, sent again 200".to_owned());
            tokio::time::sleep(AGAIN).await;
            answer = read().await;
        }
        match answer {
            Ok(body) if body != data(earlier) => self.count("read OTHER BYTES".to_owned()),
            Ok(_) => self.count("read 200".to_owned()),
            Err(error) => self.count(answered("read", error)),
        }
    }
}

/// Whether a client that knows HTTP would send it again.
fn failed<T>(sent: &Result<T, Error>) -> bool {
    sent.as_ref().is_err_and(Error::is_retryable)
}

fn answered(what: &str, error: Error) -> String {
    let Some(refusal) = error.refusal() else {
        return format!("{what} broke: {:#}", anyhow::Error::from(error));
    };
    let status = refusal.status.as_u16();
    match refusal.code {
        Some(code) => format!("{what} {status}/{}", code.number()),
        None => format!("{what} {status}"),
    }
}

/// Reads every file of a series that was stored, byte for byte.
///
/// # Errors
/// At the first that is not as it was.
pub async fn compare(client: &Client, series: &str, seen: &Seen) -> Result<usize> {
    for number in &seen.stored {
        let body = client.get(&name(series, *number)).await?.bytes().await?;
        anyhow::ensure!(body == data(*number), "{series}-{number}: other bytes");
    }
    Ok(seen.stored.len())
}

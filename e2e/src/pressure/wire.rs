//! Many clients of one address, over either version of HTTP.

use crate::wire::{Answer, Body, Client, Http2};
use anyhow::{Result, ensure};
use http::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Requests that the service serves at once on one HTTP/2 connection.
const STREAMS: usize = 100;

/// The version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A connection for each client.
    Http1,
    /// As few connections as carry all requests at once.
    Http2,
}

/// One client.
#[derive(Debug, Clone)]
pub enum Wire {
    /// With a connection of its own.
    Http1(Client),
    /// On a connection that it shares.
    Http2(Http2),
}

impl Wire {
    /// Opens this many clients.
    ///
    /// # Errors
    /// Where nobody answers.
    pub async fn open(version: Version, address: SocketAddr, clients: usize) -> Result<Vec<Self>> {
        let mut wires: Vec<Self> = Vec::with_capacity(clients);
        for client in 0..clients {
            wires.push(match version {
                Version::Http1 => Self::Http1(Client::new(address)),
                Version::Http2 if client.is_multiple_of(STREAMS) => {
                    Self::Http2(Http2::open(address).await?)
                }
                Version::Http2 => wires[client - client % STREAMS].clone(),
            });
        }
        Ok(wires)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Where the answer does not come, or breaks off.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer> {
        match self {
            Self::Http1(client) => client.send(request).await,
            Self::Http2(client) => client.send(request).await,
        }
    }
}

/// What many clients saw that all did the same.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Steps that went as they should.
    pub good: u64,
    /// Steps that did not.
    pub bad: u64,
    /// The first of these.
    pub first: Option<String>,
    /// The slowest step.
    pub slowest: Duration,
}

impl Seen {
    /// Fails where anything went wrong.
    ///
    /// # Errors
    /// With the number, and the first.
    pub fn clean(self) -> Result<Self> {
        let Self {
            good, bad, first, ..
        } = &self;
        ensure!(*bad == 0, "{bad} of {} went wrong: {first:?}", good + bad);
        Ok(self)
    }
}

/// Has every client do `step` again and again, `steps` times in all, each with a
/// number of its own.
///
/// # Errors
/// Where a client panicked.
pub async fn storm<Step>(wires: &[Wire], steps: u64, step: Step) -> Result<Seen>
where
    Step: AsyncStep,
{
    let next = Arc::new(AtomicU64::new(0));
    let step = Arc::new(step);
    let mut clients = tokio::task::JoinSet::new();
    for wire in wires {
        let (wire, next, step) = (wire.clone(), next.clone(), step.clone());
        clients.spawn(async move {
            let mut seen = Seen::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= steps {
                    return seen;
                }
                let begun = Instant::now();
                match step.run(&wire, number).await {
                    Ok(()) => seen.good += 1,
                    Err(error) => {
                        seen.bad += 1;
                        seen.first.get_or_insert_with(|| format!("{error:#}"));
                    }
                }
                seen.slowest = seen.slowest.max(begun.elapsed());
            }
        });
    }
    let mut all = Seen::default();
    while let Some(seen) = clients.join_next().await {
        let seen = seen?;
        all.good += seen.good;
        all.bad += seen.bad;
        all.first = all.first.or(seen.first);
        all.slowest = all.slowest.max(seen.slowest);
    }
    Ok(all)
}

/// What a client does, with the number of the step.
pub trait AsyncStep: Send + Sync + 'static {
    /// Does it and checks the answer.
    fn run(&self, wire: &Wire, number: u64) -> impl Future<Output = Result<()>> + Send;
}

//! The clients that hammer a few names through all managers at once.

use super::answers::{Contents, effect, listed};
use super::history::{Call, Content, Operation};
use super::wire::{Sent, Wire};
use crate::content;
use crate::wire::{Body, NameAt, Pieces, Route, encode_name};
use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request};
use parking_lot::Mutex;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::Rng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the hammered names begin with.
pub(super) const PREFIX: &str = "hot-";
/// Half of the clients wait for the answer even of a manager that was paused.
const PATIENT: Duration = Duration::from_secs(20);
/// The other half stops waiting, and goes on through the other manager.
const IMPATIENT: Duration = Duration::from_secs(1);
/// The longest pause between two requests of a client, in milliseconds.
const PAUSE_MS: u64 = 20;
/// A client that can't connect waits for so long.
const UNREACHABLE: Duration = Duration::from_millis(50);
/// Requests in a hundred, of each kind; the rest are listings.
const SHARES: [(Call, u64); 5] = [
    (Call::Put, 20),
    (Call::Post, 15),
    (Call::Get, 25),
    (Call::Head, 10),
    (Call::Delete, 25),
];

/// How often each kind of request had each outcome.
type Counts = BTreeMap<(Call, String), u64>;

/// What all clients share.
pub(super) struct Load {
    start: Instant,
    managers: Vec<SocketAddr>,
    names: Vec<String>,
    contents: Contents,
    next: AtomicU64,
    stop: AtomicBool,
    histories: Vec<Mutex<Vec<Operation>>>,
    counts: Mutex<Counts>,
}

impl Load {
    pub(super) fn new(managers: Vec<SocketAddr>, names: usize) -> Self {
        Self {
            start: Instant::now(),
            managers,
            names: (0..names).map(|at| format!("{PREFIX}{at}")).collect(),
            contents: Contents::default(),
            next: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            histories: (0..names).map(|_| Mutex::default()).collect(),
            counts: Mutex::default(),
        }
    }

    /// Time since the start, as the histories state it.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Lets each client end after the request that it has under way.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The histories, by name.
    pub(super) fn histories(&self) -> Vec<(String, Vec<Operation>)> {
        let taken = self.histories.iter().map(|history| {
            let history = history.lock();
            history.clone()
        });
        self.names.iter().cloned().zip(taken).collect()
    }

    /// How often each kind of request had each outcome.
    pub(super) fn counts(&self) -> Counts {
        let counts = self.counts.lock();
        counts.clone()
    }

    /// Runs one client, until [`Self::stop`] is called.
    ///
    /// # Errors
    /// At an answer that the service must never give.
    pub(super) async fn work(self: Arc<Self>, client: usize, seed: u64) -> Result<()> {
        let patience = match client % 2 {
            0 => PATIENT,
            _ => IMPATIENT,
        };
        let mut worker = Worker {
            wire: Wire::new(&self.managers, patience),
            random: content::random(seed ^ (client as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            load: self,
            client,
        };
        while !worker.load.stop.load(Ordering::Relaxed) {
            worker.one().await?;
            let pause = worker.draw(PAUSE_MS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    /// Reads each name through each manager, as the last operations of the histories.
    ///
    /// # Errors
    /// When a read proves nothing: everything is up again.
    pub(super) async fn last_look(self: &Arc<Self>, client: usize) -> Result<()> {
        let mut worker = Worker {
            wire: Wire::new(&self.managers, PATIENT),
            random: content::random(0),
            load: self.clone(),
            client,
        };
        for manager in 0..self.managers.len() {
            for at in 0..self.names.len() {
                let said = worker.ask(manager, at, Call::Get).await?;
                anyhow::ensure!(said, "{} can't be read in the end", self.names[at]);
            }
        }
        Ok(())
    }
}

struct Worker {
    load: Arc<Load>,
    wire: Wire,
    client: usize,
    random: SplitMix64,
}

impl Worker {
    fn draw(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below
    }

    async fn one(&mut self) -> Result<()> {
        let manager = self.draw(self.load.managers.len() as u64) as usize;
        let at = self.draw(self.load.names.len() as u64) as usize;
        let mut dice = self.draw(100);
        for (call, share) in SHARES {
            if dice < share {
                return self.ask(manager, at, call).await.map(drop);
            }
            dice -= share;
        }
        self.list(manager).await
    }

    /// Sends one request for one name, and gives whether its answer proved anything.
    async fn ask(&mut self, manager: usize, at: usize, call: Call) -> Result<bool> {
        let (request, content) = self.request(call, at)?;
        let begun = self.load.now();
        let sent = self.wire.send(manager, request).await;
        let ended = self.load.now();
        self.count(call, &sent).await;
        let effect = effect(&self.load.contents, call, content, &sent)
            .with_context(|| format!("{} at {begun:?}", self.load.names[at]))?;
        if let Some(effect) = effect {
            let operation = Operation {
                begun,
                ended,
                client: self.client,
                manager: manager + 1,
                call,
                answer: sent.word(),
                effect,
            };
            self.note(at, operation);
        }
        Ok(effect.is_some())
    }

    async fn list(&mut self, manager: usize) -> Result<()> {
        let request = Request::get(format!("/files?prefix={PREFIX}"));
        let request = request.body(Pieces::empty().into())?;
        let begun = self.load.now();
        let sent = self.wire.send(manager, request).await;
        let ended = self.load.now();
        self.count(Call::List, &sent).await;
        let effects = listed(&self.load.contents, &self.load.names, &sent)?;
        for (at, effect) in effects.into_iter().enumerate() {
            let operation = Operation {
                begun,
                ended,
                client: self.client,
                manager: manager + 1,
                call: Call::List,
                answer: sent.word(),
                effect,
            };
            self.note(at, operation);
        }
        Ok(())
    }

    fn note(&self, at: usize, operation: Operation) {
        let history = &self.load.histories[at];
        let mut history = history.lock();
        history.push(operation);
    }

    async fn count(&self, call: Call, sent: &Sent) {
        *self
            .load
            .counts
            .lock()
            .entry((call, sent.word()))
            .or_default() += 1;
        if matches!(sent, Sent::Never) {
            tokio::time::sleep(UNREACHABLE).await;
        }
    }

    /// The request, and the content that it uploads, if it uploads one.
    fn request(&mut self, call: Call, at: usize) -> Result<(Request<Body>, Content)> {
        let name = self.load.names[at].clone();
        let (method, route) = match call {
            Call::Put => (Method::PUT, Some(Route::Put)),
            Call::Post => {
                let posts = [
                    Route::Json(NameAt::First),
                    Route::Json(NameAt::Last),
                    Route::Form(NameAt::First),
                    Route::Multipart(NameAt::Last),
                ];
                let drawn = self.draw(posts.len() as u64) as usize;
                (Method::POST, Some(posts[drawn]))
            }
            Call::Get | Call::List => (Method::GET, None),
            Call::Head => (Method::HEAD, None),
            Call::Delete => (Method::DELETE, None),
        };
        if let Some(route) = route {
            let (content, bytes) = self.content();
            return Ok((route.request(&name, &bytes)?, content));
        }
        let request = Request::builder().method(method);
        let request = request.uri(format!("/file/{}", encode_name(&name)));
        Ok((request.body(Pieces::empty().into())?, 0))
    }

    /// A content that no upload had before; one in twelve needs a stream of its own.
    fn content(&mut self) -> (Content, Bytes) {
        let number = self.load.next.fetch_add(1, Ordering::Relaxed);
        let size = match self.draw(12) {
            0 => 80_000 + self.draw(200_000),
            _ => 50 + self.draw(3000),
        };
        let bytes = content::bytes(number, size as usize);
        self.load.contents.add(number, &bytes);
        (number, bytes)
    }
}

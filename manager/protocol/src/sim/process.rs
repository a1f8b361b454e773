//! A process of a simulated world: what it is to the protocol, and what the world itself
//! draws and notes.

use super::runtime::{Shared, Simulation};
use super::timers::Sleep;
use crate::world::Runtime;
use futures::future::BoxFuture;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time of day at which every run begins.
const BEGUN_UNIX_MS: u64 = 1_700_000_000_000;

/// A process of a simulated world: its tasks end together.
#[derive(Clone)]
pub struct Process {
    shared: Arc<Shared>,
    pub(super) number: u64,
}

impl Simulation {
    /// A process that runs in this world.
    pub fn process(&self) -> Process {
        Process::new(&self.0)
    }
}

impl Process {
    /// Begins one.
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            number: shared.begin(),
            shared: shared.clone(),
        }
    }

    /// Another process of the same world.
    pub fn another(&self) -> Self {
        Self::new(&self.shared)
    }

    /// Ends all of its tasks wherever they wait, as `kill -9` does, and for good.
    pub fn kill(&self) {
        self.shared.kill(self.number);
    }

    /// Runs a task.
    pub fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.spawn(self.number, Box::pin(task));
    }

    /// How long the world runs.
    pub fn elapsed(&self) -> Duration {
        self.shared.timers.now()
    }

    /// Draws a number below `bound`, which is not 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.shared.chance.lock().below(bound)
    }

    /// True in one of `times`; never where that is 0.
    pub fn one_in(&self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// Draws a time.
    pub fn between(&self, least: Duration, most: Duration) -> Duration {
        self.shared.chance.lock().between(least, most)
    }

    /// Waits for a time that it draws.
    pub fn pause(&self, least: Duration, most: Duration) -> BoxFuture<'static, ()> {
        self.sleep(self.between(least, most))
    }

    /// Notes an event.
    pub fn note(&self, what: impl Display) {
        let now = self.elapsed();
        self.shared.events.lock().note(now, &what.to_string());
    }
}

impl Runtime for Process {
    fn now(&self) -> Instant {
        self.shared.begun + self.elapsed()
    }

    fn unix_ms(&self) -> u64 {
        BEGUN_UNIX_MS + u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX >> 1)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let timers = self.shared.timers.clone();
        Box::pin(Sleep::new(timers, time))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.shared.spawn(self.number, task);
    }

    fn random(&self) -> u64 {
        self.shared.chance.lock().draw()
    }
}

//! Time, tasks and chance: what the protocol needs of the process around it, beside a
//! store and nodes. Every wait goes through here, so that a test can be the world.

use futures::future::BoxFuture;
use names::FileId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The process around the protocol. A test that is the world has the same run again from the
/// same random numbers; so no `tokio::select!` of the protocol may draw its own, and each
/// is `biased`.
pub trait Runtime: Send + Sync + 'static {
    /// The time on a clock that never goes back.
    fn now(&self) -> Instant;
    /// The time of day, in milliseconds since 1970.
    fn unix_ms(&self) -> u64;
    /// Ends once so much time has passed.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
    /// Runs a task to its end, beside its caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);
    /// Draws a random number.
    fn random(&self) -> u64;
}

/// The process around the protocol, as all of it shares it.
#[derive(Clone)]
pub struct World(Arc<dyn Runtime>);

/// A time that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl World {
    /// A world that runs on this.
    pub fn new(runtime: impl Runtime) -> Self {
        Self(Arc::new(runtime))
    }

    /// The time on a clock that never goes back.
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }

    /// Ends once so much time has passed.
    pub fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(time)
    }

    /// Ends at that time, at once where it is over.
    pub(crate) fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.sleep(at.saturating_duration_since(self.now()))
    }

    /// Waits for something, for so long at the most.
    ///
    /// # Errors
    /// When the time is over first.
    pub async fn timeout<F: Future>(&self, time: Duration, what: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            done = what => Ok(done),
            () = self.sleep(time) => Err(Elapsed),
        }
    }

    /// Runs a task to its end, beside its caller.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(Box::pin(task));
    }

    /// Draws a random number.
    pub fn random(&self) -> u64 {
        self.0.random()
    }

    /// Draws a new file's id.
    pub(crate) fn file_id(&self) -> FileId {
        let random = u128::from(self.random()) << 64 | u128::from(self.random());
        FileId::new(self.unix_ms(), random)
    }
}

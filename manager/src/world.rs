//! The process as the protocol sees it: tokio's clock and tasks, the system's chance.

use futures::future::BoxFuture;
use manager_protocol::world::{Runtime, World};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A process on tokio's runtime.
struct Process;

impl Runtime for Process {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        // What a request leaves behind is a part of its trace.
        tokio::spawn(kit::spans::here().around(task));
    }

    fn random(&self) -> u64 {
        rand::random()
    }
}

/// This process.
pub(crate) fn world() -> World {
    World::new(Process)
}

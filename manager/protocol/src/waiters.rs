//! How many uploads of one connection may wait for a place at the same time.
//!
//! An upload that waits is not read, so that what its client sent ahead stays in the
//! window of its HTTP/2 connection. Waiting uploads that fill the window would hold up
//! those that have a place: they would get no more bytes, and never give their places
//! back. So each connection has room for a number of uploads that wait, and the next
//! one is refused at once (docs/decisions/0041).

use crate::world::World;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One connection's room for uploads that wait; without a bound where those that wait
/// hold up nobody.
#[derive(Debug, Clone)]
pub struct Waiters(Option<Arc<Semaphore>>);

/// Why no place was had; completes a sentence that says of which.
#[derive(Debug, thiserror::Error)]
pub enum NoPlace {
    /// None came free in time.
    #[error("")]
    InTime,
    /// No further upload may wait.
    #[error(", and as many uploads of this HTTP/2 connection wait as its window has room for")]
    ToWait,
}

impl Waiters {
    /// Any number.
    pub const UNBOUNDED: Self = Self(None);

    /// At most `waiters` at once.
    pub fn at_most(waiters: usize) -> Self {
        Self(Some(Arc::new(Semaphore::new(waiters))))
    }

    /// Takes places, and waits for them at most `wait` where too few are free.
    ///
    /// # Errors
    /// When they don't come free in time, or one more may not wait.
    pub async fn take(
        &self,
        world: &World,
        places: &Arc<Semaphore>,
        wanted: u32,
        wait: Duration,
    ) -> Result<OwnedSemaphorePermit, NoPlace> {
        if let Ok(taken) = places.clone().try_acquire_many_owned(wanted) {
            return Ok(taken);
        }
        let _waiter = self.enter()?;
        let waiting = places.clone().acquire_many_owned(wanted);
        match world.timeout(wait, waiting).await {
            Ok(Ok(taken)) => Ok(taken),
            Ok(Err(_)) | Err(_) => Err(NoPlace::InTime),
        }
    }

    /// One more upload waits, until what this returns is dropped.
    fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, NoPlace> {
        let room = self.0.as_ref().map(|room| room.clone().try_acquire_owned());
        room.transpose().map_err(|_| NoPlace::ToWait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_there_is_room_for_is_refused_until_one_has_left() {
        let waiters = Waiters::at_most(2);
        let first = waiters.enter().expect("there is room");
        let _second = waiters.clone().enter().expect("there is room");
        assert!(waiters.enter().is_err());
        drop(first);
        assert!(waiters.enter().is_ok());
    }

    #[test]
    fn without_a_bound_any_number_waits() {
        let waiting: Result<Vec<_>, _> = (0..10_000).map(|_| Waiters::UNBOUNDED.enter()).collect();
        assert!(waiting.is_ok());
    }
}

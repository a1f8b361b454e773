//! How many uploads of one connection may wait for a place at the same time.
//!
//! An upload that waits is not read, so that what its client sent ahead stays in the
//! window of its HTTP/2 connection. Waiting uploads that fill the window would hold up
//! those that have a place: they would get no more bytes, and never give their places
//! back. So each connection has room for a number of uploads that wait, and the next
//! one is refused at once (docs/decisions/0041).

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One connection's room for uploads that wait; without a bound where those that wait
/// hold up nobody.
#[derive(Debug, Clone)]
pub(crate) struct Waiters(Option<Arc<Semaphore>>);

/// One upload that waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    _room: Option<OwnedSemaphorePermit>,
}

/// No further upload may wait.
#[derive(Debug, thiserror::Error)]
#[error("as many uploads of this HTTP/2 connection wait as its window has room for")]
pub(crate) struct Crowded;

impl Waiters {
    /// Any number.
    pub(crate) const UNBOUNDED: Self = Self(None);

    /// At most `waiters` at once.
    pub(crate) fn at_most(waiters: usize) -> Self {
        Self(Some(Arc::new(Semaphore::new(waiters))))
    }

    /// One more upload waits.
    ///
    /// # Errors
    /// [`Crowded`], where there is no room for it.
    pub(crate) fn enter(&self) -> Result<Waiter, Crowded> {
        let room = self.0.as_ref().map(|room| room.clone().try_acquire_owned());
        Ok(Waiter {
            _room: room.transpose().map_err(|_| Crowded)?,
        })
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

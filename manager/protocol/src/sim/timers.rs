//! The clock of a simulated world, and who waits for it.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The clock and the timers that are set.
#[derive(Clone, Default)]
pub(super) struct Timers(Arc<Mutex<Clock>>);

#[derive(Default)]
struct Clock {
    now: Duration,
    last: u64,
    /// By time, and by the order in which they were set.
    set: BTreeMap<(Duration, u64), Waker>,
}

impl Timers {
    /// How long the clock runs.
    pub(super) fn now(&self) -> Duration {
        self.0.lock().now
    }

    /// Goes on to the next timer and wakes all that wait for that time; false where none is
    /// set.
    pub(super) fn advance(&self) -> bool {
        let mut clock = self.0.lock();
        let Some(((at, _), first)) = clock.set.pop_first() else {
            return false;
        };
        clock.now = at;
        let others = clock.set.extract_if(..=(at, u64::MAX), |_, _| true);
        let others: Vec<Waker> = others.map(|(_, waker)| waker).collect();
        drop(clock);
        std::iter::once(first).chain(others).for_each(Waker::wake);
        true
    }
}

/// Waits for a time.
pub(super) struct Sleep {
    timers: Timers,
    until: Duration,
    set: Option<(Duration, u64)>,
}

impl Sleep {
    /// Ends once so much time has passed from now on.
    pub(super) fn new(timers: Timers, time: Duration) -> Self {
        let until = timers.now().saturating_add(time);
        let set = None;
        Self { timers, until, set }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timers = self.timers.clone();
        let mut clock = timers.0.lock();
        if clock.now >= self.until {
            return Poll::Ready(());
        }
        let until = self.until;
        let key = *self.set.get_or_insert_with(|| {
            clock.last += 1;
            (until, clock.last)
        });
        clock.set.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.set {
            let removed = self.timers.0.lock().set.remove(&key);
            drop(removed);
        }
    }
}

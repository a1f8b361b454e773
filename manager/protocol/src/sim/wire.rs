//! What lies between two parts of a simulated world: messages take their time, and are
//! lost as the seed draws it. An order is a task of its own, so that it arrives even where
//! the manager that sent it has died meanwhile.

use super::process::Process;
use crate::world::Runtime;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a message takes, as a rule.
const QUICK: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(4));
/// How long a slow one takes.
const SLOW: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(3));
/// After how long a caller notices that its answer is lost: at once where the connection
/// broke, and else by its own deadline.
const NOTICED: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(14));
/// How much later than its caller gave up on it an order may arrive.
const LATE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(40));

/// How often messages go wrong: in one of so many cases, never where it is 0.
#[derive(Debug, Clone, Copy, Default)]
pub struct Odds {
    /// The order is lost before it has an effect.
    pub before: u64,
    /// The answer is lost after the effect.
    pub after: u64,
    /// The order counts as lost, and has its effect later.
    pub late: u64,
    /// The message is slow.
    pub slow: u64,
    /// A read of the store fails.
    pub reads: u64,
    /// A record is overlooked by a read that may be out of date.
    pub overlooked: u64,
    /// A stream breaks off midway, or a join does.
    pub breaks: u64,
}

/// The messages between managers, nodes and the store.
#[derive(Clone)]
pub struct Wire {
    outside: Process,
    odds: Odds,
    calm: Arc<AtomicBool>,
}

/// What becomes of an order.
enum Fate {
    Answered,
    LostBefore,
    LostAfter,
    Late,
}

/// Messages that arrive in the order in which they were sent.
#[derive(Default)]
pub(super) struct Lane(Mutex<Duration>);

impl Lane {
    /// How long a message takes that would take so long by itself: it does not pass the
    /// one before it.
    fn after_the_last(&self, now: Duration, takes: Duration) -> Duration {
        let mut last = self.0.lock();
        *last = (now + takes).max(*last + Duration::from_micros(1));
        last.saturating_sub(now)
    }
}

impl Wire {
    /// Messages that go wrong so often; `outside` is what carries them.
    pub fn new(outside: Process, odds: Odds) -> Self {
        let calm = Arc::default();
        Self {
            outside,
            odds,
            calm,
        }
    }

    /// From now on nothing goes wrong any more. What was sent before still may.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Whether this read of the store fails.
    pub(super) fn read_fails(&self) -> bool {
        self.one_in(self.odds.reads)
    }

    /// Whether this record is overlooked by a read that may be out of date.
    pub(super) fn is_overlooked(&self) -> bool {
        self.one_in(self.odds.overlooked)
    }

    /// Whether this stream breaks off.
    pub(super) fn breaks(&self) -> bool {
        self.one_in(self.odds.breaks)
    }

    fn one_in(&self, times: u64) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.outside.one_in(times)
    }

    /// The process that outlives every manager.
    pub(super) fn outside(&self) -> &Process {
        &self.outside
    }

    /// Draws how long a message takes.
    pub(super) fn takes(&self) -> Duration {
        let (least, most) = match self.one_in(self.odds.slow) {
            true => SLOW,
            false => QUICK,
        };
        self.outside.between(least, most)
    }

    /// Sends an order. Its answer comes in by the receiver, which is closed where it is lost.
    pub(super) fn send<T: Send + 'static>(
        &self,
        what: &'static str,
        lane: Option<&Lane>,
        effect: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, receiver) = oneshot::channel();
        let fate = self.fate();
        let there = match (&fate, lane) {
            (Fate::Answered | Fate::LostBefore | Fate::LostAfter, Some(lane)) => {
                lane.after_the_last(self.outside.elapsed(), self.takes())
            }
            (Fate::Late, _) | (_, None) => self.takes(),
        };
        let back = self.takes();
        let outside = self.outside.clone();
        self.outside.run(async move {
            outside.sleep(there).await;
            match fate {
                Fate::Answered => {
                    let result = effect.await;
                    outside.sleep(back).await;
                    // Its caller may have gone.
                    let _ = answer.send(result);
                }
                Fate::LostBefore => {
                    outside.note(format_args!("{what} is lost"));
                    outside.pause(NOTICED.0, NOTICED.1).await;
                }
                Fate::LostAfter => {
                    drop(effect.await);
                    outside.note(format_args!("the answer to {what} is lost"));
                    outside.pause(NOTICED.0, NOTICED.1).await;
                }
                Fate::Late => {
                    outside.pause(NOTICED.0, NOTICED.1).await;
                    drop(answer);
                    outside.pause(LATE.0, LATE.1).await;
                    outside.note(format_args!("{what} arrives late"));
                    drop(effect.await);
                }
            }
        });
        receiver
    }

    fn fate(&self) -> Fate {
        if self.one_in(self.odds.before) {
            Fate::LostBefore
        } else if self.one_in(self.odds.after) {
            Fate::LostAfter
        } else if self.one_in(self.odds.late) {
            Fate::Late
        } else {
            Fate::Answered
        }
    }
}

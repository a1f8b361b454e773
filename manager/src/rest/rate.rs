//! How much one caller may ask for and move: a budget that fills as time goes by, up to
//! what comes in within [`BURST`]. What is under way is never held up: it is charged as
//! it goes, and whoever is in debt gets code 9 for the next request.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much of a rate may be used at once after a pause.
const BURST: Duration = Duration::from_secs(5);

/// One budget.
#[derive(Debug)]
pub(super) struct Budget {
    /// What comes in each second; nothing bounds where it is 0.
    per_second: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What is left; below 0 it is owed.
    left: f64,
    at: Instant,
}

impl Budget {
    /// A full one.
    pub(super) fn new(per_second: u64, now: Instant) -> Self {
        let left = per_second as f64 * BURST.as_secs_f64();
        Self {
            per_second: AtomicU64::new(per_second),
            state: Mutex::new(State { left, at: now }),
        }
    }

    /// What comes in each second.
    pub(super) fn per_second(&self) -> u64 {
        self.per_second.load(Ordering::Relaxed)
    }

    /// From now on so much comes in; what is owed stays owed.
    pub(super) fn set(&self, per_second: u64) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Whether as much is left as can be: then a new budget is no better.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.per_second() == 0 || self.now(now, |left| *left >= self.most())
    }

    /// Charges an amount.
    pub(super) fn charge(&self, amount: u64, now: Instant) {
        if self.per_second() > 0 {
            self.now(now, |left| *left -= amount as f64);
        }
    }

    /// Charges an amount if nothing is owed; otherwise returns after how long that is so.
    pub(super) fn ask(&self, amount: u64, now: Instant) -> Result<(), Duration> {
        if self.per_second() == 0 {
            return Ok(());
        }
        self.now(now, |left| {
            // What is asked for at once is at least possible once the budget is full.
            let needed = (amount as f64).min(self.most());
            if *left >= needed {
                *left -= amount as f64;
                return Ok(());
            }
            Err(Duration::from_secs_f64(
                (needed - *left) / self.per_second() as f64,
            ))
        })
    }

    fn most(&self) -> f64 {
        self.per_second() as f64 * BURST.as_secs_f64()
    }

    fn now<T>(&self, now: Instant, change: impl FnOnce(&mut f64) -> T) -> T {
        let mut state = self.state.lock();
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.left = (state.left + passed * self.per_second() as f64).min(self.most());
        state.at = state.at.max(now);
        change(&mut state.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn after_a_burst_as_much_is_let_in_as_comes_in() {
        let begun = Instant::now();
        let budget = Budget::new(10, begun);
        let let_in = |at: Duration| {
            (0..1000)
                .filter(|_| budget.ask(1, begun + at).is_ok())
                .count()
        };
        assert_eq!(let_in(Duration::ZERO), 50);
        assert_eq!(let_in(Duration::from_millis(100)), 1);
        assert_eq!(let_in(Duration::from_millis(1100)), 10);
        assert_eq!(
            let_in(Duration::from_secs(3600)),
            50,
            "a long pause saves no more"
        );
    }

    #[test]
    fn a_debt_is_waited_for() {
        let begun = Instant::now();
        let budget = Budget::new(100, begun);
        budget.charge(1500, begun);
        let wait = budget.ask(0, begun).expect_err("1000 are owed");
        assert_eq!(wait, Duration::from_secs(10));
        assert!(budget.ask(0, begun + Duration::from_millis(9_990)).is_err());
        assert!(budget.ask(0, begun + wait).is_ok());
        assert!(!budget.is_full(begun + wait));
        assert!(budget.is_full(begun + wait + BURST));
    }

    #[test]
    fn another_rate_forgives_no_debt() {
        let begun = Instant::now();
        let budget = Budget::new(10, begun);
        budget.charge(150, begun);
        budget.set(100);
        assert_eq!(budget.ask(0, begun), Err(Duration::from_secs(1)));
        budget.set(0);
        assert!(budget.ask(0, begun).is_ok());
    }

    #[test]
    fn no_rate_bounds_nothing() {
        let now = Instant::now();
        let budget = Budget::new(0, now);
        budget.charge(u64::MAX, now);
        assert!(budget.ask(u64::MAX, now).is_ok() && budget.is_full(now));
    }

    proptest! {
        #[test]
        fn never_more_is_let_in_than_the_burst_and_what_came_in(
            rate in 1_u64..1000,
            asks in proptest::collection::vec((0_u64..2000, 1_u64..50), 1..200),
        ) {
            let begun = Instant::now();
            let budget = Budget::new(rate, begun);
            let (mut at, mut taken) = (Duration::ZERO, 0);
            for (later, amount) in asks {
                at += Duration::from_millis(later);
                if budget.ask(amount, begun + at).is_ok() {
                    taken += amount;
                }
                let most = rate as f64 * (BURST + at).as_secs_f64() + 50.0;
                prop_assert!(taken as f64 <= most, "{taken} after {at:?}");
            }
        }
    }
}

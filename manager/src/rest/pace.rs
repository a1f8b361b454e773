//! How slow a client may be: bytes a second, averaged over some time, so that
//! one that trickles does not keep its place from others for ever.

use crate::limits::MinRate;
use std::time::Duration;

/// A client's account of time: it begins with the whole grace, the time that it
/// keeps us waiting is taken off, and each byte earns back the time that it may
/// take. Time in which we were not ready for it does not count.
#[derive(Debug)]
pub(super) struct Pace {
    rule: MinRate,
    left: Duration,
}

impl Pace {
    pub(super) fn new(rule: MinRate) -> Self {
        let left = rule.grace;
        Self { rule, left }
    }

    /// What it must keep to.
    pub(super) fn rule(&self) -> MinRate {
        self.rule
    }

    /// The client has sent or taken `bytes`, and kept us waiting for it.
    pub(super) fn moved(&mut self, bytes: u64, waited: Duration) {
        let left = self.left.saturating_add(self.earned(bytes));
        self.left = left.saturating_sub(waited).min(self.rule.grace);
    }

    /// How long it may keep us waiting until it has sent or taken `bytes`; `None` where
    /// there is no rule.
    pub(super) fn left_for(&self, bytes: u64) -> Option<Duration> {
        let left = self.left.saturating_add(self.earned(bytes));
        (self.rule.bytes_per_second > 0).then_some(left)
    }

    fn earned(&self, bytes: u64) -> Duration {
        match self.rule.bytes_per_second {
            0 => Duration::MAX,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        }
    }

    /// Whether its time is used up.
    pub(super) fn too_slow(&self) -> bool {
        self.left_for(0) == Some(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(bytes_per_second: u64) -> Pace {
        Pace::new(MinRate {
            bytes_per_second,
            grace: 10 * SECOND,
        })
    }

    #[test]
    fn a_trickle_ends_and_a_pause_after_a_burst_does_not() {
        let mut trickle = pace(1024);
        let mut seconds = 0;
        while !trickle.too_slow() {
            trickle.moved(1, SECOND);
            seconds += 1;
        }
        assert!((10..=11).contains(&seconds), "{seconds}");
        let mut bursts = pace(1024);
        for _ in 0..1000 {
            bursts.moved(9 * 1024, 9 * SECOND);
            assert!(!bursts.too_slow());
        }
    }

    #[test]
    fn without_a_rule_nobody_is_too_slow() {
        let mut pace = pace(0);
        pace.moved(0, 1000 * SECOND);
        assert!(!pace.too_slow() && pace.left_for(1).is_none());
    }

    proptest! {
        #[test]
        fn who_keeps_the_rate_is_never_cut_off(steps in prop::collection::vec(1_u64..9_000, 1..200)) {
            let mut pace = pace(1000);
            for ms in steps {
                pace.moved(ms, Duration::from_millis(ms));
                prop_assert!(!pace.too_slow());
            }
        }
    }
}

//! How fast the files of a draining node leave it, over the last minute. Every
//! manager sees that in the node's reports, whoever plans the moves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back samples count.
const WINDOW: Duration = Duration::from_secs(60);
/// The least time between two samples that are kept.
const STEP: Duration = Duration::from_millis(900);

/// Counts of files, the oldest first.
#[derive(Default)]
pub(super) struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    /// Takes a count in.
    pub(super) fn note(&mut self, now: Instant, files: u64) {
        if self
            .0
            .back()
            .is_some_and(|(at, _)| now.duration_since(*at) < STEP)
        {
            return;
        }
        self.0.push_back((now, files));
        while self
            .0
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.0.pop_front();
        }
    }

    /// Drops all counts: the node is not drained any more.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Files a second.
    pub(super) fn rate(&self) -> f64 {
        let (Some((begun, before)), Some((last, now))) = (self.0.front(), self.0.back()) else {
            return 0.0;
        };
        let seconds = last.duration_since(*begun).as_secs_f64();
        let left = before.saturating_sub(*now);
        if seconds > 0.0 && left > 0 {
            left as f64 / seconds
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minute_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert!(pace.rate() <= 0.0);
        pace.note(at(0), 1000);
        assert!(pace.rate() <= 0.0, "one look tells nothing");
        pace.note(at(10), 500);
        assert!((pace.rate() - 50.0).abs() < 0.01);
        for second in 11..=71 {
            pace.note(at(second), 500);
        }
        assert!(pace.rate() <= 0.0, "it stands still: {}", pace.rate());
        pace.forget();
        pace.note(at(80), 500);
        assert!(pace.rate() <= 0.0);
    }
}

//! What comes next in the lives of authorities, decided by their ages alone.

use crate::validity::Validity;
use std::time::{Duration, SystemTime};

/// The ages of the authorities of a release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    pub(super) previous: Option<Validity>,
    pub(super) current: Validity,
    pub(super) next: Option<Validity>,
}

/// A step in their lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The previous one is trusted no longer.
    Drop,
    /// The next one is made, and trusted from now on.
    Make,
    /// The next one signs from now on, and the current one becomes the previous one.
    Promote,
}

/// The step that is due, if any.
///
/// The next one signs once all have heard of it, which takes as long as `spread`, or once
/// the current one has expired: nobody accepts what that signs, so there is nothing to wait
/// for.
pub(super) fn step(ages: &Ages, spread: Duration, now: SystemTime) -> Option<Step> {
    if ages.previous.is_some_and(|it| it.has_expired(now)) {
        return Some(Step::Drop);
    }
    match &ages.next {
        Some(next) if is_known(next, spread, now) => Some(Step::Promote),
        Some(_) if ages.current.has_expired(now) => Some(Step::Promote),
        None if ages.current.is_due(now) => Some(Step::Make),
        Some(_) | None => None,
    }
}

/// Whether one was made so long ago that all trust it.
fn is_known(next: &Validity, spread: Duration, now: SystemTime) -> bool {
    let since = now.duration_since(next.made());
    since.is_ok_and(|since| since >= spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::second;

    const LIFE: u64 = 9000;
    const SPREAD: u64 = 600;

    #[test]
    fn each_step_has_its_time() {
        let of = |made: u64| {
            let life = Duration::from_secs(LIFE);
            Validity::new(life, second(made)).expect("fits")
        };
        for (previous, current, next, now, expected) in [
            // Nothing is due before two thirds are over.
            (None, 10_000, None, 10_000, None),
            (None, 10_000, None, 15_899, None),
            (None, 10_000, None, 15_900, Some(Step::Make)),
            (None, 10_000, None, 90_000, Some(Step::Make)),
            // The next one waits until it is known.
            (None, 10_000, Some(16_000), 16_000, None),
            (None, 10_000, Some(16_000), 16_600, None),
            (None, 10_000, Some(16_000), 16_601, Some(Step::Promote)),
            (None, 10_000, Some(16_000), 90_000, Some(Step::Promote)),
            // It does not where nobody accepts the current one.
            (None, 10_000, Some(19_000), 19_000, None),
            (None, 10_000, Some(19_001), 19_001, Some(Step::Promote)),
            // It was made by a clock that was ahead.
            (None, 10_000, Some(16_000), 12_000, None),
            // The previous one is trusted until it expires.
            (Some(10_000), 16_000, None, 19_000, None),
            (Some(10_000), 16_000, None, 19_001, Some(Step::Drop)),
            (Some(10_000), 16_000, Some(22_000), 23_000, Some(Step::Drop)),
        ] {
            let ages = Ages {
                previous: previous.map(of),
                current: of(current),
                next: next.map(of),
            };
            let due = step(&ages, Duration::from_secs(SPREAD), second(now));
            assert_eq!(due, expected, "{previous:?} {current} {next:?} at {now}");
        }
    }
}

//! When an owner's sum is counted anew: while nothing changes it, and with pauses between
//! what is seen, so that whatever was under way has ended or shows in the number of changes.

use manager_protocol::store::Totals;
use std::time::{Duration, Instant};

/// How long a sum that nothing has changed is taken for right: what leaves it wrong may
/// leave no trace in it.
const RIGHT: Duration = Duration::from_secs(60 * 60);

/// What is known of an owner's sum since the turn before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its number of changes.
    Seen(i64),
    /// What was counted while it had this number of changes.
    Counted(i64, Totals),
    /// It was right at this number of changes.
    Right(i64, Instant),
}

/// What a turn does about a sum.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but to note that.
    Note(Known),
    /// Count its records.
    Count,
    /// Write this in its place, unless it has changed meanwhile.
    Put(Totals),
}

/// The next step for a sum, as it is now with its number of changes; pure.
pub(super) fn step(known: Option<Known>, changes: i64, sum: Totals, now: Instant) -> Step {
    match known {
        Some(Known::Right(at, since)) if at == changes && now.duration_since(since) < RIGHT => {
            Step::Note(Known::Right(at, since))
        }
        Some(Known::Seen(at) | Known::Right(at, _)) if at == changes => Step::Count,
        Some(Known::Counted(at, counted)) if at == changes => match counted == sum {
            true => Step::Note(Known::Right(changes, now)),
            false => Step::Put(counted),
        },
        _ => Step::Note(Known::Seen(changes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: Totals = Totals {
        files: 3,
        bytes: 30,
    };
    const OTHER: Totals = Totals {
        files: 2,
        bytes: 20,
    };

    #[test]
    fn a_sum_is_put_right_only_where_nothing_has_changed_it_for_two_turns() {
        let now = Instant::now();
        let seen = Step::Note(Known::Seen(5));
        assert_eq!(step(None, 5, SUM, now), seen);
        assert_eq!(step(Some(Known::Seen(4)), 5, SUM, now), seen);
        assert_eq!(step(Some(Known::Seen(5)), 5, SUM, now), Step::Count);
        for (at, counted, wanted) in [
            (5, SUM, Step::Note(Known::Right(5, now))),
            (5, OTHER, Step::Put(OTHER)),
            (4, OTHER, Step::Note(Known::Seen(5))),
        ] {
            assert_eq!(step(Some(Known::Counted(at, counted)), 5, SUM, now), wanted);
        }
    }

    #[test]
    fn a_right_sum_is_counted_again_after_a_change_or_an_hour() {
        let now = Instant::now();
        let right = Known::Right(5, now);
        let later = now + RIGHT - Duration::from_secs(1);
        assert_eq!(step(Some(right), 5, SUM, later), Step::Note(right));
        assert_eq!(step(Some(right), 5, SUM, now + RIGHT), Step::Count);
        let seen = Step::Note(Known::Seen(6));
        assert_eq!(step(Some(right), 6, SUM, later), seen);
    }
}

//! From when until when a certificate is good, in whole seconds as certificates have it.

use crate::error::AuthorityError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// The most by which a certificate begins before it was made, for clocks that are behind.
const EARLY: u64 = 300;
/// The part of a life by which it does, where that is less.
const EARLY_PART: u64 = 10;

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// It is good from then on.
    pub not_before: SystemTime,
    /// It is good until then.
    pub not_after: SystemTime,
}

impl Validity {
    /// Of a certificate that is made now, and good for a second at the least.
    pub(crate) fn new(life: Duration, now: SystemTime) -> Result<Self, AuthorityError> {
        let (now, life) = (seconds(now), life.as_secs().max(1));
        let early = EARLY.min(life / EARLY_PART);
        let end = now.checked_add(life).ok_or(AuthorityError::TooLong)?;
        Ok(Self {
            not_before: at(now.saturating_sub(early))?,
            not_after: at(end)?,
        })
    }

    /// As a certificate has it, in seconds; what is before 1970 counts as 1970.
    pub(crate) fn of(not_before: i64, not_after: i64) -> Result<Self, AuthorityError> {
        let at = |second| at(u64::try_from(second).unwrap_or(0));
        Ok(Self {
            not_before: at(not_before)?,
            not_after: at(not_after)?,
        })
    }

    /// The part of it that lies within another one.
    pub(crate) fn within(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }

    /// No later than then was it made: the second in which it was has ended.
    pub(crate) fn made(&self) -> SystemTime {
        let early = EARLY.min(self.whole().as_secs() / (EARLY_PART + 1));
        self.not_before + Duration::from_secs(early + 1)
    }

    /// Whether it is time for another certificate: two thirds of the life of this one are
    /// over, or it has not begun, since it was made by a clock that was ahead.
    pub fn is_due(&self, now: SystemTime) -> bool {
        !self.has_begun(now) || now >= self.not_before + self.whole() * 2 / 3
    }

    /// Whether it has begun.
    pub(crate) fn has_begun(&self, now: SystemTime) -> bool {
        now >= self.not_before
    }

    /// Whether it has ended.
    pub fn has_expired(&self, now: SystemTime) -> bool {
        now > self.not_after
    }

    /// Both ends, as the library takes them.
    pub(crate) fn ends(&self) -> Result<[OffsetDateTime; 2], AuthorityError> {
        let end = |time| {
            let second = i64::try_from(seconds(time)).map_err(|_| AuthorityError::TooLong)?;
            OffsetDateTime::from_unix_timestamp(second).map_err(|_| AuthorityError::TooLong)
        };
        Ok([end(self.not_before)?, end(self.not_after)?])
    }

    fn whole(&self) -> Duration {
        let whole = self.not_after.duration_since(self.not_before);
        whole.unwrap_or_default()
    }
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn at(second: u64) -> Result<SystemTime, AuthorityError> {
    let since = Duration::from_secs(second);
    UNIX_EPOCH.checked_add(since).ok_or(AuthorityError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_certificate_begins_a_little_before_it_is_made() {
        for (life, early) in [(0, 0), (9, 0), (10, 1), (600, 60), (3000, 300), (9000, 300)] {
            let made = second(1_000_000) + Duration::from_millis(999);
            let validity = Validity::new(Duration::from_secs(life), made).expect("fits");
            assert_eq!(validity.not_before, second(1_000_000 - early), "{life}");
            assert_eq!(validity.not_after, second(1_000_000 + life.max(1)));
            assert_eq!(validity.made(), second(1_000_001), "{life}");
        }
    }

    #[test]
    fn one_is_due_when_two_thirds_are_over_or_before_it_begins() {
        let validity = Validity::of(1000, 4000).expect("fits");
        for (now, due, expired) in [
            (999, true, false),
            (1000, false, false),
            (2999, false, false),
            (3000, true, false),
            (4000, true, false),
            (4001, true, true),
        ] {
            assert_eq!(validity.is_due(second(now)), due, "{now}");
            assert_eq!(validity.has_expired(second(now)), expired, "{now}");
        }
    }

    #[test]
    fn what_no_certificate_can_say_is_refused() {
        let now = second(1_000_000);
        assert!(Validity::new(Duration::MAX, now).is_err());
        let long = Duration::from_secs(9000 * 366 * 86_400);
        assert!(Validity::new(long, now).is_ok_and(|validity| validity.ends().is_err()));
        assert!(Validity::of(-1, i64::MAX).is_ok_and(|validity| validity.ends().is_err()));
    }
}

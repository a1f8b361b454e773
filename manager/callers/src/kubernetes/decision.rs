//! For how long a decision of the API server is used, and what happens once it is not
//! fresh any more: pure.

use super::reviews::Away;
use std::time::Duration;
use tokio::time::Instant;

/// The longest that a denial is used without asking again, so that a new account or a
/// new right takes effect soon.
const DENIAL: Duration = Duration::from_secs(5);
/// How long after a failed review the same is not asked again, so that not each request
/// waits for an API server that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How long decisions are used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spans {
    /// While the API server can be asked.
    pub(super) fresh: Duration,
    /// How much longer while it can't.
    pub(super) stale: Duration,
}

/// How long one decision is used, from when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// Without asking again.
    fresh: Duration,
    /// While asking again fails.
    held: Duration,
}

impl Spans {
    /// Of whether a token is known. That it is not is never held: an attempt that fails
    /// is answered 503, so that a client with a good token tries again.
    pub(super) fn of_token(self, known: bool) -> Times {
        let access = self.of_access(known);
        let held = if known { access.held } else { access.fresh };
        Times { held, ..access }
    }

    /// Of whether a right is there.
    pub(super) fn of_access(self, allowed: bool) -> Times {
        let held = self.fresh.saturating_add(self.stale);
        let fresh = if allowed {
            self.fresh
        } else {
            self.fresh.min(DENIAL)
        };
        Times { fresh, held }
    }
}

/// What the API server decided.
#[derive(Debug)]
pub(super) struct Decision<T> {
    /// The decision.
    pub(super) value: T,
    /// How long it is used.
    pub(super) times: Times,
    /// When it was asked for: it is as old as the question, since what it rests on may
    /// have changed right after.
    pub(super) asked: Instant,
    /// When the answer was here.
    pub(super) answered: Instant,
    /// From when on it is not used, whatever its age.
    pub(super) ends: Option<Instant>,
}

impl<T> Decision<T> {
    fn is_fresh(&self, now: Instant) -> bool {
        self.is_within(self.times.fresh, now)
    }

    fn is_held(&self, now: Instant) -> bool {
        self.is_within(self.times.held, now)
    }

    fn is_within(&self, span: Duration, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.asked);
        age < span && self.ends.is_none_or(|ends| now < ends)
    }
}

/// A review that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// When it had failed.
    pub(super) at: Instant,
    /// Why.
    pub(super) why: Away,
}

/// What is remembered of one question: the last decision, and the failure since then.
#[derive(Debug)]
pub(super) struct Record<T> {
    /// The last decision.
    pub(super) decision: Option<Decision<T>>,
    /// The last failure, if no decision came after it.
    pub(super) failure: Option<Failure>,
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Self {
            decision: None,
            failure: None,
        }
    }
}

/// What a request does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Use<'a, T> {
    /// It goes by what was decided.
    Decided(&'a T),
    /// It fails as the last review did.
    Away(&'a Away),
    /// It asks the API server.
    Review,
}

impl<T> Record<T> {
    /// What a request does now that came at `came`. An answer or a failure that came
    /// after it counts for it, however short it is used else: of many requests that
    /// waited for one review none makes another.
    pub(super) fn choose(&self, came: Instant, now: Instant) -> Use<'_, T> {
        let shared = |decision: &&Decision<T>| decision.answered > came || decision.is_fresh(now);
        if let Some(decision) = self.decision.as_ref().filter(shared) {
            return Use::Decided(&decision.value);
        }
        let Some(failure) = &self.failure else {
            return Use::Review;
        };
        if failure.at <= came && now.saturating_duration_since(failure.at) >= PAUSE {
            return Use::Review;
        }
        match self.held(now) {
            Some(value) => Use::Decided(value),
            None => Use::Away(&failure.why),
        }
    }

    /// What a request may go by while another one asks: after a failure the decision is
    /// held anyway, and nobody waits to see whether the API server is back.
    pub(super) fn meanwhile(&self, now: Instant) -> Option<&T> {
        self.failure.as_ref().and_then(|_| self.held(now))
    }

    fn held(&self, now: Instant) -> Option<&T> {
        let decision = self.decision.as_ref()?;
        decision.is_held(now).then_some(&decision.value)
    }
}

#[cfg(test)]
mod tests;

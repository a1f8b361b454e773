//! The two rates of one client, requests and bytes, and the answer to whoever is over one.

use super::rate::Budget;
use crate::limits::RestLimits;
use manager_callers::Rates;
use manager_protocol::failure::Failure;
use parking_lot::Mutex;
use proto::Code;
use std::time::{Duration, Instant};

/// What a client may ask for and move.
pub(super) struct Allowance {
    /// Requests that it may send.
    asks: Budget,
    /// Bytes of files that it may move.
    moves: Budget,
    /// Which of them are the caller's own, and not those of all.
    own: Mutex<Rates>,
}

/// Requests and bytes a second.
fn rates(own: &Rates, limits: &RestLimits) -> (u64, u64) {
    let requests = own.requests.unwrap_or(limits.caller_requests_per_second);
    let bytes = own.bytes.unwrap_or(limits.caller_bytes_per_second);
    (requests.into(), bytes)
}

impl Allowance {
    pub(super) fn new(own: &Rates, limits: &RestLimits) -> Self {
        let (requests, bytes) = rates(own, limits);
        let now = Instant::now();
        Self {
            asks: Budget::new(requests, now),
            moves: Budget::new(bytes, now),
            own: Mutex::new(*own),
        }
    }

    /// From now on these are the client's own rates; what is owed stays owed.
    pub(super) fn set(&self, own: &Rates, limits: &RestLimits) {
        let mut known = self.own.lock();
        if *known != *own {
            let (requests, bytes) = rates(own, limits);
            self.asks.set(requests);
            self.moves.set(bytes);
            *known = *own;
        }
    }

    /// Charges a request, unless the client is over one of its rates.
    ///
    /// # Errors
    /// Code 9, naming the bound, the rate, and when to come again.
    pub(super) fn ask(&self, now: Instant) -> Result<(), Failure> {
        let over = |budget: &Budget, wait: Duration, bound: &str, of: &str| {
            let why = format_args!("{bound}: over {} {of} a second", budget.per_second());
            let mut failure = Failure::new(Code::TooManyRequests).because(why);
            failure.retry_after = u32::try_from(wait.as_secs() + 1).ok();
            failure
        };
        self.moves.ask(0, now).map_err(|wait| {
            let bound = match self.own.lock().bytes {
                Some(_) => "`bytes_per_second` of this caller",
                None => "--caller-bytes-per-second",
            };
            over(&self.moves, wait, bound, "bytes")
        })?;
        self.asks.ask(1, now).map_err(|wait| {
            let bound = match self.own.lock().requests {
                Some(_) => "`requests_per_second` of this caller",
                None => "--caller-requests-per-second",
            };
            over(&self.asks, wait, bound, "requests")
        })
    }

    /// Charges bytes of files.
    pub(super) fn charge(&self, moved: u64, now: Instant) {
        self.moves.charge(moved, now);
    }

    /// Whether bytes are bounded at all.
    pub(super) fn counts_bytes(&self) -> bool {
        self.moves.per_second() > 0
    }

    /// Whether it has used anything that has not come in again.
    pub(super) fn owes(&self, now: Instant) -> bool {
        !self.asks.is_full(now) || !self.moves.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_over_a_rate_learns_whose_it_is() {
        let flags = ["--caller-requests-per-second=1"];
        let limits = RestLimits::given(&flags).expect("good flags");
        let now = Instant::now();
        let refused = |allowance: &Allowance| {
            let asked = (0..100).find_map(|_| allowance.ask(now).err());
            asked.and_then(|failure| failure.detail)
        };
        let all = Allowance::new(&Rates::default(), &limits);
        let why = refused(&all).expect("over the rate of all");
        assert!(
            why.contains("--caller-requests-per-second: over 1 "),
            "{why}"
        );
        let own = Rates {
            requests: Some(2),
            bytes: None,
        };
        all.set(&own, &limits);
        let why = refused(&all).expect("what is owed stays owed");
        assert!(
            why.contains("`requests_per_second` of this caller: over 2 "),
            "{why}"
        );
        let none = Rates {
            requests: Some(0),
            bytes: None,
        };
        all.set(&none, &limits);
        assert_eq!(refused(&all), None);
    }
}

//! How the API server is asked: a few questions at once, each with a deadline.

use super::reviews::Away;
use crate::Share;
use crate::share::STRANGERS;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// How many questions are open at once.
const PLACES: usize = 16;
/// The longest that a question waits for a place.
const WAIT: Duration = Duration::from_secs(5);
/// The longest that an answer may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// The least time from one line of the log to the next.
const QUIET: Duration = Duration::from_secs(10);

/// A place for a question; it is free again once it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Its client's own, and one of all that are about strangers.
    _among_strangers: Option<[OwnedSemaphorePermit; 2]>,
    _among_all: OwnedSemaphorePermit,
}

/// The places for questions.
#[derive(Debug)]
pub(super) struct Asking {
    places: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    outage: Mutex<Outage>,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
            outage: Mutex::default(),
        }
    }
}

impl Asking {
    /// Waits for a place; for a question about a stranger within its client's share. That
    /// all are taken says nothing of the API server, and is not logged.
    pub(super) async fn place(&self, stranger: Option<&Share>) -> Result<Place, Away> {
        let too_many = || Away("too many reviews at once".to_owned());
        let _waits = match stranger {
            Some(share) => Some(share.wait().ok_or_else(too_many)?),
            None => None,
        };
        let places = async {
            let among_strangers = match stranger {
                Some(share) => Some([share.place().await, taken(&self.strangers).await]),
                None => None,
            };
            Place {
                _among_strangers: among_strangers,
                _among_all: taken(&self.places).await,
            }
        };
        timeout(WAIT, places).await.map_err(|_| too_many())
    }

    /// Asks; with the answer comes the moment of the question.
    pub(super) async fn ask<T>(
        &self,
        place: Place,
        question: impl Future<Output = Result<T, Away>>,
    ) -> Result<(T, Instant), Away> {
        let asked = Instant::now();
        let answer = match timeout(DEADLINE, question).await {
            Ok(answer) => answer,
            Err(_) => Err(Away(format!(
                "the API server does not answer: nothing came within {DEADLINE:?}"
            ))),
        };
        drop(place);
        self.log(answer.as_ref().err());
        answer.map(|answer| (answer, asked))
    }

    fn log(&self, failed: Option<&Away>) {
        let changed = self.outage.lock().turns(failed.is_some(), Instant::now());
        match failed {
            Some(why) if changed => tracing::warn!(%why, "callers can't be checked"),
            None if changed => tracing::warn!("callers can be checked again"),
            _ => {}
        }
    }
}

async fn taken(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = places.clone().acquire_owned().await;
    permit.expect("nobody closes the semaphore")
}

/// Whether the API server is away, as the log has it.
#[derive(Debug, Default)]
struct Outage {
    is_away: bool,
    logged: Option<Instant>,
}

impl Outage {
    /// Whether that is worth a line. An API server that fails every other time is not
    /// worth one each time.
    fn turns(&mut self, is_away: bool, now: Instant) -> bool {
        let is_quiet = |logged| now.saturating_duration_since(logged) < QUIET;
        if self.is_away == is_away || self.logged.is_some_and(is_quiet) {
            return false;
        }
        *self = Self {
            is_away,
            logged: Some(now),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
        let begin = Instant::now();
        let mut outage = Outage::default();
        for (second, is_away, wanted) in [
            (0, false, false),
            (1, true, true),
            (2, true, false),
            (3, false, false),
            (4, true, false),
            (11, false, true),
            (12, false, false),
            (13, true, false),
            (21, true, true),
        ] {
            let now = begin + Duration::from_secs(second);
            assert_eq!(outage.turns(is_away, now), wanted, "{second}");
        }
    }
}

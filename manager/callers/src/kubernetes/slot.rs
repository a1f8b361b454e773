//! One question to the API server, with its last answer. However many requests have it
//! at once, one of them asks.

use super::decision::{Decision, Failure, Record, Use};
use super::reviews::Away;
use parking_lot::RwLock;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::Instrument;

/// A question and what is remembered of it.
#[derive(Debug)]
pub(super) struct Slot<T> {
    /// Never locked across an `await`.
    record: RwLock<Record<T>>,
    /// Whose turn it is to ask.
    turn: Arc<Mutex<()>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            record: RwLock::default(),
            turn: Arc::default(),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Slot<T> {
    /// The decision that counts now. Only if none does, `place` is polled, and with the
    /// place that it yields `review` is run.
    ///
    /// A request that is cancelled while it waits for its turn or its place leaves that to
    /// the next. The review itself goes on without it: the answer counts for others, and
    /// so does that there was none, even if no client waits for as long as it takes to
    /// see that. There are never more such reviews than places.
    pub(super) async fn decide<P, R>(
        self: &Arc<Self>,
        place: impl Future<Output = Result<P, Away>>,
        review: impl FnOnce(P) -> R,
    ) -> Result<T, Away>
    where
        R: Future<Output = Result<Decision<T>, Away>> + Send + 'static,
    {
        let came = Instant::now();
        if let Some(used) = self.used(came, came) {
            return used;
        }
        let turn = match self.turn.clone().try_lock_owned() {
            Ok(turn) => turn,
            Err(_) => {
                let meanwhile = self.record.read().meanwhile(came).cloned();
                if let Some(value) = meanwhile {
                    return Ok(value);
                }
                self.turn.clone().lock_owned().await
            }
        };
        if let Some(used) = self.used(came, Instant::now()) {
            return used;
        }
        let place = match place.await {
            Ok(place) => place,
            Err(why) => return self.failed(came, why),
        };
        let (slot, review) = (self.clone(), review(place));
        let review = async move {
            let result = match review.await {
                Ok(decision) => Ok(slot.decided(decision)),
                Err(why) => slot.failed(came, why),
            };
            drop(turn);
            result
        };
        let result = tokio::spawn(review.in_current_span()).await;
        result.unwrap_or_else(|_| Err(Away("the review broke off".to_owned())))
    }

    /// What was decided last, however long ago.
    pub(super) fn last(&self) -> Option<T> {
        let record = self.record.read();
        record.decision.as_ref().map(|last| last.value.clone())
    }

    fn used(&self, came: Instant, now: Instant) -> Option<Result<T, Away>> {
        match self.record.read().choose(came, now) {
            Use::Decided(value) => Some(Ok(value.clone())),
            Use::Away(why) => Some(Err(why.clone())),
            Use::Review => None,
        }
    }

    fn decided(&self, decision: Decision<T>) -> T {
        let value = decision.value.clone();
        *self.record.write() = Record {
            decision: Some(decision),
            failure: None,
        };
        value
    }

    fn failed(&self, came: Instant, why: Away) -> Result<T, Away> {
        let at = Instant::now();
        self.record.write().failure = Some(Failure {
            at,
            why: why.clone(),
        });
        self.used(came, at).unwrap_or(Err(why))
    }
}

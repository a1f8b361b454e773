//! The totals of all files, as `/status` tells them. A database counts them
//! anew at each question, which takes long where there are many files: then the
//! last answer is told for a while.

use manager_store::{Store, StoreError, Totals};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// An answer is told for this many times what it took to get it.
const PATIENCE: u32 = 20;

/// The last answer.
#[derive(Default)]
pub(crate) struct CachedTotals(Mutex<Option<Answer>>);

#[derive(Clone, Copy)]
struct Answer {
    totals: Totals,
    at: Instant,
    took: Duration,
}

impl CachedTotals {
    /// The totals, no older than a small multiple of the time they take.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn get(&self, store: &dyn Store) -> Result<Totals, StoreError> {
        let mut last = self.0.lock().await;
        if let Some(answer) = &*last
            && answer.at.elapsed() < answer.took * PATIENCE
        {
            return Ok(answer.totals);
        }
        let begun = Instant::now();
        let totals = store.totals().await?;
        let (at, took) = (Instant::now(), begun.elapsed());
        *last = Some(Answer { totals, at, took });
        Ok(totals)
    }
}

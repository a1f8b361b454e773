//! Whether a rebuild still goes on.

use crate::store::{Store, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether copies that no record lists are restored (rule 16), or quarantined
/// (rule 11): restored for as long as nobody deleted a file and no node was abandoned
/// since the rebuild, so that nothing comes back that a person took away.
#[derive(Default)]
pub(crate) struct Restoring {
    /// Once ended it stays so: a rebuild is begun only by a process of its own.
    ended: AtomicBool,
}

impl Restoring {
    /// Whether it goes on.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn goes_on(&self, store: &dyn Store) -> Result<bool, StoreError> {
        if self.ended.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let goes_on = store.rebuilt_at_ms().await?.is_some();
        if !goes_on {
            self.ended.store(true, Ordering::Relaxed);
        }
        Ok(goes_on)
    }

    /// Ends it, durably, before a file is deleted or a node abandoned.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn end(&self, store: &dyn Store) -> Result<(), StoreError> {
        if self.goes_on(store).await? {
            store.set_rebuilt_at_ms(None).await?;
            self.ended.store(true, Ordering::Relaxed);
            tracing::info!("the rebuild is over: what nodes bring from now on is quarantined");
        }
        Ok(())
    }
}

//! Whether the store answers.

use std::sync::{Mutex, PoisonError};

/// What the store said last.
#[derive(Default)]
pub(crate) struct StoreHealth(Mutex<Option<String>>);

impl StoreHealth {
    /// Why the store is away, if it is.
    pub(crate) fn away(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes why it is away, or that it is there.
    pub(crate) fn set(&self, away: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = away;
    }
}

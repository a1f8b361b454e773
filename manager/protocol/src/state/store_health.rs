//! Whether the store answers.

use parking_lot::Mutex;

/// What the store said last.
#[derive(Default)]
pub struct StoreHealth(Mutex<Option<String>>);

impl StoreHealth {
    /// Why the store is away, if it is.
    pub fn away(&self) -> Option<String> {
        self.0.lock().clone()
    }

    /// Notes why it is away, or that it is there.
    pub(crate) fn set(&self, away: Option<String>) {
        *self.0.lock() = away;
    }
}

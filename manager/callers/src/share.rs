//! What one client may take of the questions about tokens that are not known, so that a
//! flood of wrong ones from one address keeps no new caller of another out.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions about unknown tokens that are open at once, of all clients.
pub(crate) const STRANGERS: usize = 12;
/// Requests of one client that wait for such a question. Each of them holds its head.
const WAITING: usize = 64;

/// One client's share.
#[derive(Debug)]
pub struct Share {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Share {
    /// So many percent of the questions, and one at least.
    pub fn new(percent: u8) -> Self {
        let places = (STRANGERS * usize::from(percent) / 100).max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }

    /// Room to wait for a place, unless too many wait already.
    pub fn wait(&self) -> Option<OwnedSemaphorePermit> {
        self.waiting.clone().try_acquire_owned().ok()
    }

    /// Waits for a place.
    pub async fn place(&self) -> OwnedSemaphorePermit {
        let place = self.places.clone().acquire_owned().await;
        place.expect("nobody closes the semaphore")
    }
}

//! Bounds on what is in flight: a request past one waits, and after
//! `--max-wait` is answered code 9 (invariant 9).

use super::RestLimits;
use super::limits::UPLOAD_BUFFERS;
use crate::Failure;
use proto::Code;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds of one manager.
pub(super) struct Gates {
    uploads: Gate,
    upload_bytes: Gate,
    downloads: Gate,
}

/// A place in a bounded set, given back when it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

struct Gate {
    places: Arc<Semaphore>,
    wait: Duration,
    what: &'static str,
}

impl Gate {
    fn new(places: usize, wait: Duration, what: &'static str) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            wait,
            what,
        }
    }

    async fn enter(&self, places: u32) -> Result<Place, Failure> {
        if let Ok(place) = self.places.clone().try_acquire_many_owned(places) {
            return Ok(place);
        }
        let waiting = self.places.clone().acquire_many_owned(places);
        match tokio::time::timeout(self.wait, waiting).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Failure::new(Code::TooManyRequests).because(self.what)),
        }
    }
}

impl Gates {
    pub(super) fn new(limits: &RestLimits) -> Self {
        let wait = limits.max_wait;
        let bytes = usize::try_from(limits.max_upload_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            uploads: Gate::new(limits.max_uploads, wait, "--max-uploads are in flight"),
            upload_bytes: Gate::new(bytes, wait, "--max-upload-bytes are in flight"),
            downloads: Gate::new(limits.max_downloads, wait, "--max-downloads are in flight"),
        }
    }

    /// For an upload whose body has at most `size` bytes, where that is known.
    pub(super) async fn upload(&self, size: Option<u64>) -> Result<(Place, Place), Failure> {
        let bytes = size.map_or(UPLOAD_BUFFERS, |size| size.min(UPLOAD_BUFFERS));
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Ok((
            self.uploads.enter(1).await?,
            self.upload_bytes.enter(bytes).await?,
        ))
    }

    /// For a download or a listing.
    pub(super) async fn download(&self) -> Result<Place, Failure> {
        self.downloads.enter(1).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn past_a_bound_a_request_waits_and_then_gets_code_9() {
        let gate = Gate::new(1, Duration::from_secs(5), "full");
        let held = gate.enter(1).await.expect("the first is let in");
        let refused = gate.enter(1).await.expect_err("there is one place");
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(refused.retry_after.is_some());
        let (entered, ()) = tokio::join!(gate.enter(1), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(held);
        });
        assert!(entered.is_ok(), "a place that comes free in time is taken");
    }
}

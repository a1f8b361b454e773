//! Bounds on what is in flight: a request past one waits, and after
//! `--max-wait` is answered code 9 (invariant 9).

use super::RestLimits;
use super::limits::UPLOAD_BUFFERS;
use crate::Failure;
use crate::metrics::InFlight;
use prometheus_client::metrics::gauge::Gauge;
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

/// Places in a bounded set, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    taken: Gauge,
    places: i64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.dec_by(self.places);
    }
}

struct Gate {
    places: Arc<Semaphore>,
    /// How many are taken, for who watches.
    taken: Gauge,
    wait: Duration,
    what: &'static str,
}

impl Gate {
    fn new(places: usize, taken: &Gauge, wait: Duration, what: &'static str) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            taken: taken.clone(),
            wait,
            what,
        }
    }

    async fn enter(&self, places: u32) -> Result<Place, Failure> {
        let permit = match self.places.clone().try_acquire_many_owned(places) {
            Ok(permit) => permit,
            Err(_) => self.wait(places).await?,
        };
        let places = places.into();
        self.taken.inc_by(places);
        Ok(Place {
            _permit: permit,
            taken: self.taken.clone(),
            places,
        })
    }

    async fn wait(&self, places: u32) -> Result<OwnedSemaphorePermit, Failure> {
        let waiting = self.places.clone().acquire_many_owned(places);
        match tokio::time::timeout(self.wait, waiting).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Failure::new(Code::TooManyRequests).because(self.what)),
        }
    }
}

impl Gates {
    pub(super) fn new(limits: &RestLimits, metrics: &InFlight) -> Self {
        let wait = limits.max_wait;
        let bytes = usize::try_from(limits.max_upload_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            uploads: Gate::new(
                limits.max_uploads,
                &metrics.uploads,
                wait,
                "--max-uploads are in flight",
            ),
            upload_bytes: Gate::new(
                bytes,
                &metrics.upload_bytes,
                wait,
                "--max-upload-bytes are in flight",
            ),
            downloads: Gate::new(
                limits.max_downloads,
                &metrics.downloads,
                wait,
                "--max-downloads are in flight",
            ),
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
        let gate = Gate::new(1, &Gauge::default(), Duration::from_secs(5), "full");
        let held = gate.enter(1).await.expect("the first is let in");
        let refused = gate.enter(1).await.expect_err("there is one place");
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(refused.retry_after.is_some());
        let (entered, ()) = tokio::join!(gate.enter(1), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(held);
        });
        assert!(entered.is_ok(), "a place that comes free in time is taken");
        assert_eq!(gate.taken.get(), 1);
        drop(entered);
        assert_eq!(gate.taken.get(), 0);
    }
}

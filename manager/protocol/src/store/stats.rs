//! Counters that an engine keeps, for the manager to export.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An engine's counters since it was opened.
#[derive(Debug, Default)]
pub struct StoreStats {
    /// Changes asked for.
    pub operations: AtomicU64,
    /// Changes that wait or are being committed now.
    pub queue_depth: AtomicU64,
    /// Durable transactions.
    pub commits: AtomicU64,
    /// Nanoseconds spent in them, reading for compare-and-swap included.
    pub commit_nanos: AtomicU64,
    /// Changes that they carried.
    pub records_committed: AtomicU64,
}

impl StoreStats {
    /// Notes a change that begins to wait.
    pub fn asked(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.queue_depth.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a change that begins to wait, until what this returns is dropped.
    pub fn waits(&self) -> Waits<'_> {
        self.asked();
        Waits(self)
    }

    /// Notes changes that wait no more.
    pub fn answered(&self, changes: usize) {
        self.queue_depth
            .fetch_sub(changes as u64, Ordering::Relaxed);
    }

    /// Notes a transaction of `changes` that took `took`.
    pub fn committed(&self, changes: usize, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_nanos
            .fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        self.records_committed
            .fetch_add(changes as u64, Ordering::Relaxed);
    }
}

/// One change that waits.
pub struct Waits<'a>(&'a StoreStats);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.answered(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_whose_caller_goes_away_is_counted_off() {
        let stats = StoreStats::default();
        let change = async {
            let _waits = stats.waits();
            std::future::pending::<()>().await;
        };
        let gone = tokio::time::timeout(Duration::from_millis(1), change).await;
        assert!(gone.is_err());
        assert_eq!(stats.operations.load(Ordering::Relaxed), 1);
        assert_eq!(stats.queue_depth.load(Ordering::Relaxed), 0);
    }
}

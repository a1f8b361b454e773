//! The lease of the leader (rule 10), as this process knows it.

use crate::store::Lease;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What this process knows of the lease.
#[derive(Default)]
pub struct Lead {
    number: AtomicU64,
    /// The highest number that a node has seen.
    floor: AtomicU64,
    /// Counter and term as they were last read.
    beat: Mutex<(u64, u64)>,
}

impl Lead {
    /// The number of the lease held, 0 where none is.
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// Notes which lease is held.
    pub(crate) fn hold(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
    }

    /// The highest number that any node has seen: a lease must lie above it for nodes to
    /// obey, which matters once a store was lost or set back.
    pub(crate) fn floor(&self) -> u64 {
        self.floor.load(Ordering::Relaxed)
    }

    /// Notes the highest number that a node has seen.
    pub fn seen(&self, number: u64) {
        if number > self.number() {
            self.floor.fetch_max(number, Ordering::Relaxed);
        }
    }

    /// The lease's counter and term as they were last read; the counter only rises
    /// while the store is not set back.
    pub fn beat(&self) -> (u64, u64) {
        *self.beat.lock()
    }

    /// Notes the lease; returns whether its history lacks what was read before: then
    /// the store was set back.
    pub(crate) fn note_beat(&self, lease: Option<&Lease>) -> bool {
        let now = lease.map_or((0, 0), |lease| (lease.counter, lease.term));
        let mut beat = self.beat.lock();
        let (counter, term) = std::mem::replace(&mut *beat, now);
        Lease::lacks(lease, counter, term)
    }
}

//! The parts of a tree that can't be used: they are left alone and reported, and
//! everything else goes on.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that are remembered; more are in the log.
const REMEMBERED: usize = 1000;

/// Paths below the volume, and what is wrong with each.
#[derive(Debug, Default)]
pub struct Troubles {
    /// Each of its users leaves it whole, whatever panics.
    known: Mutex<BTreeMap<String, String>>,
    /// Nearly always 0, so that callers rarely need the lock.
    count: AtomicUsize,
}

impl Troubles {
    /// Notes what is wrong with a path.
    pub fn note(&self, path: &str, why: &str) {
        let mut known = self.known.lock();
        if known.get(path).is_some_and(|known| known == why) {
            return;
        }
        tracing::error!(path, why, "left alone; everything else goes on");
        if known.len() < REMEMBERED {
            known.insert(path.to_owned(), why.to_owned());
            self.count.store(known.len(), Ordering::Relaxed);
        }
    }

    /// Drops a path that can be used again, or has gone.
    pub fn forget(&self, path: impl FnOnce() -> String) {
        if self.count() == 0 {
            return;
        }
        let mut known = self.known.lock();
        if known.remove(&path()).is_some() {
            self.count.store(known.len(), Ordering::Relaxed);
        }
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The first of them, as sentences for people.
    pub fn first(&self, limit: usize) -> Vec<String> {
        if self.count() == 0 {
            return Vec::new();
        }
        let known = self.known.lock();
        let some = known.iter().take(limit);
        some.map(|(path, why)| format!("{path}: {why}")).collect()
    }
}

//! What has arrived of copies whose transfers broke off: it is kept for a while, so
//! that they can resume where they ended. Nothing here can be linked: a new stream
//! takes it over, or it is dropped.

use crate::disk::meta::CopyKey;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most that are kept: as many as other nodes may bring at once.
pub const MOST: usize = 32;
/// How long one is kept: as long as its sender tries to resume, plus the 30 s by which
/// one side may notice later than the other that the connection is gone.
pub const LONG: Duration = Duration::from_secs(90);

struct One<T> {
    key: CopyKey,
    offset: u64,
    since: Instant,
    file: T,
}

/// Files that are kept, each for its copy, the one longest untouched first.
pub struct Kept<T>(VecDeque<One<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Kept<T> {
    /// Keeps the first `offset` bytes of a copy. Past the bound the one longest
    /// untouched goes.
    pub fn put(&mut self, key: CopyKey, offset: u64, file: T, now: Instant) {
        self.forget(key);
        while self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(One {
            key,
            offset,
            since: now,
            file,
        });
    }

    /// How many bytes of a copy are kept; asking begins their time anew.
    pub fn look(&mut self, key: CopyKey, now: Instant) -> Option<u64> {
        let at = self.0.iter().position(|one| one.key == key)?;
        let mut one = self.0.remove(at)?;
        let offset = one.offset;
        one.since = now;
        self.0.push_back(one);
        Some(offset)
    }

    /// Hands what is kept of a copy to the stream that resumes at `offset`, and no longer
    /// keeps it. Bytes that end at another offset are of no use, and are dropped.
    pub fn take(&mut self, key: CopyKey, offset: u64) -> Option<T> {
        let at = self.0.iter().position(|one| one.key == key)?;
        let one = self.0.remove(at)?;
        (one.offset == offset).then_some(one.file)
    }

    /// Drops what is kept of a copy.
    pub fn forget(&mut self, key: CopyKey) {
        self.0.retain(|one| one.key != key);
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Drops what was kept for [`LONG`].
    pub fn sweep(&mut self, now: Instant) {
        self.0
            .retain(|one| now.saturating_duration_since(one.since) < LONG);
    }
}

#[cfg(test)]
mod tests;

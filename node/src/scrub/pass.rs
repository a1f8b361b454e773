//! The passes over the tree: one file after the other, at a rate that leaves
//! the disk to clients, starting where the last pass was broken off.

use super::{Scrub, Verdict, check};
use crate::disk::{Copy, Disk, Listed, Place};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// What reading one more file costs beside its bytes.
const FILE_COST: u64 = 16 << 10;
/// How long a sleep may keep the node from leaving.
const NAP: Duration = Duration::from_millis(100);
/// How long to wait after a walk that failed.
const AGAIN: Duration = Duration::from_secs(60);

/// How fast, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bytes a second; 0 turns scrubbing off.
    pub bytes_per_second: u64,
    /// From the beginning of one pass to that of the next, at least.
    pub every: Duration,
}

/// When the work so far should end at the wanted rate.
struct Due {
    bytes_per_second: u64,
    at: Instant,
}

impl Due {
    /// Counts work, and returns when it may begin.
    fn after(&mut self, bytes: u64, now: Instant) -> Instant {
        // Time in which there was nothing to do is not saved up.
        let begin = self.at.max(now);
        let seconds = bytes as f64 / self.bytes_per_second as f64;
        self.at = begin + Duration::try_from_secs_f64(seconds).unwrap_or(AGAIN);
        begin
    }
}

impl Scrub {
    /// Scrubs until `leaving` is cancelled. Blocks.
    pub(crate) fn run(&self, disk: &Disk, leaving: &CancellationToken) {
        if self.pace.bytes_per_second == 0 {
            return;
        }
        let mut due = Due {
            bytes_per_second: self.pace.bytes_per_second,
            at: Instant::now(),
        };
        while sleep_until(self.next_pass(), leaving) {
            let from = self.begin();
            let mut visit = |listed: Listed| self.visit(disk, &listed, &mut due, leaving);
            match disk.walk(Place::Data, from, &mut visit) {
                Ok(()) if leaving.is_cancelled() => return,
                Ok(()) => self.end(),
                Err(failure) => {
                    tracing::error!(%failure, "the scrub can't read the tree");
                    sleep_until(Instant::now() + AGAIN, leaving);
                }
            }
        }
    }

    fn next_pass(&self) -> Instant {
        let known = self.known.lock();
        let wait = match known.progress.next_leaf {
            Some(_) => Duration::ZERO,
            None => until_next(known.progress.begun_ms, now_ms(), self.pace.every),
        };
        Instant::now() + wait
    }

    /// Begins a pass, or resumes the one that was broken off; returns its next leaf.
    fn begin(&self) -> u32 {
        let mut known = self.known.lock();
        if known.progress.next_leaf.is_none() {
            known.progress.begun_ms = now_ms();
            known.progress.pass_files = 0;
            known.dirty = true;
        }
        *known.progress.next_leaf.get_or_insert(0)
    }

    fn end(&self) {
        let mut known = self.known.lock();
        known.progress.next_leaf = None;
        known.progress.ended_ms = now_ms();
        known.dirty = true;
        tracing::info!(
            files = known.progress.pass_files,
            corrupt = known.corrupt.len(),
            "a scrub ended"
        );
    }

    /// Reads one file; false when the node leaves.
    fn visit(
        &self,
        disk: &Disk,
        listed: &Listed,
        due: &mut Due,
        leaving: &CancellationToken,
    ) -> bool {
        self.reach(listed.leaf);
        // One without a record is reported by the inventory.
        let Some(meta) = &listed.meta else {
            return true;
        };
        let mut pace = |bytes| sleep_until(due.after(bytes, Instant::now()), leaving);
        if !pace(FILE_COST) {
            return false;
        }
        let copy = Copy {
            name: listed.name.clone(),
            key: meta.key,
            leaf: Some(listed.leaf),
            session: 0,
        };
        let found = match disk.find(Place::Data, &copy) {
            Ok(Some(found)) => found,
            Ok(None) => return true,
            Err(failure) => {
                // One file that can't be opened must not hold up the others.
                tracing::warn!(name = %copy.name, %failure, "the scrub can't open a file");
                return true;
            }
        };
        let verdict = check(&found, &mut pace);
        if verdict == Verdict::BrokenOff {
            return false;
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(meta.size, Ordering::Relaxed);
        self.take(&copy, verdict);
        // It may have been deleted, and dropped here, before this verdict was noted.
        if self.is_corrupt(copy.key) && matches!(disk.find(Place::Data, &copy), Ok(None)) {
            self.forget(copy.key);
        }
        true
    }

    fn reach(&self, leaf: u32) {
        let mut known = self.known.lock();
        known.progress.pass_files += 1;
        known.progress.next_leaf = Some(leaf);
    }
}

/// Sleeps; false when the node leaves meanwhile.
fn sleep_until(at: Instant, leaving: &CancellationToken) -> bool {
    loop {
        if leaving.is_cancelled() {
            return false;
        }
        match at.checked_duration_since(Instant::now()) {
            None | Some(Duration::ZERO) => return true,
            Some(left) => std::thread::sleep(left.min(NAP)),
        }
    }
}

/// How long until the next pass. A last pass that began in the future was noted
/// by a clock that was ahead: it is ignored.
fn until_next(begun_ms: u64, now_ms: u64, every: Duration) -> Duration {
    match now_ms.checked_sub(begun_ms) {
        Some(since) => every.saturating_sub(Duration::from_millis(since)),
        None => Duration::ZERO,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_ahead_does_not_put_off_the_next_pass() {
        let every = Duration::from_secs(100);
        assert_eq!(until_next(0, 1_000_000, every), Duration::ZERO);
        assert_eq!(until_next(40_000, 100_000, every), Duration::from_secs(40));
        assert_eq!(until_next(200_000, 100_000, every), Duration::ZERO);
    }

    #[test]
    fn work_keeps_to_its_rate_and_saves_nothing_up() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut due = Due {
            bytes_per_second: 1000,
            at: start,
        };
        assert_eq!(due.after(500, start), start);
        assert_eq!(due.after(1500, start), start + second / 2);
        assert_eq!(due.after(1, start + second), start + second * 2);
        let late = start + second * 60;
        assert_eq!(due.after(1000, late), late);
        assert_eq!(due.after(1000, late), late + second);
    }
}

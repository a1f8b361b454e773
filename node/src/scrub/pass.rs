//! The passes over the tree: one file after the other, at a rate that leaves
//! the disk to clients, from where the last one was left.

use super::{Scrub, Verdict, check};
use crate::disk::meta::CopyKey;
use crate::disk::{Copy, Disk, Listed, Place};
use crate::fault::Failure;
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

/// Until when the work so far ought to have lasted.
struct Due {
    bytes_per_second: u64,
    at: Instant,
}

impl Due {
    /// Counts work, and answers when it may be done.
    fn after(&mut self, bytes: u64, now: Instant) -> Instant {
        // What was not used while there was nothing to do is not saved up.
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
            match self.walk(disk, from, &mut due, leaving) {
                Ok(true) => self.end(),
                // The next start goes on from there.
                Ok(false) => {}
                Err(failure) => {
                    tracing::error!(%failure, "the scrub can't read the tree");
                    if !sleep_until(Instant::now() + AGAIN, leaving) {
                        return;
                    }
                }
            }
        }
    }

    fn next_pass(&self) -> Instant {
        let known = self.known();
        let wait = match known.journal.next_leaf {
            Some(_) => Duration::ZERO,
            None => {
                let since = now_ms().saturating_sub(known.journal.begun_ms);
                self.pace.every.saturating_sub(Duration::from_millis(since))
            }
        };
        Instant::now() + wait
    }

    /// Begins a pass, or takes up the one that was left; answers where.
    fn begin(&self) -> u32 {
        let mut known = self.known();
        if known.journal.next_leaf.is_none() {
            known.journal.begun_ms = now_ms();
            known.journal.pass_files = 0;
            known.dirty = true;
        }
        *known.journal.next_leaf.get_or_insert(0)
    }

    fn end(&self) {
        let mut known = self.known();
        known.journal.next_leaf = None;
        known.journal.ended_ms = now_ms();
        known.dirty = true;
        tracing::info!(
            files = known.journal.pass_files,
            corrupt = known.corrupt.len(),
            "a scrub ended"
        );
    }

    /// Reads every file from a leaf on; answers whether it came to the end.
    fn walk(
        &self,
        disk: &Disk,
        from: u32,
        due: &mut Due,
        leaving: &CancellationToken,
    ) -> Result<bool, Failure> {
        let mut failed = None;
        disk.walk(
            Place::Data,
            from,
            &mut |listed| match self.visit(disk, &listed, due, leaving) {
                Ok(go_on) => go_on,
                Err(failure) => {
                    failed = Some(failure);
                    false
                }
            },
        )?;
        match failed {
            None => Ok(!leaving.is_cancelled()),
            Some(failure) => Err(failure),
        }
    }

    fn visit(
        &self,
        disk: &Disk,
        listed: &Listed,
        due: &mut Due,
        leaving: &CancellationToken,
    ) -> Result<bool, Failure> {
        self.reach(listed.leaf);
        // One without a record is told by the inventory.
        let Some(meta) = &listed.meta else {
            return Ok(true);
        };
        let mut pace = |bytes| sleep_until(due.after(bytes, Instant::now()), leaving);
        if !pace(FILE_COST) {
            return Ok(false);
        }
        let key: CopyKey = meta.key;
        let copy = Copy {
            name: listed.name.clone(),
            key,
            leaf: Some(listed.leaf),
        };
        let Some(found) = disk.find(Place::Data, &copy)? else {
            return Ok(true);
        };
        let verdict = check(&found, &mut pace);
        if verdict == Verdict::BrokenOff {
            return Ok(false);
        }
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(meta.size, Ordering::Relaxed);
        self.take(&copy, verdict);
        // It may have been deleted while it was read, and forgotten before that.
        if self.is_corrupt(key) && disk.find(Place::Data, &copy)?.is_none() {
            self.forget(key);
        }
        Ok(true)
    }

    fn reach(&self, leaf: u32) {
        let mut known = self.known();
        known.journal.pass_files += 1;
        known.journal.next_leaf = Some(leaf);
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

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! Room on the store's disk. An engine that meets a full disk takes no more writes
//! until it is opened anew, so the committer stops in time: first new files are
//! refused, then everything but what frees room, and at the end everything. A ballast
//! file gives deletes the room to be written on a disk that others have filled.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::batch::Change;
use manager_protocol::store::{State, StoreError};

/// Free space below which no record of a new file is taken.
pub(super) const LEAST: u64 = 32 << 20;
/// Free space below which no change is taken, unless a delete can release the ballast.
const FLOOR: u64 = 8 << 20;
/// What the ballast holds.
const BALLAST: u64 = 16 << 20;
/// None of these is more than this part of the disk.
const PART: u64 = 16;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Enough,
    /// Less than [`LEAST`].
    Low,
    /// Less than [`FLOOR`].
    Out,
}

/// The bounds for a disk of a size, in bytes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    least: u64,
    floor: u64,
    ballast: u64,
}

impl Bounds {
    fn of(disk: u64) -> Self {
        let part = |bytes: u64| bytes.min(disk / PART);
        Self {
            least: part(LEAST),
            // Half of what the others may be, so that it lies below them.
            floor: FLOOR.min(disk / (2 * PART)),
            ballast: part(BALLAST),
        }
    }

    fn level(self, free: u64) -> Level {
        match free {
            free if free >= self.least => Level::Enough,
            free if free >= self.floor => Level::Low,
            _ => Level::Out,
        }
    }
}

/// Whether a change is taken at a level.
fn is_taken(level: Level, change: &Change) -> bool {
    match level {
        Level::Enough => true,
        Level::Low => !matches!(change, Change::Insert { .. }),
        Level::Out => false,
    }
}

/// Whether a change leads to more room.
fn frees(change: &Change) -> bool {
    match change {
        Change::Remove { .. } => true,
        Change::Swap { new, .. } => new.state == State::Deleting,
        Change::Insert { .. }
        | Change::PutNode { .. }
        | Change::RemoveNode { .. }
        | Change::TakeLease { .. }
        | Change::RenewLease { .. }
        | Change::SetClusterId { .. }
        | Change::SetRebuilt { .. }
        | Change::LinkKey { .. } => false,
    }
}

/// The store's disk.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    dir: PathBuf,
    /// Whether the ballast is known to be in its place.
    laden: bool,
}

impl Disk {
    /// The disk that a directory lies on.
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            dir: dir.into(),
            laden: false,
        }
    }

    /// Free bytes and the bounds; none where the system does not say.
    fn free(&self) -> Option<(u64, Bounds)> {
        let disk = statvfs(&self.dir).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let size = disk.f_blocks.saturating_mul(disk.f_frsize);
        Some((free, Bounds::of(size)))
    }

    /// How much room there is now.
    pub(super) fn level(&self) -> Level {
        self.free()
            .map_or(Level::Enough, |(free, bounds)| bounds.level(free))
    }

    /// The error for a change where there is no room for it.
    pub(super) fn full(&self) -> StoreError {
        let (free, bounds) = self.free().unwrap_or((0, Bounds::of(u64::MAX)));
        StoreError::Full {
            free,
            least: bounds.least,
        }
    }

    /// The error for new files, where there is less room than they need.
    pub(super) fn short(&self) -> Option<StoreError> {
        (self.level() != Level::Enough).then(|| self.full())
    }

    /// Keeps the changes that there is room for, and refuses the others. The ballast is
    /// released for a delete, and for nothing else.
    pub(super) fn admit(&mut self, changes: &mut Vec<Change>) {
        let mut level = self.level();
        if level == Level::Out && changes.iter().any(frees) && self.release() {
            level = self.level();
        }
        if level == Level::Enough {
            self.lay_ballast();
            return;
        }
        for change in std::mem::take(changes) {
            if is_taken(level, &change) {
                changes.push(change);
            } else {
                change.refuse(self.full());
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    /// Releases the ballast's room; returns whether there was any.
    pub(super) fn release(&mut self) -> bool {
        self.laden = false;
        let released = std::fs::remove_file(self.ballast()).is_ok();
        if released {
            tracing::warn!("the store's disk is full: its ballast was given up");
        }
        released
    }

    /// Makes the ballast where it is missing and there is plenty of room.
    pub(super) fn lay_ballast(&mut self) {
        let path = self.ballast();
        if self.laden {
            return;
        }
        let Some((free, bounds)) = self.free() else {
            return;
        };
        // A file that a crash left empty is no ballast.
        let there = std::fs::metadata(&path).map_or(0, |file| file.len());
        if there > 0 {
            self.laden = true;
            return;
        }
        if free < bounds.least + 2 * bounds.ballast {
            return;
        }
        // Tried once: if it fails, a full disk takes fewer deletes, and that is all.
        self.laden = true;
        let laid = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path);
        if let Err(error) = laid.and_then(|file| lay(&file, bounds.ballast)) {
            tracing::warn!(%error, "no ballast for the store's disk");
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn lay(file: &File, bytes: u64) -> std::io::Result<()> {
    fallocate(file, FallocateFlags::empty(), 0, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_protocol::sim::sample::record;
    use tokio::sync::oneshot;

    #[test]
    fn new_files_are_refused_first_and_then_all_the_rest() {
        let bounds = Bounds::of(1 << 40);
        for (free, level) in [
            (u64::MAX, Level::Enough),
            (LEAST, Level::Enough),
            (LEAST - 1, Level::Low),
            (FLOOR, Level::Low),
            (FLOOR - 1, Level::Out),
            (0, Level::Out),
        ] {
            assert_eq!(bounds.level(free), level, "{free}");
        }
        let small = Bounds::of(64 << 20);
        assert!(small.floor < small.least && small.least + 2 * small.ballast < 16 << 20);
    }

    #[test]
    fn the_ballast_is_given_up_only_for_a_delete() {
        let mut deleting = record("file", 1);
        deleting.state = State::Deleting;
        let swap = |new| Change::Swap {
            new,
            reply: oneshot::channel().0,
        };
        assert!(frees(&swap(deleting)));
        assert!(!frees(&swap(record("file", 1))));
        let insert = Change::Insert {
            record: record("file", 1),
            quota: names::Quota::default(),
            reply: oneshot::channel().0,
        };
        assert!(!frees(&insert));
        for (level, taken) in [
            (Level::Enough, true),
            (Level::Low, false),
            (Level::Out, false),
        ] {
            assert_eq!(is_taken(level, &insert), taken, "{level:?}");
        }
        assert!(is_taken(Level::Low, &swap(record("file", 1))));
    }

    #[test]
    fn the_ballast_is_laid_once_and_given_up_once() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut disk = Disk::of(dir.path());
        disk.lay_ballast();
        let laid = std::fs::metadata(disk.ballast()).unwrap().len();
        assert_eq!(laid, BALLAST);
        disk.lay_ballast();
        assert!(disk.release());
        assert!(!disk.release());
    }
}

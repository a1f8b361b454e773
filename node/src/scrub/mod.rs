//! Scrub: files are re-read in the background and compared with their records.
//! A copy that is found corrupt is kept and reported, and not served any more
//! (invariant 3); how far the scrub is, and what it found, outlives a restart.

mod check;
mod journal;
mod pass;

pub(crate) use check::{Verdict, check};
pub use pass::Pace;

use crate::disk::meta::CopyKey;
use crate::disk::{Copy, Found};
use journal::{Journal, Progress};
use parking_lot::Mutex;
use proto::v1;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Corrupt copies that are remembered; further ones are only logged.
pub const REMEMBERED: usize = 10_000;
/// How often the place that a pass has reached is written down.
pub(crate) const PLACE_EVERY: Duration = Duration::from_secs(10);
/// Up to this many corrupt copies, each is written down at once; beyond that, once a
/// second, since the journal is always written whole.
const AT_ONCE: usize = 100;
/// The reason noted for a copy that is longer or shorter than its record says.
pub(crate) const NOT_WHOLE: &str = "it is not as long as its record says";
/// Corrupt copies that a report names.
const REPORTED: usize = 500;

/// What the node knows of its files' health.
pub struct Scrub {
    dir: PathBuf,
    pace: Pace,
    /// Each of its users leaves it whole, whatever panics.
    known: Mutex<Known>,
    /// How many are known: nearly always 0, so that readers rarely need the lock.
    corrupt: AtomicUsize,
    files: AtomicU64,
    bytes: AtomicU64,
    /// Held while the journal is written, so that the newest state is written last.
    writing: Mutex<()>,
}

struct Known {
    progress: Progress,
    corrupt: BTreeMap<CopyKey, Copy>,
    /// Whether something is not written down yet.
    dirty: bool,
    /// When the journal was last written.
    saved: Instant,
}

impl Scrub {
    /// Loads what is known of a volume.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn open(dir: &Path, pace: Pace) -> std::io::Result<Self> {
        let journal = Journal::read(dir)?;
        let corrupt: BTreeMap<_, _> = journal
            .copies()
            .into_iter()
            .map(|copy| (copy.key, copy))
            .collect();
        Ok(Self {
            dir: dir.to_owned(),
            pace,
            corrupt: AtomicUsize::new(corrupt.len()),
            known: Mutex::new(Known {
                progress: journal.progress,
                corrupt,
                dirty: false,
                saved: Instant::now(),
            }),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            writing: Mutex::default(),
        })
    }

    /// Whether a copy is known to be corrupt.
    pub fn is_corrupt(&self, key: CopyKey) -> bool {
        self.count() > 0 && self.known.lock().corrupt.contains_key(&key)
    }

    /// How many copies are known to be corrupt.
    pub fn count(&self) -> usize {
        self.corrupt.load(Ordering::Relaxed)
    }

    /// The corrupt copies, `limit` of them at the most.
    pub fn corrupt(&self, limit: usize) -> Vec<v1::CopyRef> {
        if self.count() == 0 {
            return Vec::new();
        }
        let known = self.known.lock();
        known
            .corrupt
            .values()
            .take(limit)
            .map(Copy::to_wire)
            .collect()
    }

    /// Re-reads a copy at once, and remembers the result; returns whether it is intact.
    pub(crate) fn judge(&self, copy: &Copy, found: &Found) -> bool {
        let verdict = check(found, &mut |_| true);
        let intact = verdict == Verdict::Intact;
        self.take(copy, verdict);
        intact
    }

    fn take(&self, copy: &Copy, verdict: Verdict) {
        match verdict {
            Verdict::Intact => self.forget(copy.key),
            Verdict::Corrupt(why) => self.note(copy, &why),
            // No verdict on the bytes: the error passes by itself, or will be met again.
            Verdict::Unreadable(why) => {
                tracing::warn!(name = %copy.name, id = %copy.key.id, why, "a file can't be read");
            }
            Verdict::BrokenOff => {}
        }
    }

    /// Remembers a copy that is not as long as its record says.
    pub(crate) fn is_not_whole(&self, copy: &Copy) {
        self.note(copy, NOT_WHOLE);
    }

    fn note(&self, copy: &Copy, why: &str) {
        tracing::error!(name = %copy.name, id = %copy.key.id, why, "a file is corrupt");
        let mut known = self.known.lock();
        if known.corrupt.len() >= REMEMBERED {
            return;
        }
        known.corrupt.insert(copy.key, copy.clone());
        self.changed(&mut known);
        let few = known.corrupt.len() <= AT_ONCE;
        drop(known);
        if few {
            self.save(PLACE_EVERY);
        }
    }

    /// Drops a copy that has gone, or is whole again.
    pub fn forget(&self, key: CopyKey) {
        if self.count() == 0 {
            return;
        }
        let mut known = self.known.lock();
        if known.corrupt.remove(&key).is_some() {
            self.changed(&mut known);
        }
    }

    fn changed(&self, known: &mut Known) {
        self.corrupt.store(known.corrupt.len(), Ordering::Relaxed);
        known.dirty = true;
    }

    /// Writes the journal if something is new: what was found, at once; the place reached,
    /// every `place_every`. Both go into one file, so that a crash loses neither without
    /// the other. Blocks.
    pub(crate) fn save(&self, place_every: Duration) {
        let _one_at_a_time = self.writing.lock();
        let journal = {
            let mut known = self.known.lock();
            let moved = known.progress.next_leaf.is_some() && known.saved.elapsed() >= place_every;
            if !known.dirty && !moved {
                return;
            }
            known.dirty = false;
            known.saved = Instant::now();
            Journal::new(known.progress, known.corrupt.values())
        };
        if let Err(error) = journal.write(&self.dir) {
            // The write is tried again; a start before that continues from the last
            // journal that was written.
            self.known.lock().dirty = true;
            tracing::warn!(%error, "the scrub's journal can't be written");
        }
    }

    /// The progress for the node's reports; `files` is how many are on it now.
    pub fn progress(&self, files: u64) -> v1::ScrubProgress {
        let known = self.known.lock();
        v1::ScrubProgress {
            bytes_per_second: self.pace.bytes_per_second,
            begun_ms: known.progress.begun_ms,
            ended_ms: known.progress.ended_ms,
            thousandths: known.progress.thousandths(files),
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// The corrupt copies that a report names.
    pub fn reported(&self) -> Vec<v1::CopyRef> {
        self.corrupt(REPORTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{FileId, FileName};

    const PACE: Pace = Pace {
        bytes_per_second: 1,
        every: Duration::from_secs(1),
    };

    fn copy(number: u8) -> Copy {
        Copy {
            name: FileName::new(&format!("f{number}")).expect("a name"),
            key: CopyKey {
                id: FileId::from([number; 16]),
                generation: 1,
            },
            leaf: None,
            session: 0,
        }
    }

    #[test]
    fn what_could_not_be_written_down_is_written_later() {
        let above = tempfile::tempdir().expect("a directory");
        let dir = above.path().join("volume");
        std::fs::create_dir(&dir).expect("made");
        let scrub = Scrub::open(&dir, PACE).expect("new");
        std::fs::remove_dir(&dir).expect("removed");
        scrub.note(&copy(1), "a test");
        std::fs::create_dir(&dir).expect("made");
        scrub.save(PLACE_EVERY);
        assert_eq!(Scrub::open(&dir, PACE).expect("read").count(), 1);
    }

    #[test]
    fn what_many_find_at_once_is_all_written_down() {
        const MANY: u8 = 64;
        let dir = tempfile::tempdir().expect("a directory");
        let scrub = Scrub::open(dir.path(), PACE).expect("new");
        std::thread::scope(|scope| {
            for number in 0..MANY {
                let scrub = &scrub;
                scope.spawn(move || {
                    scrub.note(&copy(number), "a test");
                });
            }
        });
        let again = Scrub::open(dir.path(), PACE).expect("read");
        assert_eq!(again.count(), usize::from(MANY));
    }
}

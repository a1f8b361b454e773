//! What a tree holds at the start: names, counts and sizes.

use super::index::Index;
use super::{OpenError, io_error};
use proto::{FileName, LEVELS, MAX_ENTRIES};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The level whose directories are shared out among threads: each has up to
/// 1,296 leaves, and a volume that fills from the front has many of them.
const SHARED_LEVEL: usize = 3;

/// The result of a scan.
pub(super) struct Scan {
    pub(super) root: OwnedFd,
    pub(super) index: Index,
    pub(super) counts: Vec<u8>,
    pub(super) blocked: Vec<Range<u32>>,
    pub(super) bytes: u64,
}

#[derive(Default)]
struct Found {
    index: Index,
    counts: Vec<u8>,
    blocked: Vec<Range<u32>>,
    bytes: u64,
}

struct Walk<'a> {
    root: &'a OwnedFd,
    tree: &'a str,
    found: Mutex<Found>,
    units: Mutex<Vec<u32>>,
}

/// One directory's own children, and how many entries are foreign.
struct Inner {
    children: Vec<u32>,
    foreign: usize,
}

impl Scan {
    /// Scans a tree, and removes directories that a crash left empty.
    pub(super) fn run(root: OwnedFd, tree: &str) -> Result<Self, OpenError> {
        let walk = Walk {
            root: &root,
            tree,
            found: Mutex::default(),
            units: Mutex::default(),
        };
        walk.inner(0, 0, SHARED_LEVEL)?;
        let units = std::mem::take(&mut *lock(&walk.units));
        walk.share_out(&units)?;
        // Now that the directories below are tidy, those above may be empty.
        lock(&walk.units).clear();
        let found = walk
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        for unit in units {
            prune(&root, unit);
        }
        Ok(Self {
            root,
            index: found.index,
            counts: found.counts,
            blocked: found.blocked,
            bytes: found.bytes,
        })
    }
}

/// Removes the directories above a unit that are empty; others refuse.
fn prune(root: &OwnedFd, unit: u32) {
    for level in (1..=SHARED_LEVEL).rev() {
        let number = unit / 36u32.pow((SHARED_LEVEL - level) as u32);
        if rustix::fs::unlinkat(root, path(level, number), AtFlags::REMOVEDIR).is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The path of directory `number` among those of its level; `.` is the root.
fn path(level: usize, number: u32) -> String {
    if level == 0 {
        return ".".to_owned();
    }
    let leaf = number * 36u32.pow((LEVELS - level) as u32);
    let mut path = proto::leaf_path(leaf);
    path.truncate(level * 2 - 1);
    path
}

impl Walk<'_> {
    /// Reads the inner directories down to level `stop`, and notes those there.
    fn inner(&self, level: usize, number: u32, stop: usize) -> Result<(), OpenError> {
        if level == stop {
            lock(&self.units).push(number);
            return Ok(());
        }
        for child in self.children(level, number)? {
            self.inner(level + 1, child, stop)?;
        }
        Ok(())
    }

    /// Scans the units on as many threads as there are processors.
    fn share_out(&self, units: &[u32]) -> Result<(), OpenError> {
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| {
            let work = || -> Result<(), OpenError> {
                while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                    self.unit(SHARED_LEVEL, *unit)?;
                }
                Ok(())
            };
            let threads: Vec<_> = (0..threads.min(units.len()))
                .map(|_| scope.spawn(work))
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().expect("a scan does not panic"))
        })
    }

    fn unit(&self, level: usize, number: u32) -> Result<(), OpenError> {
        if level == LEVELS {
            return self.leaf(number);
        }
        for child in self.children(level, number)? {
            self.unit(level + 1, child)?;
            // Only an empty directory lets itself be removed.
            if level + 1 < LEVELS {
                let _ = rustix::fs::unlinkat(self.root, path(level + 1, child), AtFlags::REMOVEDIR);
            }
        }
        Ok(())
    }

    /// The numbers of an inner directory's children. Where there are foreign
    /// entries, as many children that don't exist are blocked, so that the
    /// directory keeps its bound.
    fn children(&self, level: usize, number: u32) -> Result<Vec<u32>, OpenError> {
        let Inner { children, foreign } = self.read_inner(level, number)?;
        if foreign > 0 {
            let path = format!("{}/{}", self.tree, path(level, number));
            tracing::warn!(
                path,
                foreign,
                "entries that are not the node's are left alone"
            );
            let first = number * MAX_ENTRIES as u32;
            let absent = (first..first + MAX_ENTRIES as u32)
                .rev()
                .filter(|child| !children.contains(child));
            let blocked: Vec<u32> = absent.take(foreign).collect();
            if blocked.len() < foreign {
                return Err(OpenError::Overfull(path));
            }
            let width = 36u32.pow((LEVELS - level - 1) as u32);
            let ranges = blocked
                .iter()
                .map(|child| child * width..(child + 1) * width);
            lock(&self.found).blocked.extend(ranges);
        }
        Ok(children)
    }

    fn read_inner(&self, level: usize, number: u32) -> Result<Inner, OpenError> {
        let mut inner = Inner {
            children: Vec::new(),
            foreign: 0,
        };
        let (_, mut entries) = self.open(level, number)?;
        while let Some(entry) = entries.read() {
            let entry = entry.map_err(|e| self.error(level, number, e))?;
            let digit = match entry.file_name().to_bytes() {
                b"." | b".." => continue,
                [digit @ (b'0'..=b'9' | b'a'..=b'z')] => char::from(*digit).to_digit(36),
                _ => None,
            };
            match digit.filter(|_| is_type(&entry, FileType::Directory)) {
                Some(digit) => inner.children.push(number * MAX_ENTRIES as u32 + digit),
                None => inner.foreign += 1,
            }
        }
        inner.children.sort_unstable();
        Ok(inner)
    }

    fn leaf(&self, leaf: u32) -> Result<(), OpenError> {
        let (dir, mut entries) = self.open(LEVELS, leaf)?;
        let (mut count, mut bytes) = (0usize, 0);
        let mut names = Vec::with_capacity(MAX_ENTRIES);
        while let Some(entry) = entries.read() {
            let entry = entry.map_err(|e| self.error(LEVELS, leaf, e))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            count += 1;
            let Ok(file_name) = FileName::from_bytes(name.to_bytes()) else {
                continue;
            };
            if is_type(&entry, FileType::RegularFile) {
                let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|e| self.error(LEVELS, leaf, e))?;
                bytes += stat.st_size as u64;
                names.push(file_name);
            }
        }
        if count == 0 {
            let _ = rustix::fs::unlinkat(self.root, path(LEVELS, leaf), AtFlags::REMOVEDIR);
            return Ok(());
        }
        if count > MAX_ENTRIES {
            let path = format!("{}/{}", self.tree, path(LEVELS, leaf));
            tracing::warn!(path, count, "more entries than the node ever makes");
        }
        let mut found = lock(&self.found);
        let at = leaf as usize;
        if found.counts.len() <= at {
            found.counts.resize(at + 1, 0);
        }
        found.counts[at] = u8::try_from(count).unwrap_or(u8::MAX);
        found.bytes += bytes;
        for name in &names {
            found.index.insert(name, leaf);
        }
        Ok(())
    }

    fn open(&self, level: usize, number: u32) -> Result<(OwnedFd, Dir), OpenError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let dir = rustix::fs::openat(self.root, path(level, number), flags, Mode::empty())
            .map_err(|e| self.error(level, number, e))?;
        let entries = Dir::read_from(&dir).map_err(|e| self.error(level, number, e))?;
        Ok((dir, entries))
    }

    fn error(&self, level: usize, number: u32, error: Errno) -> OpenError {
        let path = format!("{}/{}", self.tree, path(level, number));
        io_error("scan", Path::new(&path))(error)
    }
}

/// Whether an entry is of a type, as far as the filesystem tells.
fn is_type(entry: &rustix::fs::DirEntry, wanted: FileType) -> bool {
    matches!(entry.file_type(), kind if kind == wanted || kind == FileType::Unknown)
}

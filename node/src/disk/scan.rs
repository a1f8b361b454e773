//! What a tree holds at the start: names, counts and sizes.

use super::index::Index;
use super::troubles::Troubles;
use super::{OpenError, io_error};
use parking_lot::Mutex;
use proto::{FileName, LEVELS, MAX_ENTRIES};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The level whose directories are shared out among threads: each has up to
/// 1,296 leaves, and a volume that fills from the front has many of them.
const SHARED_LEVEL: usize = 3;

/// The result of a scan.
pub(super) struct Scan {
    pub(super) root: OwnedFd,
    pub(super) index: Index,
    pub(super) counts: Vec<u8>,
    pub(super) blocked: Vec<Range<u32>>,
    /// Those of `blocked` that could not be read.
    pub(super) unread: Vec<Range<u32>>,
    pub(super) bytes: u64,
    /// What its files take, each in whole blocks.
    pub(super) blocks: u64,
}

#[derive(Default)]
struct Found {
    index: Index,
    counts: Vec<u8>,
    blocked: Vec<Range<u32>>,
    unread: Vec<Range<u32>>,
    bytes: u64,
    blocks: u64,
}

struct Walk<'a> {
    root: &'a OwnedFd,
    tree: &'a str,
    block: u64,
    troubles: &'a Troubles,
    found: Mutex<Found>,
    units: Mutex<Vec<u32>>,
}

/// One directory's own children, the children whose names foreign entries bear, and
/// how many other entries are foreign.
#[derive(Default)]
struct Inner {
    children: Vec<u32>,
    in_place: Vec<u32>,
    foreign: usize,
}

impl Scan {
    /// Scans a tree on a filesystem whose blocks have `block` bytes, and removes
    /// directories that a crash left empty.
    pub(super) fn run(
        root: OwnedFd,
        tree: &str,
        block: u64,
        troubles: &Troubles,
    ) -> Result<Self, OpenError> {
        let walk = Walk {
            root: &root,
            tree,
            block,
            troubles,
            found: Mutex::default(),
            units: Mutex::default(),
        };
        walk.inner(0, 0, SHARED_LEVEL)?;
        let units = std::mem::take(&mut *walk.units.lock());
        walk.share_out(&units)?;
        // Now that the directories below are tidy, those above may be empty.
        walk.units.lock().clear();
        let found = walk.found.into_inner();
        for unit in units {
            prune(&root, unit);
        }
        Ok(Self {
            root,
            index: found.index,
            counts: found.counts,
            blocked: found.blocked,
            unread: found.unread,
            bytes: found.bytes,
            blocks: found.blocks,
        })
    }
}

/// Removes a unit's directory and those above it, as long as they are empty.
fn prune(root: &OwnedFd, unit: u32) {
    for level in (1..=SHARED_LEVEL).rev() {
        let number = unit / 36u32.pow((SHARED_LEVEL - level) as u32);
        if rustix::fs::unlinkat(root, path(level, number), AtFlags::REMOVEDIR).is_err() {
            return;
        }
    }
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

/// The leaves below directory `number` among those of its level.
fn leaves(level: usize, number: u32) -> Range<u32> {
    let width = 36u32.pow((LEVELS - level) as u32);
    number * width..(number + 1) * width
}

impl Walk<'_> {
    /// Reads the inner directories down to level `stop`, and notes those of that level
    /// as units.
    fn inner(&self, level: usize, number: u32, stop: usize) -> Result<(), OpenError> {
        if level == stop {
            self.units.lock().push(number);
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
            // Where the system gives no thread beside this one, this one does it all.
            let threads: Vec<_> = (1..threads.min(units.len()))
                .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let own = work();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a scan does not panic"))
                .fold(own, Result::and)
        })
    }

    fn unit(&self, level: usize, number: u32) -> Result<(), OpenError> {
        if level == LEVELS {
            self.leaf(number);
            return Ok(());
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

    /// The numbers of an inner directory's children; none where it can't be read.
    /// Foreign entries take places: that of the child whose name they bear, or
    /// else that of a child that does not exist, so that the directory keeps its
    /// bound. The children of those places are blocked.
    fn children(&self, level: usize, number: u32) -> Result<Vec<u32>, OpenError> {
        let Inner {
            children,
            in_place,
            foreign,
        } = match self.read_inner(level, number) {
            Ok(inner) => inner,
            Err(error) if level == 0 => return Err(self.error(level, number, error)),
            Err(error) => {
                self.unreadable(level, number, error);
                return Ok(Vec::new());
            }
        };
        if foreign > 0 || !in_place.is_empty() {
            let path = format!("{}/{}", self.tree, path(level, number));
            let all = foreign + in_place.len();
            self.troubles.note(
                &path,
                &format!("holds {all} entries that are not the node's: they are left alone"),
            );
            let first = number * MAX_ENTRIES as u32;
            let absent = (first..first + MAX_ENTRIES as u32)
                .rev()
                .filter(|child| !children.contains(child) && !in_place.contains(child));
            let blocked: Vec<u32> = absent.take(foreign).collect();
            if blocked.len() < foreign {
                return Err(OpenError::Overfull(path));
            }
            for child in blocked.into_iter().chain(in_place) {
                self.block(level + 1, child);
            }
        }
        Ok(children)
    }

    /// Keeps new files out of a directory.
    fn block(&self, level: usize, number: u32) {
        self.found.lock().blocked.push(leaves(level, number));
    }

    /// Leaves a directory alone that can't be read: what it holds is not known.
    fn unreadable(&self, level: usize, number: u32, error: Errno) {
        let path = format!("{}/{}", self.tree, path(level, number));
        let why = format!(
            "the directory can't be read, its files are not served until that is mended and the \
             node restarted: {error}"
        );
        self.troubles.note(&path, &why);
        self.block(level, number);
        self.found.lock().unread.push(leaves(level, number));
    }

    fn read_inner(&self, level: usize, number: u32) -> Result<Inner, Errno> {
        let mut inner = Inner::default();
        let (dir, mut entries) = self.open(level, number)?;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name();
            let digit = match name.to_bytes() {
                b"." | b".." => continue,
                [digit @ (b'0'..=b'9' | b'a'..=b'z')] => char::from(*digit).to_digit(36),
                _ => None,
            };
            let child = digit.map(|digit| number * MAX_ENTRIES as u32 + digit);
            match child {
                Some(child) if is_type(&dir, &entry, FileType::Directory) => {
                    inner.children.push(child);
                }
                Some(child) => inner.in_place.push(child),
                None => inner.foreign += 1,
            }
        }
        inner.children.sort_unstable();
        Ok(inner)
    }

    fn leaf(&self, leaf: u32) {
        if let Err(error) = self.read_leaf(leaf) {
            self.unreadable(LEVELS, leaf, error);
        }
    }

    fn read_leaf(&self, leaf: u32) -> Result<(), Errno> {
        let (dir, mut entries) = self.open(LEVELS, leaf)?;
        let (mut count, mut bytes, mut blocks) = (0usize, 0, 0);
        let mut names = Vec::with_capacity(MAX_ENTRIES);
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            count += 1;
            let Ok(file_name) = FileName::from_bytes(name.to_bytes()) else {
                continue;
            };
            if is_type(&dir, &entry, FileType::RegularFile) {
                // A file that can't be examined is there all the same: opening it
                // will report the error.
                let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
                let size = stat.map_or(0, |stat| stat.st_size as u64);
                bytes += size;
                blocks += size.div_ceil(self.block) * self.block;
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
        let mut found = self.found.lock();
        let at = leaf as usize;
        if found.counts.len() <= at {
            found.counts.resize(at + 1, 0);
        }
        found.counts[at] = u8::try_from(count).unwrap_or(u8::MAX);
        found.bytes += bytes;
        found.blocks += blocks;
        for name in &names {
            found.index.insert(name, leaf);
        }
        Ok(())
    }

    fn open(&self, level: usize, number: u32) -> Result<(OwnedFd, Dir), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let dir = rustix::fs::openat(self.root, path(level, number), flags, Mode::empty())?;
        let entries = Dir::read_from(&dir)?;
        Ok((dir, entries))
    }

    fn error(&self, level: usize, number: u32, error: Errno) -> OpenError {
        let path = format!("{}/{}", self.tree, path(level, number));
        io_error("scan", Path::new(&path))(error)
    }
}

/// Whether an entry is of a type.
fn is_type(dir: &OwnedFd, entry: &rustix::fs::DirEntry, wanted: FileType) -> bool {
    match entry.file_type() {
        // Not every filesystem gives the type in its listing.
        FileType::Unknown => rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == wanted),
        kind => kind == wanted,
    }
}

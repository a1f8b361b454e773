//! Files on their way in: they have no name, or one in the staging tree, until
//! the committer links them.

use super::meta::{Meta, XATTR};
use super::space::Claim;
use crate::failpoints;
use crate::fault::Failure;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use proto::v1::Fault;
use proto::{FileName, MAX_ENTRIES};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use std::io::IoSlice;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

/// Mode of files: the owner writes, the group may read.
pub const FILE_MODE: Mode = Mode::from_raw_mode(0o640);
/// Mode of directories.
pub const DIR_MODE: Mode = Mode::from_raw_mode(0o750);
/// Bytes after which a large file's writeback is begun, so that the flush at
/// its end finds little left to do.
const WRITEBACK: u64 = 4 << 20;

/// Where files are staged.
#[derive(Debug, Clone)]
pub enum Staging {
    /// Unnamed files of the data directory (`O_TMPFILE`).
    Unnamed(Arc<OwnedFd>),
    /// Where the filesystem has none: named files in a tree of their own.
    Named(Arc<Names>),
}

/// Names in the staging tree: three digits of base 36, two of them directories,
/// so that it keeps the bound of invariant 1. The tree is wiped at each start.
#[derive(Debug)]
pub struct Names {
    root: OwnedFd,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    next: u32,
    returned: Vec<u32>,
}

/// A name in the staging tree; its file is removed with it.
#[derive(Debug)]
struct Name {
    names: Arc<Names>,
    number: u32,
}

const NAMES: u32 = (MAX_ENTRIES * MAX_ENTRIES * MAX_ENTRIES) as u32;

/// A file that is not in the tree yet. Dropped, it leaves nothing behind.
pub struct Staged {
    file: OwnedFd,
    name: Option<Name>,
    claim: Claim,
    size: u64,
    begun: u64,
    crc: Digest,
    /// The record that is flushed together with the bytes.
    sealed: Option<Meta>,
}

impl Staging {
    /// Named files below `root`.
    pub fn named(root: OwnedFd) -> Self {
        Self::Named(Arc::new(Names {
            root,
            free: Mutex::default(),
        }))
    }

    /// Begins a file, for which the claim promises room.
    ///
    /// # Errors
    /// When the filesystem refuses.
    pub fn create(&self, claim: Claim) -> Result<Staged, Failure> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let (file, name) = match self {
            Self::Unnamed(dir) => {
                let file = rustix::fs::openat(dir, ".", flags | OFlags::TMPFILE, FILE_MODE)
                    .map_err(|e| Failure::io("create", e))?;
                (file, None)
            }
            Self::Named(names) => {
                let name = Names::take(names)?;
                let path = name.path();
                for parent in [&path[..1], &path[..3]] {
                    match rustix::fs::mkdirat(&names.root, parent, DIR_MODE) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(Failure::io("create staging directory", error)),
                    }
                }
                let flags = flags | OFlags::CREATE | OFlags::EXCL;
                let file = rustix::fs::openat(&names.root, &path, flags, FILE_MODE)
                    .map_err(|e| Failure::io("create", e))?;
                (file, Some(name))
            }
        };
        Ok(Staged {
            file,
            name,
            claim,
            size: 0,
            begun: 0,
            crc: Digest::new(CrcAlgorithm::Crc64Nvme),
            sealed: None,
        })
    }
}

impl Names {
    fn take(names: &Arc<Self>) -> Result<Name, Failure> {
        let mut free = names.free.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match free.returned.pop() {
            Some(number) => number,
            None if free.next < NAMES => {
                free.next += 1;
                free.next - 1
            }
            None => return Err(Failure::new(Fault::Busy, "the staging tree is full")),
        };
        drop(free);
        Ok(Name {
            names: Arc::clone(names),
            number,
        })
    }
}

impl Name {
    /// As `leaf_path` writes its numbers, with three digits.
    fn path(&self) -> String {
        proto::leaf_path(self.number)[4..].to_owned()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        match rustix::fs::unlinkat(&self.names.root, self.path(), AtFlags::empty()) {
            // Not there: it was moved into the tree.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                // The name is not used again: its file may still be there.
                tracing::warn!(%error, "a staged file could not be removed");
                return;
            }
        }
        let mut free = self
            .names
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.returned.push(self.number);
    }
}

impl Staged {
    /// Appends bytes.
    ///
    /// # Errors
    /// `NoSpace`, or the filesystem's error.
    pub fn append(&mut self, parts: &[Bytes]) -> Result<(), Failure> {
        let mut left: Vec<IoSlice<'_>> = Vec::with_capacity(parts.len());
        let mut total = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            self.crc.update(part);
            total += part.len() as u64;
            left.push(IoSlice::new(part));
        }
        self.claim.written(total)?;
        let mut left = &mut left[..];
        while !left.is_empty() {
            match rustix::io::writev(&self.file, left) {
                Ok(0) => return Err(Failure::new(Fault::Io, "write: nothing was written")),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::io("write", error)),
            }
        }
        self.size += total;
        self.begin_writeback();
        Ok(())
    }

    /// Has the kernel write what is dirty while more bytes arrive. The advice
    /// drops pages that are clean; those of this range are not yet.
    fn begin_writeback(&mut self) {
        let dirty = self.size - self.begun;
        let Some(length) = NonZeroU64::new(dirty).filter(|_| dirty >= WRITEBACK) else {
            return;
        };
        // Only advice: nothing depends on whether it is taken.
        let _ = rustix::fs::fadvise(&self.file, self.begun, Some(length), Advice::DontNeed);
        self.begun = self.size;
    }

    /// Whether bytes and this record are flushed already.
    pub fn is_sealed_with(&self, meta: &Meta) -> bool {
        self.sealed.as_ref() == Some(meta)
    }

    /// Compares the bytes with their record.
    ///
    /// # Errors
    /// `Checksum`.
    pub fn check(&self, meta: &Meta) -> Result<(), Failure> {
        if self.size != meta.size {
            let message = format!("{} bytes came, the record says {}", self.size, meta.size);
            return Err(Failure::new(Fault::Checksum, message));
        }
        if self.crc.finalize() != meta.crc64 {
            return Err(Failure::new(
                Fault::Checksum,
                "the bytes have another CRC-64",
            ));
        }
        Ok(())
    }

    /// Writes the record and flushes it with the bytes. Always before the link,
    /// so that no power cut leaves a linked file that is not whole (invariants
    /// 2 and 3).
    ///
    /// # Errors
    /// `Checksum`, or the filesystem's error.
    pub fn seal(&mut self, meta: Meta) -> Result<(), Failure> {
        self.check(&meta)?;
        self.sealed = None;
        rustix::fs::fsetxattr(&self.file, XATTR, &meta.encode(), XattrFlags::empty())
            .map_err(|e| Failure::io("write the record", e))?;
        kit::crash_here!("node::before_file_flush");
        if !failpoints::skips(failpoints::SKIP_FILE_FLUSH) {
            rustix::fs::fsync(&self.file).map_err(|e| Failure::io("flush the file", e))?;
        }
        kit::crash_here!("node::after_file_flush");
        self.sealed = Some(meta);
        Ok(())
    }

    /// Links the file into a directory. Called by the committer only.
    pub(super) fn link(&self, dir: &OwnedFd, name: &FileName) -> Result<(), Errno> {
        match &self.name {
            None => {
                let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                let follow = AtFlags::SYMLINK_FOLLOW;
                rustix::fs::linkat(CWD, unnamed, dir, name.as_str(), follow)
            }
            Some(staged) => {
                let root = &staged.names.root;
                let (from, to) = (staged.path(), name.as_str());
                match rustix::fs::renameat_with(root, &from, dir, to, RenameFlags::NOREPLACE) {
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        // No flag for it here; the committer alone makes names,
                        // so that nothing can come between the two calls.
                        match rustix::fs::statat(dir, to, AtFlags::SYMLINK_NOFOLLOW) {
                            Err(Errno::NOENT) => rustix::fs::renameat(root, &from, dir, to),
                            Ok(_) => Err(Errno::EXIST),
                            Err(error) => Err(error),
                        }
                    }
                    other => other,
                }
            }
        }
    }

    /// The file is in its place: its room is used. Returns the open file.
    pub(super) fn settle(self) -> OwnedFd {
        self.claim.settle();
        self.file
    }
}

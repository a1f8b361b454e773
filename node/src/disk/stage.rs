//! Files on their way in: they have no name, or one in the staging tree, until
//! the committer links them.

use super::health::Health;
use super::meta::{Meta, XATTR};
use super::rename::rename;
use super::space::Claim;
use crate::failpoints;
use crate::fault::Failure;
use crate::pool::Pool;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use parking_lot::Mutex;
use proto::v1::Fault;
use proto::{FileName, MAX_ENTRIES};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::io::IoSlice;
use std::num::NonZeroU64;
use std::sync::Arc;

/// Mode of files: the owner writes, the group may read.
pub const FILE_MODE: Mode = Mode::from_raw_mode(0o640);
/// Mode of directories.
pub const DIR_MODE: Mode = Mode::from_raw_mode(0o750);
/// Bytes after which a large file's writeback is begun, so that the flush at
/// its end finds little left to do.
const WRITEBACK: u64 = 4 << 20;

/// Where files are staged, on a disk whose health is watched.
#[derive(Clone)]
pub struct Staging {
    kind: Kind,
    health: Arc<Health>,
    closer: Arc<Pool>,
}

#[derive(Debug, Clone)]
enum Kind {
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

/// A file that is not in the tree yet. Dropping it leaves nothing behind: another
/// thread closes it, since freeing its blocks takes long, or for ever where the
/// disk does not answer.
pub struct Staged {
    /// Taken only at its end.
    open: Option<Open>,
    closer: Arc<Pool>,
    health: Arc<Health>,
    size: u64,
    begun: u64,
    crc: Digest,
    /// The record that is flushed together with the bytes.
    sealed: Option<Meta>,
}

struct Open {
    file: OwnedFd,
    name: Option<Name>,
    claim: Claim,
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            self.closer.run(move || drop(open));
        }
    }
}

impl Staging {
    /// Unnamed files of a directory.
    pub fn unnamed(dir: OwnedFd, health: &Arc<Health>, closer: &Arc<Pool>) -> Self {
        Self {
            kind: Kind::Unnamed(Arc::new(dir)),
            health: Arc::clone(health),
            closer: Arc::clone(closer),
        }
    }

    /// Named files below `root`.
    pub fn named(root: OwnedFd, health: &Arc<Health>, closer: &Arc<Pool>) -> Self {
        let names = Names {
            root,
            free: Mutex::default(),
        };
        Self {
            kind: Kind::Named(Arc::new(names)),
            health: Arc::clone(health),
            closer: Arc::clone(closer),
        }
    }

    /// Begins a file, for which the claim promises room.
    ///
    /// # Errors
    /// When the filesystem refuses.
    pub fn create(&self, mut claim: Claim) -> Result<Staged, Failure> {
        let (file, name) = self.open()?;
        claim.made();
        Ok(Staged {
            open: Some(Open { file, name, claim }),
            closer: Arc::clone(&self.closer),
            health: Arc::clone(&self.health),
            size: 0,
            begun: 0,
            crc: Digest::new(CrcAlgorithm::Crc64Nvme),
            sealed: None,
        })
    }

    /// Checks whether the disk takes a file, by making one and dropping it. Blocks for
    /// as long as the disk does not answer.
    pub fn probe(&self) {
        // What is wrong is noted in the health, and met by the next create.
        drop(self.open());
    }

    fn open(&self) -> Result<(OwnedFd, Option<Name>), Failure> {
        let _beat = self.health.writes.begin();
        let failed = |doing| move |error| self.health.before_link(doing, error);
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match &self.kind {
            Kind::Unnamed(dir) => {
                let file = rustix::fs::openat(&**dir, ".", flags | OFlags::TMPFILE, FILE_MODE)
                    .map_err(failed("create"))?;
                Ok((file, None))
            }
            Kind::Named(names) => {
                let name = Names::take(names)?;
                let path = name.path();
                for parent in [&path[..1], &path[..3]] {
                    match rustix::fs::mkdirat(&names.root, parent, DIR_MODE) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(failed("create a staging directory")(error)),
                    }
                }
                let flags = flags | OFlags::CREATE | OFlags::EXCL;
                let file = rustix::fs::openat(&names.root, &path, flags, FILE_MODE)
                    .map_err(failed("create"))?;
                Ok((file, Some(name)))
            }
        }
    }
}

impl Names {
    fn take(names: &Arc<Self>) -> Result<Name, Failure> {
        let mut free = names.free.lock();
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
        let mut free = self.names.free.lock();
        free.returned.push(self.number);
    }
}

impl Staged {
    fn open(&self) -> &Open {
        self.open.as_ref().expect("it is taken only at its end")
    }

    fn claim(&mut self) -> &mut Claim {
        let open = self.open.as_mut();
        &mut open.expect("it is taken only at its end").claim
    }

    /// Bytes that were appended.
    pub fn size(&self) -> u64 {
        self.size
    }

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
        self.claim().write(total)?;
        let mut left = &mut left[..];
        while !left.is_empty() {
            match rustix::io::writev(&self.open().file, left) {
                Ok(0) => return Err(Failure::new(Fault::Disk, "write: nothing was written")),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.health.before_link("write", error)),
            }
        }
        self.claim().written();
        self.size += total;
        self.begin_writeback();
        Ok(())
    }

    /// Makes the kernel write dirty pages while more bytes arrive. The advice also
    /// drops pages that are clean, which those of this range are not yet.
    fn begin_writeback(&mut self) {
        let dirty = self.size - self.begun;
        let Some(length) = NonZeroU64::new(dirty).filter(|_| dirty >= WRITEBACK) else {
            return;
        };
        // Only advice: nothing depends on whether it is taken.
        let _ = rustix::fs::fadvise(
            &self.open().file,
            self.begun,
            Some(length),
            Advice::DontNeed,
        );
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
        rustix::fs::fsetxattr(
            &self.open().file,
            XATTR,
            &meta.encode(),
            XattrFlags::empty(),
        )
        .map_err(|e| self.health.before_link("write the record", e))?;
        failpoint::crash_here!("node::u1_before_flush");
        if !failpoints::wanted(failpoints::SKIP_FILE_FLUSH) {
            let _beat = self.health.flushes.begin();
            rustix::fs::fsync(&self.open().file)
                .map_err(|e| self.health.before_link("flush the file", e))?;
        }
        failpoint::crash_here!("node::u1_flushed");
        self.sealed = Some(meta);
        Ok(())
    }

    /// Links the file into a directory. Called by the committer only.
    pub(super) fn link(&self, dir: &OwnedFd, name: &FileName) -> Result<(), Errno> {
        let open = self.open();
        match &open.name {
            None => {
                let unnamed = format!("/proc/self/fd/{}", open.file.as_raw_fd());
                let follow = AtFlags::SYMLINK_FOLLOW;
                rustix::fs::linkat(CWD, unnamed, dir, name.as_str(), follow)
            }
            Some(staged) => {
                let root = &staged.names.root;
                let (from, to) = (staged.path(), name.as_str());
                rename(root, &from, dir, to, false)
            }
        }
    }

    /// The file is in its place: its room is used.
    pub(super) fn settle(mut self) {
        if let Some(open) = self.open.take() {
            open.claim.settle();
        }
    }
}

//! How files are staged on this filesystem, which is found out by trying: at the start,
//! or as soon as the disk takes a file. Until then the node serves and deletes what it has.

use super::health::Health;
use super::stage::{self, Staging};
use super::{OpenError, directory, io_error, io_error_of, make, meta};
use crate::fault::Failure;
use crate::pool::Pool;
use parking_lot::Mutex;
use proto::v1::Fault;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, OFlags, XattrFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The choice, once it is made.
pub(super) struct Choice {
    chosen: OnceLock<Staging>,
    choosing: Mutex<()>,
    dir: PathBuf,
    data: OwnedFd,
    no_tmpfile: bool,
    health: Arc<Health>,
    closer: Arc<Pool>,
}

impl Choice {
    /// Empties the staging tree `dir`, and makes the choice if the disk takes files.
    ///
    /// # Errors
    /// When the filesystem can't be used.
    pub(super) fn new(
        dir: PathBuf,
        data: &OwnedFd,
        no_tmpfile: bool,
        health: &Arc<Health>,
        closer: &Arc<Pool>,
    ) -> Result<Self, OpenError> {
        match wipe(&dir) {
            Ok(()) | Err(Errno::ROFS) => {}
            Err(error) => return Err(io_error("wipe", &dir)(error)),
        }
        let choice = Self {
            chosen: OnceLock::new(),
            choosing: Mutex::default(),
            data: data.try_clone().map_err(io_error_of("open", &dir))?,
            dir,
            no_tmpfile,
            health: Arc::clone(health),
            closer: Arc::clone(closer),
        };
        match choice.choose() {
            Ok(staging) => {
                let _ = choice.chosen.set(staging);
            }
            Err(OpenError::Io {
                doing,
                path,
                source,
            }) if takes_nothing(source) => {
                let failure = health.before_link(doing, source);
                tracing::warn!(path, %failure, "the disk takes no files now; what it has is served");
            }
            Err(error) => return Err(error),
        }
        Ok(choice)
    }

    /// The way of staging.
    ///
    /// # Errors
    /// Why the disk takes no files yet.
    pub(super) fn get(&self) -> Result<&Staging, Failure> {
        if let Some(staging) = self.chosen.get() {
            return Ok(staging);
        }
        let _one_at_a_time = self.choosing.lock();
        if self.chosen.get().is_none() {
            let staging = self.choose().map_err(|error| self.failure(&error))?;
            let _ = self.chosen.set(staging);
        }
        let gone = || Failure::new(Fault::Disk, "the way of staging is not known");
        self.chosen.get().ok_or_else(gone)
    }

    fn failure(&self, error: &OpenError) -> Failure {
        match error {
            OpenError::Io { doing, source, .. } => self.health.before_link(doing, *source),
            OpenError::NoAttributes(_) | OpenError::NoThread(_) | OpenError::Overfull(_) => {
                self.health.refuse(error.to_string());
                Failure::new(Fault::ReadOnly, error.to_string())
            }
        }
    }

    /// Unnamed files where the filesystem has them and they can be linked, which is
    /// tried out beside the tree, never in it.
    fn choose(&self) -> Result<Staging, OpenError> {
        make(&self.dir)?;
        let root = directory(&self.dir)?;
        attributes(&root, &self.dir)?;
        match unnamed(&root) {
            Ok(()) if !self.no_tmpfile => {
                let data = self.data.try_clone();
                let data = data.map_err(io_error_of("open", &self.dir))?;
                Ok(Staging::unnamed(data, &self.health, &self.closer))
            }
            Err(error) if takes_nothing(error) => Err(io_error("write to", &self.dir)(error)),
            tried => {
                if let Err(error) = tried {
                    tracing::info!(%error, "no unnamed files here: staging under names");
                }
                Ok(Staging::named(root, &self.health, &self.closer))
            }
        }
    }
}

/// Whether an error says that there is no room now, or that nothing can be written at all.
fn takes_nothing(error: Errno) -> bool {
    matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::ROFS)
}

const PROBE: &str = "probe";
const FLAGS: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC);

/// Whether files have attributes here.
fn attributes(root: &OwnedFd, dir: &Path) -> Result<(), OpenError> {
    let failed = || io_error("write to", dir);
    let named = rustix::fs::openat(root, PROBE, FLAGS | OFlags::CREATE, stage::FILE_MODE)
        .map_err(failed())?;
    let written = rustix::fs::fsetxattr(&named, meta::XATTR, b"probe", XattrFlags::empty());
    rustix::fs::unlinkat(root, PROBE, AtFlags::empty()).map_err(failed())?;
    match written {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => Err(OpenError::NoAttributes(dir.display().to_string())),
        Err(error) => Err(io_error("write an attribute in", dir)(error)),
    }
}

fn unnamed(root: &OwnedFd) -> Result<(), Errno> {
    let file = rustix::fs::openat(root, ".", FLAGS | OFlags::TMPFILE, stage::FILE_MODE)?;
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, from, root, PROBE, AtFlags::SYMLINK_FOLLOW)?;
    rustix::fs::unlinkat(root, PROBE, AtFlags::empty())
}

/// Empties the staging tree: what was staged at a crash was never acknowledged. Its
/// root stays, since a full disk may have no inode for another.
fn wipe(path: &Path) -> Result<(), Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(errno(error)),
    };
    for entry in entries {
        let entry = entry.map_err(errno)?;
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(entry.path()),
            Ok(_) | Err(_) => std::fs::remove_file(entry.path()),
        };
        removed.map_err(errno)?;
    }
    Ok(())
}

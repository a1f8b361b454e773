//! Which directory takes a file: made, opened, closed and removed as files come
//! and go.

use super::{Batch, Committer, DirKey};
use crate::disk::Place;
use crate::disk::lookup::Copy;
use crate::disk::stage::DIR_MODE;
use crate::fault::Failure;
use proto::LEVELS;
use proto::v1::Fault;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::sync::Arc;

/// Directories that are tried for one file.
const DIRECTORIES: usize = 64;
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Why a file can't be put into a directory: it could not be made, or not be used.
enum Unusable {
    Made(Errno),
    In(Errno),
}

/// Whether an error concerns one directory only, so that the next one may work.
fn is_of_the_directory(error: Errno) -> bool {
    matches!(
        error,
        Errno::ACCESS | Errno::PERM | Errno::NOTDIR | Errno::LOOP | Errno::NOENT | Errno::UCLEAN
    )
}

impl Committer {
    /// Puts a file, by `put`, into a leaf that has none of that name, and returns the
    /// leaf. A directory that can't be used is closed, and the next one tried.
    pub(super) fn place(
        &mut self,
        batch: &mut Batch,
        place: Place,
        copy: &Copy,
        put: impl Fn(&OwnedFd) -> Result<(), Errno>,
    ) -> Result<u32, Failure> {
        let mut taken = copy.candidates(&self.shared, place);
        let mut last = Failure::new(Fault::NoSpace, "every directory is full");
        for _ in 0..DIRECTORIES {
            let Some(slot) = self.trees[place as usize].reserve(&taken) else {
                return Err(last);
            };
            let leaf = slot.leaf;
            let (level, error) = match self.make_dirs(batch, place, slot.made, leaf) {
                Ok(dir) => match put(&dir) {
                    Ok(()) => return Ok(leaf),
                    Err(error) => (LEVELS, Unusable::In(error)),
                },
                Err((level, error)) => (level, Unusable::Made(error)),
            };
            self.release(batch, place, leaf);
            match error {
                // A foreign file of that name, which the scan did not see.
                Unusable::In(Errno::EXIST) => taken.push(leaf),
                // The file itself has gone, and nothing was put anywhere.
                Unusable::In(Errno::NOENT) if self.is_there(place, leaf) => {
                    let why = "the file to be linked has gone from where it was";
                    return Err(Failure::new(Fault::Disk, why));
                }
                Unusable::In(error) if !is_of_the_directory(error) => {
                    return Err(self.shared.health.at_link("link", error));
                }
                Unusable::Made(error) if !is_of_the_directory(error) && error != Errno::IO => {
                    return Err(self.shared.health.before_link("make a directory", error));
                }
                Unusable::In(error) | Unusable::Made(error) => {
                    let key = DirKey::new(place, self.culprit(place, level, leaf), leaf);
                    let path = format!("{}/{}", place.directory(), key.path());
                    let why = format!("the directory takes no files until a restart: {error}");
                    self.shared.troubles.note(&path, &why);
                    last = Failure::new(Fault::Disk, format!("{path}: {why}"));
                    self.trees[place as usize].close(key.level(), leaf);
                }
            }
        }
        Err(last)
    }

    /// Whether a leaf's directory can be opened.
    fn is_there(&self, place: Place, leaf: u32) -> bool {
        let path = DirKey::new(place, LEVELS, leaf).path();
        rustix::fs::openat(self.shared.root(place), path, DIRECTORY, Mode::empty()).is_ok()
    }

    /// The highest directory of a leaf's path that can't be opened, or else that
    /// of the level where it failed.
    fn culprit(&self, place: Place, failed: usize, leaf: u32) -> usize {
        let root = self.shared.root(place);
        let unusable = |level: &usize| {
            let path = DirKey::new(place, *level, leaf).path();
            rustix::fs::openat(root, path, DIRECTORY, Mode::empty()).is_err()
        };
        (1..failed).find(unusable).unwrap_or(failed)
    }

    /// Makes a leaf's directories from the first that is not there; an error names
    /// the level. All that changes is noted for the flush.
    pub(super) fn make_dirs(
        &self,
        batch: &mut Batch,
        place: Place,
        made: usize,
        leaf: u32,
    ) -> Result<Arc<OwnedFd>, (usize, Errno)> {
        for level in made + 1..=LEVELS {
            let path = DirKey::new(place, level, leaf).path();
            match rustix::fs::mkdirat(self.shared.root(place), path, DIR_MODE) {
                Ok(()) => self.shared.space.made_directory(),
                // One that exists is left over from a removal that failed, and
                // flushed as if new.
                Err(Errno::EXIST) => {}
                Err(error) => return Err((level, error)),
            }
            // Nothing in a leaf is answered before its whole chain is flushed (rule 5).
            self.dir(batch, DirKey::new(place, level - 1, leaf))
                .map_err(|error| (level - 1, error))?;
        }
        self.dir(batch, DirKey::new(place, LEVELS, leaf))
            .map_err(|error| (LEVELS, error))
    }

    /// Opens a directory that changes, and notes it for the flush.
    pub(super) fn dir(&self, batch: &mut Batch, key: DirKey) -> Result<Arc<OwnedFd>, Errno> {
        if let Some(dir) = batch.dirs.get(&key) {
            return Ok(Arc::clone(dir));
        }
        let root = self.shared.root(key.place);
        let dir = rustix::fs::openat(root, key.path(), DIRECTORY, Mode::empty())?;
        let dir = Arc::new(dir);
        batch.dirs.insert(key, Arc::clone(&dir));
        Ok(dir)
    }

    /// As [`Self::dir`], for a directory that has the file in question.
    pub(super) fn dir_of(&self, batch: &mut Batch, key: DirKey) -> Result<Arc<OwnedFd>, Failure> {
        self.dir(batch, key).map_err(|error| {
            let path = format!("{}/{}", key.place.directory(), key.path());
            Failure::io(&format!("open {path}"), error).before_link()
        })
    }

    pub(super) fn release(&mut self, batch: &mut Batch, place: Place, leaf: u32) {
        self.trees[place as usize].release(leaf);
        batch.emptied.insert((place, leaf));
    }

    /// Removes directories that hold nothing any more, from the leaf upwards.
    pub(super) fn remove_emptied(&self, batch: &mut Batch) {
        for (place, leaf) in std::mem::take(&mut batch.emptied) {
            let tree = &self.trees[place as usize];
            for level in (1..=LEVELS).rev() {
                let key = DirKey::new(place, level, leaf);
                if !tree.is_empty(level, leaf) {
                    break;
                }
                // The parent's flush makes the removal durable, and with it the unlinks
                // below. Where the parent can't be opened, the directory stays and is
                // flushed itself.
                if let Err(error) = self.dir(batch, DirKey::new(place, level - 1, leaf)) {
                    tracing::warn!(%error, "an emptied directory stays: its parent can't be opened");
                    break;
                }
                let root = self.shared.root(place);
                match rustix::fs::unlinkat(root, key.path(), AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    // Something foreign is in it: it stays.
                    Err(_) => break,
                }
                batch.dirs.remove(&key);
            }
        }
    }
}

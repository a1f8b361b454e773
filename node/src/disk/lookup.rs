//! Finding one copy: the index says where it may lie, its attribute says
//! whether it does.

use super::meta::{CopyKey, MAX_RECORD, Meta, XATTR};
use super::{Place, Shared, file_path};
use crate::fault::Failure;
use bytes::Bytes;
use proto::v1::{self, Fault};
use proto::{FileId, FileName, LEAF_COUNT};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// One copy, with a hint at where it lies.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The file's name.
    pub name: FileName,
    /// Which copy of it.
    pub key: CopyKey,
    /// The leaf that the record names.
    pub leaf: Option<u32>,
    /// The session in which a record lists it; 0 where that is not known.
    pub session: u64,
}

/// An open file that is the copy asked for.
#[derive(Debug)]
pub struct Found {
    /// The leaf it lies in.
    pub leaf: u32,
    /// Its record.
    pub meta: Meta,
    pub(super) file: OwnedFd,
}

impl Copy {
    /// Checks a message's reference.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn from_wire(copy: Option<v1::CopyRef>) -> Result<Self, Failure> {
        let copy = copy.ok_or_else(|| Failure::invalid("the copy is missing"))?;
        Ok(Self {
            name: FileName::new(&copy.name).map_err(Failure::invalid)?,
            key: CopyKey {
                id: FileId::from_wire(&copy.id).map_err(Failure::invalid)?,
                generation: copy.generation,
            },
            leaf: copy.leaf,
            session: copy.session,
        })
    }

    /// The reference as a message.
    #[must_use]
    pub fn to_wire(&self) -> v1::CopyRef {
        v1::CopyRef {
            id: self.key.id.to_wire(),
            generation: self.key.generation,
            name: self.name.to_string(),
            leaf: self.leaf,
            session: 0,
        }
    }

    /// The leaves to search, the hinted one first.
    pub(super) fn candidates(&self, shared: &Shared, place: Place) -> Vec<u32> {
        let index = shared.index(place);
        let hint = self
            .leaf
            .filter(|leaf| *leaf < LEAF_COUNT && index.contains(&self.name, *leaf));
        match hint {
            // Nearly always right, and then the only one.
            Some(leaf) => {
                let mut leaves = index.leaves(&self.name);
                leaves.retain(|other| *other != leaf);
                leaves.insert(0, leaf);
                leaves
            }
            None => index.leaves(&self.name),
        }
    }
}

/// An unread directory where a copy may lie that no readable leaf has: the one that its
/// hint points to or, without a hint, any; pure. A copy without a hint that was listed
/// in this session can't hide: it was seen when it came.
fn may_hide<'a>(unread: &'a [Range<u32>], copy: &Copy, session: u64) -> Option<&'a Range<u32>> {
    let is_new = copy.session != 0 && copy.session == session;
    let may = |leaves: &&Range<u32>| match copy.leaf {
        Some(leaf) => leaves.contains(&leaf),
        None => !is_new,
    };
    unread.iter().find(may)
}

impl Shared {
    /// Looks for a copy. One that may lie in an unread directory is an error, not a denial.
    pub(super) fn find(&self, place: Place, copy: &Copy) -> Result<Option<Found>, Failure> {
        if let Some(found) = self.find_read(place, copy)? {
            return Ok(Some(found));
        }
        let session = self.session.load(Ordering::Acquire);
        match may_hide(&self.unread[place as usize], copy, session) {
            None => Ok(None),
            Some(leaves) => {
                let (tree, leaf) = (place.directory(), proto::leaf_path(leaves.start));
                let why = format!(
                    "the node could not read all of {tree}/ when it started ({tree}/{leaf}), and \
                     does not know whether it holds the copy"
                );
                Err(Failure::new(Fault::Io, why))
            }
        }
    }

    /// Looks for a copy in the leaves that could be read.
    pub(super) fn find_read(&self, place: Place, copy: &Copy) -> Result<Option<Found>, Failure> {
        let mut unreadable = None;
        for leaf in copy.candidates(self, place) {
            let file = match self.open(place, leaf, &copy.name) {
                Ok(Some(file)) => file,
                Ok(None) => {
                    self.look_for(place, copy);
                    continue;
                }
                // This may not be the copy that is asked for: go on.
                Err(failure) => {
                    unreadable = Some(failure);
                    continue;
                }
            };
            match read_meta(&file) {
                Ok(Some(meta)) if meta.key == copy.key => {
                    return Ok(Some(Found { leaf, meta, file }));
                }
                Ok(_) => {}
                Err(error) => {
                    unreadable = Some(self.unreadable(place, leaf, &copy.name, error));
                }
            }
        }
        unreadable.map_or(Ok(None), Err)
    }

    /// Notes a file that can't be read.
    fn unreadable(&self, place: Place, leaf: u32, name: &FileName, error: Errno) -> Failure {
        let path = format!("{}/{}", place.directory(), file_path(leaf, name));
        self.troubles
            .note(&path, &format!("the file can't be read: {error}"));
        Failure::io(&format!("read {path}"), error)
    }

    /// Opens a file; None if there is none.
    pub(super) fn open(
        &self,
        place: Place,
        leaf: u32,
        name: &FileName,
    ) -> Result<Option<OwnedFd>, Failure> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let path = file_path(leaf, name);
        match rustix::fs::openat(self.root(place), path, flags, Mode::empty()) {
            Ok(file) => {
                let path = || format!("{}/{}", place.directory(), file_path(leaf, name));
                self.troubles.forget(path);
                Ok(Some(file))
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(self.unreadable(place, leaf, name, error)),
        }
    }
}

/// A file's record; None where it has none that can be understood.
pub(super) fn read_meta(file: &OwnedFd) -> Result<Option<Meta>, Errno> {
    let mut record = [0u8; MAX_RECORD];
    match rustix::fs::fgetxattr(file, XATTR, &mut record) {
        Ok(length) => Ok(Meta::decode(&record[..length]).ok()),
        Err(Errno::NODATA | Errno::RANGE) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Found {
    /// Reads exactly `length` bytes at `offset`.
    ///
    /// # Errors
    /// `Checksum` when the file is shorter than its record says.
    pub fn read(&self, offset: u64, length: usize) -> Result<Bytes, Failure> {
        let mut buffer = Vec::with_capacity(length);
        while buffer.len() < length {
            let at = offset + buffer.len() as u64;
            let left = length - buffer.len();
            let spare = rustix::buffer::spare_capacity(&mut buffer);
            match rustix::io::pread(&self.file, spare, at) {
                Ok(0) => {
                    let message = format!("the file ends at {at}, {left} bytes too early");
                    return Err(Failure::new(Fault::Checksum, message));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Failure::io("read", error)),
            }
        }
        buffer.truncate(length);
        Ok(Bytes::from(buffer))
    }

    /// The part of the file that a request means: from `offset`, `length` bytes
    /// or, if that is 0, to the end.
    ///
    /// # Errors
    /// `Invalid` when it lies beyond the end.
    pub fn range(&self, offset: u64, length: u64) -> Result<std::ops::Range<u64>, Failure> {
        let size = self.meta.size;
        let end = match length {
            0 => size,
            _ => offset.saturating_add(length),
        };
        if offset > size || end > size {
            let message = format!("bytes {offset} to {end} of a file of {size}");
            return Err(Failure::invalid(message));
        }
        Ok(offset..end)
    }

    /// Drops the file from the system's page cache, so that a read goes to the disk,
    /// and the file takes no room there that others need.
    pub fn drop_cached(&self) {
        // Only advice, like the next.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// Says that the file will be read from front to back.
    pub fn expect_sequential(&self) {
        // Only advice: nothing depends on whether it is taken.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::Sequential);
    }

    /// Whether the file is as long as its record says.
    ///
    /// # Errors
    /// When its size can't be read.
    pub fn is_whole(&self) -> Result<bool, Failure> {
        let stat = rustix::fs::fstat(&self.file).map_err(|e| Failure::io("stat", e))?;
        Ok(stat.st_size as u64 == self.meta.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_denied_only_where_every_leaf_was_read_that_may_have_it() {
        let unread: Vec<Range<u32>> = vec![36..72, 90..91];
        for (leaf, session, hidden) in [
            (Some(3), 0, None),
            (Some(36), 0, Some(36..72)),
            (Some(71), 8, Some(36..72)),
            // Though it is listed in this session, an adoption that this session took over
            // may have brought it before the start.
            (Some(71), 7, Some(36..72)),
            (Some(90), 0, Some(90..91)),
            // It may lie anywhere.
            (None, 0, Some(36..72)),
            (None, 8, Some(36..72)),
            // It came after the start.
            (None, 7, None),
        ] {
            let copy = Copy {
                name: FileName::new("f").expect("a name"),
                key: CopyKey {
                    id: FileId::from([1; 16]),
                    generation: 1,
                },
                leaf,
                session,
            };
            assert_eq!(may_hide(&unread, &copy, 7).cloned(), hidden, "{copy:?}");
            assert_eq!(may_hide(&[], &copy, 7), None);
            let none = Copy { session: 0, ..copy };
            assert_eq!(may_hide(&unread, &none, 0).is_some(), leaf != Some(3));
        }
    }
}

//! Every copy that a tree holds, read from disk leaf by leaf.

use super::lookup::read_meta;
use super::meta::Meta;
use super::{Place, Shared, file_path};
use crate::fault::Failure;
use proto::{FileName, LEAF_COUNT, LEVELS, leaf_path};
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

/// The attribute that says why a file is in quarantine.
pub(super) const REASON_XATTR: &str = "user.dfs.why";
/// The longest reason kept, in bytes.
pub(super) const MAX_REASON: usize = 512;

/// One file of a tree.
#[derive(Debug)]
pub struct Listed {
    /// The leaf it lies in.
    pub leaf: u32,
    /// Its name.
    pub name: FileName,
    /// Its record; None where it can't be read.
    pub meta: Option<Meta>,
    /// Why it is in quarantine.
    pub reason: String,
}

impl Listed {
    /// The file's path below the volume.
    pub fn path(&self, place: Place) -> String {
        format!("{}/{}", place.directory(), file_path(self.leaf, &self.name))
    }
}

impl Shared {
    pub(super) fn walk(
        &self,
        place: Place,
        from: u32,
        each: &mut dyn FnMut(Listed) -> bool,
    ) -> Result<(), Failure> {
        self.descend(place, from, 0, 0, each).map(|_| ())
    }

    /// Visits what lies below directory `number` of a level, from leaf `from` on;
    /// false ends the walk.
    fn descend(
        &self,
        place: Place,
        from: u32,
        level: usize,
        number: u32,
        each: &mut dyn FnMut(Listed) -> bool,
    ) -> Result<bool, Failure> {
        let leaves = LEAF_COUNT / 36u32.pow(level as u32);
        let leaf = number * leaves;
        if leaf + (leaves - 1) < from {
            return Ok(true);
        }
        let path = match level {
            0 => ".".to_owned(),
            _ => leaf_path(leaf)[..level * 2 - 1].to_owned(),
        };
        let names = match self.names(place, &path) {
            Ok(names) => names,
            // It went while we walked, or is somebody else's file.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(true),
            Err(error) if level == 0 => return Err(Failure::io("list", error)),
            Err(error) => {
                let path = format!("{}/{path}", place.directory());
                let why = format!("the directory can't be read, its files are not served: {error}");
                self.troubles.note(&path, &why);
                return Ok(true);
            }
        };
        if level == LEVELS {
            for name in names {
                let listed = FileName::from_bytes(&name).ok();
                let Some(listed) = listed.map(|name| self.listed(place, leaf, name)) else {
                    continue;
                };
                if !listed?.is_none_or(&mut *each) {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let mut digits: Vec<u32> = names
            .iter()
            .filter_map(|name| match name[..] {
                [digit] if !digit.is_ascii_uppercase() => char::from(digit).to_digit(36),
                _ => None,
            })
            .collect();
        digits.sort_unstable();
        for digit in digits {
            if !self.descend(place, from, level + 1, number * 36 + digit, each)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn names(&self, place: Place, path: &str) -> Result<Vec<Vec<u8>>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(self.root(place), path, flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::new(dir)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(name.to_vec()),
            }
        }
        Ok(names)
    }

    /// One file, if it is flushed and still there.
    fn listed(&self, place: Place, leaf: u32, name: FileName) -> Result<Option<Listed>, Failure> {
        if !self.index(place).contains(&name, leaf) {
            return Ok(None);
        }
        let mut reason = String::new();
        let meta = match self.open(place, leaf, &name) {
            Ok(None) => return Ok(None),
            Ok(Some(file)) => {
                if place == Place::Quarantine {
                    let mut text = [0u8; MAX_REASON];
                    if let Ok(length) = rustix::fs::fgetxattr(&file, REASON_XATTR, &mut text) {
                        reason = String::from_utf8_lossy(&text[..length]).into_owned();
                    }
                }
                read_meta(&file).unwrap_or_default()
            }
            // Reported as unreadable; the other files of the tree still count.
            Err(_) => None,
        };
        Ok(Some(Listed {
            leaf,
            name,
            meta,
            reason,
        }))
    }
}

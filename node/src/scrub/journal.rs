//! What outlives a restart: the place that the scrub has reached, and the corrupt
//! copies, which must not be served from the start on.

use crate::disk::Copy;
use crate::disk::meta::CopyKey;
use crate::durable;
use proto::{FileId, FileName};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "scrub.json";

/// How far the scrub is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// When the last pass began, in milliseconds since 1970.
    pub(super) begun_ms: u64,
    /// When the last whole pass ended.
    pub(super) ended_ms: u64,
    /// The first leaf that the pass under way has not read; none between passes.
    pub(super) next_leaf: Option<u32>,
    /// Files that the pass under way has read.
    pub(super) pass_files: u64,
}

impl Progress {
    /// How much of a tree of `files` the pass under way has read.
    pub(super) fn thousandths(&self, files: u64) -> u32 {
        let read = self.next_leaf.map_or(0, |_| self.pass_files.min(files));
        u32::try_from(read * 1000 / files.max(1)).unwrap_or(1000)
    }
}

/// The journal, as it lies beside the trees.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    #[serde(flatten)]
    pub(super) progress: Progress,
    corrupt: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    name: String,
    id: String,
    generation: u32,
}

impl Journal {
    pub(super) fn new<'a>(progress: Progress, corrupt: impl Iterator<Item = &'a Copy>) -> Self {
        let entry = |copy: &Copy| Entry {
            name: copy.name.to_string(),
            id: copy.key.id.to_string(),
            generation: copy.key.generation,
        };
        Self {
            progress,
            corrupt: corrupt.map(entry).collect(),
        }
    }

    pub(super) fn read(dir: &Path) -> std::io::Result<Self> {
        let text = match std::fs::read(dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error),
        };
        // It holds nothing that a new pass would not find again.
        Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "{FILE} can't be understood: the scrub begins anew");
            Self::default()
        }))
    }

    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        durable::replace(dir, FILE, self)
    }

    /// The corrupt copies, as far as they can be understood.
    pub(super) fn copies(&self) -> Vec<Copy> {
        let copy = |entry: &Entry| {
            let key = CopyKey {
                id: entry.id.parse::<FileId>().ok()?,
                generation: entry.generation,
            };
            let name = FileName::new(&entry.name).ok()?;
            Some(Copy {
                name,
                key,
                leaf: None,
                session: 0,
            })
        };
        self.corrupt.iter().filter_map(copy).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_survives_nonsense() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(Journal::read(dir.path()).expect("none"), Journal::default());
        let copy = Copy {
            name: FileName::new("ä b").expect("a name"),
            key: CopyKey {
                id: FileId::from([7; 16]),
                generation: 3,
            },
            leaf: Some(9),
            session: 0,
        };
        let progress = Progress {
            begun_ms: 5,
            ended_ms: 4,
            next_leaf: Some(7),
            pass_files: 50,
        };
        let journal = Journal::new(progress, [&copy].into_iter());
        journal.write(dir.path()).expect("written");
        let again = Journal::read(dir.path()).expect("read");
        assert_eq!(again, journal);
        let told = again.progress;
        assert_eq!((told.thousandths(100), told.thousandths(0)), (500, 0));
        let copies = again.copies();
        assert_eq!((copies[0].key, &copies[0].name), (copy.key, &copy.name));
        std::fs::write(dir.path().join(FILE), "{").expect("written");
        assert_eq!(Journal::read(dir.path()).expect("read"), Journal::default());
    }
}

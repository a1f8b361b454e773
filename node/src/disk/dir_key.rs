//! Keys for the directories of a tree, by which the committer notes what to flush.

use super::Place;
use proto::{LEVELS, leaf_path};

/// A directory of a tree: the one `level` levels down towards a leaf, named by the
/// first leaf below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DirKey {
    /// The tree.
    pub(super) place: Place,
    level: usize,
    first: u32,
}

impl DirKey {
    /// The directory above a leaf, or the leaf itself.
    pub(super) fn new(place: Place, level: usize, leaf: u32) -> Self {
        let width = 36u32.pow((LEVELS - level) as u32);
        Self {
            place,
            level,
            first: leaf / width * width,
        }
    }

    /// How many levels below the root it is.
    pub(super) fn level(self) -> usize {
        self.level
    }

    /// Its path below the tree's root.
    pub(super) fn path(self) -> String {
        if self.level == 0 {
            return ".".to_owned();
        }
        let mut path = leaf_path(self.first);
        path.truncate(self.level * 2 - 1);
        path
    }
}

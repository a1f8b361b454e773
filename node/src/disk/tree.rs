//! Which leaf directory takes the next file: a pure allocator of slots in a
//! tree of fixed depth and fan-out (invariant 1).

use proto::{LEVELS, MAX_ENTRIES};
use std::collections::BTreeSet;
use std::ops::Range;

/// Fan-out and depth of a tree. The real one is [`Shape::REAL`]; tests shrink it.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Entries that a directory may hold, files and directories alike.
    pub fan: u8,
    /// Directory levels above a file.
    pub levels: usize,
}

impl Shape {
    /// The shape of `data/`.
    pub const REAL: Self = Self {
        fan: MAX_ENTRIES as u8,
        levels: LEVELS,
    };

    /// Leaves below one directory of the given level; level 0 is the root.
    fn leaves_below(self, level: usize) -> u32 {
        u32::from(self.fan).pow((self.levels - level) as u32)
    }

    /// The leaves below the directory that lies `level` levels down towards `leaf`.
    fn range(self, level: usize, leaf: u32) -> Range<u32> {
        let width = self.leaves_below(level);
        let start = leaf / width * width;
        start..start + width
    }
}

/// A reserved slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The leaf that has the slot.
    pub leaf: u32,
    /// How many levels of the leaf's path held something before: the
    /// directories below that level have to be made.
    pub made: usize,
}

/// Counts of entries per leaf, reserved slots included. Counts of inner
/// directories follow from them: one exists while a leaf below it has an entry,
/// and has at most as many children as there are digits.
#[derive(Debug)]
pub struct Tree {
    shape: Shape,
    /// By leaf, up to the highest leaf that was ever used.
    counts: Vec<u8>,
    /// The leaves in `counts` that have room.
    open: BTreeSet<u32>,
    /// Leaves not to be used: foreign entries take their place or that of a directory
    /// above, or such a directory can't be used.
    blocked: Vec<Range<u32>>,
}

impl Tree {
    /// A tree that holds what a scan has found.
    pub fn new(shape: Shape, counts: Vec<u8>, blocked: Vec<Range<u32>>) -> Self {
        let open = counts
            .iter()
            .zip(0u32..)
            .filter(|(count, leaf)| {
                **count < shape.fan && !blocked.iter().any(|range| range.contains(leaf))
            })
            .map(|(_, leaf)| leaf)
            .collect();
        Self {
            shape,
            counts,
            open,
            blocked,
        }
    }

    /// Reserves a slot in the lowest leaf that has room and is none of `except`.
    /// None when the tree is full.
    pub fn reserve(&mut self, except: &[u32]) -> Option<Slot> {
        let leaf = match self.open.iter().find(|leaf| !except.contains(leaf)) {
            Some(leaf) => *leaf,
            None => self.grow()?,
        };
        let made = self.made(leaf);
        let count = &mut self.counts[leaf as usize];
        *count += 1;
        assert!(*count <= self.shape.fan, "leaf {leaf} over its bound");
        if *count == self.shape.fan {
            self.open.remove(&leaf);
        }
        Some(Slot { leaf, made })
    }

    /// Adds the next unused leaf.
    fn grow(&mut self) -> Option<u32> {
        loop {
            let next = u32::try_from(self.counts.len()).ok()?;
            if next >= self.shape.leaves_below(0) {
                return None;
            }
            match self.blocked.iter().find(|range| range.contains(&next)) {
                Some(range) => self.counts.resize(range.end as usize, 0),
                None => {
                    self.counts.push(0);
                    self.open.insert(next);
                    return Some(next);
                }
            }
        }
    }

    /// Gives a slot back: its file is gone, or was never made.
    ///
    /// # Panics
    /// When the leaf has none.
    pub fn release(&mut self, leaf: u32) {
        let count = &mut self.counts[leaf as usize];
        if *count == u8::MAX {
            // It had as many or more at the start, and takes none before it is counted again.
            return;
        }
        *count = count.checked_sub(1).expect("a slot is released once");
        // A leaf that someone else overfilled opens only when it has room.
        if *count < self.shape.fan && !self.blocked.iter().any(|range| range.contains(&leaf)) {
            self.open.insert(leaf);
        }
    }

    /// Takes the directory `level` levels down towards `leaf` out of use, and with
    /// it all leaves below.
    pub fn close(&mut self, level: usize, leaf: u32) {
        let range = self.shape.range(level, leaf);
        let open: Vec<u32> = self.open.range(range.clone()).copied().collect();
        for leaf in open {
            self.open.remove(&leaf);
        }
        self.blocked.push(range);
    }

    /// How many directories of the leaf's path, counted from below the root,
    /// hold something.
    fn made(&self, leaf: u32) -> usize {
        (1..=self.shape.levels)
            .rev()
            .find(|level| !self.is_empty(*level, leaf))
            .unwrap_or(0)
    }

    /// Whether the directory `level` levels down towards `leaf` holds nothing.
    pub fn is_empty(&self, level: usize, leaf: u32) -> bool {
        let range = self.shape.range(level, leaf);
        let end = (range.end as usize).min(self.counts.len());
        let start = (range.start as usize).min(end);
        self.counts[start..end].iter().all(|count| *count == 0)
    }

    /// Entries in a leaf.
    #[cfg(test)]
    fn count(&self, leaf: u32) -> u8 {
        self.counts.get(leaf as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// The largest number of entries of any directory, by counting them.
    fn largest(shape: Shape, files: &HashMap<u32, Vec<u32>>) -> usize {
        let mut entries: HashMap<(usize, u32), BTreeSet<u32>> = HashMap::new();
        for leaf in files.iter().filter(|(_, f)| !f.is_empty()).map(|(l, _)| *l) {
            for level in 0..shape.levels {
                let parent = leaf / shape.leaves_below(level);
                let child = leaf / shape.leaves_below(level + 1);
                entries.entry((level, parent)).or_default().insert(child);
            }
        }
        let inner = entries.values().map(BTreeSet::len).max().unwrap_or(0);
        inner.max(files.values().map(Vec::len).max().unwrap_or(0))
    }

    proptest! {
        #[test]
        fn no_directory_is_ever_over_its_bound(
            fan in 2u8..5, levels in 1usize..4,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..400),
        ) {
            let shape = Shape { fan, levels };
            let capacity = shape.leaves_below(0) as usize * usize::from(fan);
            let mut tree = Tree::new(shape, Vec::new(), Vec::new());
            let mut files: HashMap<u32, Vec<u32>> = HashMap::new();
            let mut live: Vec<(u32, u32)> = Vec::new();
            for (number, (create, which)) in (0u32..).zip(steps) {
                if create || live.is_empty() {
                    let lowest = (0..shape.leaves_below(0)).find(|l| tree.count(*l) < fan);
                    let slot = tree.reserve(&[]);
                    prop_assert_eq!(slot.map(|s| s.leaf), lowest);
                    prop_assert_eq!(slot.is_none(), live.len() == capacity);
                    let Some(slot) = slot else { continue };
                    let exist = (1..=levels).rev().find(|level| live.iter().any(|(leaf, _)|
                        leaf / shape.leaves_below(*level) == slot.leaf / shape.leaves_below(*level)));
                    prop_assert_eq!(slot.made, exist.unwrap_or(0));
                    files.entry(slot.leaf).or_default().push(number);
                    live.push((slot.leaf, number));
                } else {
                    let (leaf, file) = live.swap_remove(which.index(live.len()));
                    files.get_mut(&leaf).expect("a known leaf").retain(|f| *f != file);
                    tree.release(leaf);
                }
                prop_assert!(largest(shape, &files) <= usize::from(fan));
                for (leaf, there) in &files {
                    prop_assert_eq!(usize::from(tree.count(*leaf)), there.len());
                }
            }
        }

        #[test]
        fn excepted_and_blocked_leaves_are_never_given(
            except in prop::collection::vec(0u32..6, 0..4), start in 0u32..20, len in 1u32..8,
        ) {
            let shape = Shape { fan: 3, levels: 3 };
            let blocked = start..start + len;
            let counts = vec![2, 3, 0, 1, 2, 1];
            let mut tree = Tree::new(shape, counts, std::iter::once(blocked.clone()).collect());
            while let Some(slot) = tree.reserve(&except) {
                prop_assert!(!except.contains(&slot.leaf));
                prop_assert!(!blocked.contains(&slot.leaf));
            }
        }
    }

    #[test]
    fn a_directory_that_is_closed_gives_no_more_slots_and_the_next_one_does() {
        let shape = Shape { fan: 3, levels: 3 };
        let mut tree = Tree::new(shape, vec![1], Vec::new());
        tree.close(3, 0);
        assert_eq!(tree.reserve(&[]).map(|slot| slot.leaf), Some(1));
        tree.close(2, 1);
        assert_eq!(tree.reserve(&[]).map(|slot| slot.leaf), Some(3));
        tree.release(0);
        tree.close(1, 3);
        assert_eq!(tree.reserve(&[]).map(|slot| slot.leaf), Some(9));
    }

    #[test]
    fn the_last_of_36_to_the_6th_files_has_a_place_and_the_next_has_none() {
        let leaves = proto::LEAF_COUNT;
        let mut counts = vec![36u8; leaves as usize];
        counts[leaves as usize - 1] = 34;
        let mut tree = Tree::new(Shape::REAL, counts, Vec::new());
        let last = Slot {
            leaf: leaves - 1,
            made: LEVELS,
        };
        assert_eq!(tree.reserve(&[]), Some(last));
        assert_eq!(tree.reserve(&[]), Some(last));
        assert_eq!(tree.reserve(&[]), None);
        tree.release(7);
        assert_eq!(tree.reserve(&[7]), None);
        assert_eq!(tree.reserve(&[]).map(|slot| slot.leaf), Some(7));
    }

    #[test]
    fn the_first_files_fill_the_first_leaf() {
        let mut tree = Tree::new(Shape::REAL, Vec::new(), Vec::new());
        assert_eq!(tree.reserve(&[]), Some(Slot { leaf: 0, made: 0 }));
        for _ in 1..36 {
            assert_eq!(
                tree.reserve(&[]),
                Some(Slot {
                    leaf: 0,
                    made: LEVELS
                })
            );
        }
        let next = Slot {
            leaf: 1,
            made: LEVELS - 1,
        };
        assert_eq!(tree.reserve(&[]), Some(next));
    }

    #[test]
    fn a_leaf_that_holds_more_than_are_counted_stays_closed() {
        let shape = Shape { fan: 2, levels: 1 };
        let mut tree = Tree::new(shape, vec![u8::MAX, 3], Vec::new());
        for _ in 0..300 {
            tree.release(0);
        }
        tree.release(1);
        tree.release(1);
        assert_eq!(tree.reserve(&[]).map(|slot| slot.leaf), Some(1));
        assert_eq!(tree.reserve(&[]), None);
    }
}

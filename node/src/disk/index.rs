//! Where a name may lie: eight bytes of memory a file. A hint, not the truth;
//! that is in the file's attributes.

use hashbrown::HashTable;
use proto::FileName;
use std::hash::{BuildHasher, RandomState};

/// Leaves by name. Only files that are flushed are in it (rule 5).
#[derive(Debug, Default)]
pub struct Index {
    /// Keyed anew in each process, so that no one can prepare names that collide.
    keys: RandomState,
    entries: HashTable<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: u32,
    leaf: u32,
}

impl Entry {
    /// Spreads the tag over 64 bits: the table picks its buckets by the low
    /// ones and distinguishes entries by the high ones.
    fn hash(&self) -> u64 {
        spread(self.tag)
    }
}

fn spread(tag: u32) -> u64 {
    let mixed = u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

impl Index {
    fn tag(&self, name: &FileName) -> u32 {
        self.keys.hash_one(name.as_str()) as u32
    }

    /// Notes that a file of this name lies in the leaf.
    pub fn insert(&mut self, name: &FileName, leaf: u32) {
        let entry = Entry {
            tag: self.tag(name),
            leaf,
        };
        self.entries.insert_unique(entry.hash(), entry, Entry::hash);
    }

    /// Removes the entry of one file of this name in the leaf.
    pub fn remove(&mut self, name: &FileName, leaf: u32) {
        let gone = Entry {
            tag: self.tag(name),
            leaf,
        };
        if let Ok(entry) = self.entries.find_entry(gone.hash(), |e| *e == gone) {
            entry.remove();
        }
    }

    /// How many entries of a leaf, among those that may be of this name, have no file in
    /// its directory, which holds these names.
    pub fn surplus(&self, name: &FileName, leaf: u32, there: &[FileName]) -> usize {
        let tag = self.tag(name);
        let entries = self.leaves(name).into_iter().filter(|of| *of == leaf);
        let files = there.iter().filter(|name| self.tag(name) == tag);
        entries.count().saturating_sub(files.count())
    }

    /// Whether a file of this name may lie in the leaf.
    pub fn contains(&self, name: &FileName, leaf: u32) -> bool {
        let wanted = Entry {
            tag: self.tag(name),
            leaf,
        };
        self.entries.find(wanted.hash(), |e| *e == wanted).is_some()
    }

    /// Every leaf that may hold a file of this name.
    pub fn leaves(&self, name: &FileName) -> Vec<u32> {
        let tag = self.tag(name);
        self.entries
            .iter_hash(spread(tag))
            .filter(|e| e.tag == tag)
            .map(|e| e.leaf)
            .collect()
    }

    /// How many files it knows.
    pub fn count(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        FileName::new(text).expect("a good name")
    }

    #[test]
    fn a_name_is_found_in_each_of_its_leaves_until_removed() {
        let mut index = Index::default();
        for n in 0..20_000u32 {
            index.insert(&name(&format!("f{n}")), n / 36);
        }
        index.insert(&name("f7"), 999);
        let mut leaves = index.leaves(&name("f7"));
        leaves.sort_unstable();
        assert_eq!(leaves, [0, 999]);
        index.remove(&name("f7"), 0);
        assert_eq!(index.leaves(&name("f7")), [999]);
        assert!(!index.contains(&name("f7"), 0));
        assert!(index.contains(&name("f7"), 999));
        assert_eq!(index.count(), 20_000);
        assert_eq!(std::mem::size_of::<Entry>(), 8);
    }

    #[test]
    fn entries_are_surplus_where_the_directory_has_fewer_files() {
        let mut index = Index::default();
        let (a, b) = (name("a"), name("b"));
        for (file, leaf) in [(&a, 1), (&a, 1), (&a, 2), (&b, 1)] {
            index.insert(file, leaf);
        }
        for (there, surplus) in [
            (vec![], 2),
            (vec![b.clone()], 2),
            (vec![a.clone(), b.clone()], 1),
            // Two names of one hash.
            (vec![a.clone(), a.clone()], 0),
            // A file that is linked and not flushed is in no index yet.
            (vec![a.clone(), a.clone(), a.clone()], 0),
        ] {
            assert_eq!(index.surplus(&a, 1, &there), surplus, "{there:?}");
        }
        assert_eq!(index.surplus(&a, 3, &[]), 0);
    }
}

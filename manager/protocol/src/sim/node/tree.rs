//! What a node holds: its files, and those in quarantine. Each change is one step
//! (rule 14), and a removal is noted for the judge of invariant 8.

use crate::sim::dooms::Dooms;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use messages::v1::{CopyRef, FileMeta, InventoryEntry};
use names::{FileId, FileName};
use std::collections::{BTreeMap, BTreeSet};

/// Files in one leaf.
const LEAF: u32 = 3;

/// Which copy of which file: its id and generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CopyKey {
    /// The file's id.
    pub id: FileId,
    /// The attempt at placing it.
    pub generation: u32,
}

impl CopyKey {
    /// The copy that a message names; none where its id is malformed.
    pub(super) fn of(copy: &CopyRef) -> Option<Self> {
        Self::new(&copy.id, copy.generation)
    }

    /// The copy of an id as it is in messages.
    pub(super) fn new(id: &[u8], generation: u32) -> Option<Self> {
        let id = FileId::from_wire(id).ok()?;
        Some(Self { id, generation })
    }
}

/// One copy on the disk.
#[derive(Debug, Clone)]
pub struct Held {
    /// The file's name.
    pub name: FileName,
    /// Its record, as it is in the copy's attributes.
    pub meta: FileMeta,
    /// Its bytes.
    pub bytes: Bytes,
    /// Where it lies.
    pub leaf: u32,
    /// Why it is in quarantine.
    reason: String,
}

impl Held {
    /// A file that is about to be linked.
    pub(super) fn new(name: FileName, meta: FileMeta, bytes: Bytes) -> Self {
        Self {
            name,
            meta,
            bytes,
            leaf: 0,
            reason: String::new(),
        }
    }

    /// Whether it is as long as its record says.
    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.meta.size
    }

    /// Whether its bytes are those of its record, which a node knows only of what it has
    /// read again.
    pub fn is_sound(&self) -> bool {
        let crc = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &self.bytes);
        self.is_whole() && crc == self.meta.crc64
    }
}

/// A change of the trees.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Link(CopyKey, Box<Held>),
    Remove(CopyKey),
    Quarantine(CopyKey, String),
    Adopt(CopyKey),
    Discard(CopyKey),
    Barrier,
}

/// Both trees.
pub(super) struct Trees {
    data: BTreeMap<CopyKey, Held>,
    quarantine: BTreeMap<CopyKey, Held>,
    arrivals: u32,
    /// Copies that were found corrupt, as the real node's scrub keeps them.
    corrupt: BTreeSet<CopyKey>,
    dooms: Dooms,
}

impl Trees {
    /// Empty trees.
    pub(super) fn new(dooms: Dooms) -> Self {
        Self {
            data: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            arrivals: 0,
            corrupt: BTreeSet::new(),
            dooms,
        }
    }

    /// Makes a change; the leaf of the copy that it found or linked.
    pub(super) fn apply(&mut self, op: Op) -> Option<u32> {
        match op {
            Op::Link(key, held) => match self.data.get(&key) {
                // The same copy again.
                Some(there) => Some(there.leaf),
                None => Some(self.arrive(false, key, *held)),
            },
            Op::Remove(key) => self.remove(false, key),
            Op::Discard(key) => self.remove(true, key),
            Op::Quarantine(key, reason) => {
                let held = self.data.remove(&key)?;
                Some(self.arrive(true, key, Held { reason, ..held }))
            }
            Op::Adopt(key) => {
                let held = self.quarantine.remove(&key)?;
                Some(self.arrive(false, key, held))
            }
            Op::Barrier => None,
        }
    }

    fn arrive(&mut self, quarantine: bool, key: CopyKey, held: Held) -> u32 {
        self.arrivals += 1;
        let leaf = self.arrivals / LEAF;
        self.tree_mut(quarantine).insert(key, Held { leaf, ..held });
        leaf
    }

    fn remove(&mut self, quarantine: bool, key: CopyKey) -> Option<u32> {
        let held = self.tree_mut(quarantine).remove(&key)?;
        self.corrupt.remove(&key);
        self.dooms.remove((key.id, key.generation));
        Some(held.leaf)
    }

    fn tree_mut(&mut self, quarantine: bool) -> &mut BTreeMap<CopyKey, Held> {
        match quarantine {
            true => &mut self.quarantine,
            false => &mut self.data,
        }
    }

    /// The disk loses a file, or spoils its bytes.
    pub(super) fn damage(&mut self, key: CopyKey, spoilt: bool) {
        match self.data.get_mut(&key) {
            Some(held) if spoilt => {
                let bytes = held.bytes.iter().map(|byte| !byte);
                held.bytes = bytes.collect();
            }
            _ => drop(self.data.remove(&key)),
        }
    }

    /// Whether a copy that is there is not known to be corrupt. One that is shorter or
    /// longer than its record says is noted as corrupt.
    pub(super) fn is_intact(&mut self, key: CopyKey) -> bool {
        let Some(held) = self.data.get(&key) else {
            return false;
        };
        let whole = held.is_whole();
        if !whole {
            self.corrupt.insert(key);
        }
        whole && !self.corrupt.contains(&key)
    }

    /// Reads a copy that is there again, and keeps the result; whether it is sound.
    pub(super) fn judge(&mut self, key: CopyKey) -> bool {
        let Some(held) = self.data.get(&key) else {
            return false;
        };
        let sound = held.is_sound();
        match sound {
            true => self.corrupt.remove(&key),
            false => self.corrupt.insert(key),
        };
        sound
    }

    /// The files that are known to be corrupt.
    pub(super) fn corrupt(&self) -> impl Iterator<Item = (&CopyKey, &Held)> {
        let held = |key| self.data.get_key_value(key);
        self.corrupt.iter().filter_map(held)
    }

    /// A copy, where it is there under this name.
    pub(super) fn find(&self, key: CopyKey, name: &str) -> Option<&Held> {
        let found = self.data.get(&key);
        found.filter(|held| held.name.as_str() == name)
    }

    /// The files, or what is in quarantine.
    pub(super) fn all(&self, quarantine: bool) -> &BTreeMap<CopyKey, Held> {
        match quarantine {
            true => &self.quarantine,
            false => &self.data,
        }
    }

    /// What lies in the leaves from this one on, in their order.
    pub(super) fn listed(&self, quarantine: bool, from: u32) -> Vec<InventoryEntry> {
        let all = self.all(quarantine).values();
        let mut entries: Vec<_> = all
            .filter(|held| held.leaf >= from)
            .map(|held| InventoryEntry {
                meta: Some(held.meta.clone()),
                leaf: held.leaf,
                unreadable: String::new(),
                reason: held.reason.clone(),
            })
            .collect();
        entries.sort_by_key(|entry| entry.leaf);
        entries
    }
}

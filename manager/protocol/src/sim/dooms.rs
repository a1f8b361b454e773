//! Who removes bytes (invariant 8): which copies a durable record has doomed, and which
//! ones nodes removed without that.

use names::FileId;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A copy: its file's id and its generation.
type Key = (FileId, u32);

/// What a store and its nodes have done. Clones are the same.
#[derive(Clone, Default)]
pub struct Dooms(Arc<Mutex<All>>);

#[derive(Default)]
struct All {
    /// It only grows: a mark is never taken back.
    doomed: BTreeSet<Key>,
    removed: usize,
    undue: Vec<Key>,
}

impl Dooms {
    /// A durable record dooms these copies.
    pub(super) fn doom(&self, copies: impl IntoIterator<Item = Key>) {
        self.0.lock().doomed.extend(copies);
    }

    /// A node has removed bytes of this copy.
    pub(super) fn remove(&self, copy: Key) {
        let mut all = self.0.lock();
        all.removed += 1;
        if !all.doomed.contains(&copy) {
            all.undue.push(copy);
        }
    }

    /// How many copies were removed.
    pub fn removed(&self) -> usize {
        self.0.lock().removed
    }

    /// The copies that no durable record had doomed when their bytes were removed.
    pub fn undue(&self) -> Vec<(FileId, u32)> {
        self.0.lock().undue.clone()
    }
}

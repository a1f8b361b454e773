//! Records whose node denied the bytes, for people, and for moves and drains.

use super::moves::after;
use crate::store::Record;
use messages::{FileId, FileName, NodeId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Bound;

/// How many are remembered.
const REMEMBERED: usize = 10_000;

/// The copy that a record named when its node denied it: the same file may have come
/// back to the same node since, as another copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied {
    id: FileId,
    /// The node.
    pub(crate) node: NodeId,
    generation: u32,
}

impl Denied {
    /// What a record names.
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            id: record.id,
            node: record.node.clone(),
            generation: record.generation,
        }
    }
}

/// Records whose node denied the bytes.
#[derive(Default)]
pub struct Missing(Mutex<BTreeMap<FileName, Denied>>);

impl Missing {
    /// Remembers one.
    pub(crate) fn note(&self, record: &Record) {
        let mut all = self.0.lock();
        if all.len() < REMEMBERED {
            all.insert(record.name.clone(), Denied::of(record));
        }
    }

    /// Drops a file that has gone, or has its bytes again.
    pub(crate) fn forget(&self, name: &FileName) {
        let mut all = self.0.lock();
        all.remove(name);
    }

    /// Drops a denial, unless another one was noted since.
    pub(crate) fn forget_denied(&self, name: &FileName, denied: &Denied) {
        let mut all = self.0.lock();
        if all.get(name) == Some(denied) {
            all.remove(name);
        }
    }

    /// Whether a record is one of them.
    pub(crate) fn has(&self, record: &Record) -> bool {
        let all = self.0.lock();
        all.get(&record.name)
            .is_some_and(|denied| *denied == Denied::of(record))
    }

    /// The names of those that live on a node.
    pub(crate) fn names_on(&self, node: &NodeId) -> Vec<String> {
        self.0
            .lock()
            .iter()
            .filter(|(_, denied)| denied.node == *node)
            .map(|(name, _)| name.to_string())
            .collect()
    }

    /// Drops those of a node, which are about to be checked again.
    pub(crate) fn forget_node(&self, node: &NodeId) {
        let mut all = self.0.lock();
        all.retain(|_, denied| denied.node != *node);
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Some of their names, in order.
    pub fn names(&self, limit: usize) -> Vec<String> {
        let all = self.0.lock();
        all.keys().take(limit).map(ToString::to_string).collect()
    }

    /// Some after a name, in order.
    pub(crate) fn some_after(
        &self,
        name: Option<&FileName>,
        count: usize,
    ) -> Vec<(FileName, Denied)> {
        let all = self.0.lock();
        all.range((after(name), Bound::Unbounded))
            .take(count)
            .map(|(name, denied)| (name.clone(), denied.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::sample;

    #[test]
    fn a_file_that_came_back_to_its_node_as_another_copy_is_not_missing() {
        let missing = Missing::default();
        let denied = sample::record("a", 1);
        missing.note(&denied);
        assert!(missing.has(&denied));
        let mut adopted = denied.clone();
        adopted.generation += 1;
        assert!(!missing.has(&adopted));
        let mut moved = denied.clone();
        moved.node = sample::node("elsewhere");
        assert!(!missing.has(&moved));
        assert_eq!(missing.names_on(&denied.node), ["a"]);
        missing.note(&adopted);
        missing.forget_denied(&denied.name, &Denied::of(&denied));
        assert!(missing.has(&adopted), "it was denied since");
        missing.forget_denied(&adopted.name, &Denied::of(&adopted));
        assert_eq!(missing.count(), 0);
    }
}

//! Records whose node denied the bytes, for people and for those who would move
//! or drain them.

use crate::copies::is_whole;
use crate::core::Core;
use crate::nodes::home_ref;
use manager_store::Record;
use proto::{FileId, FileName, NodeId};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many are remembered.
const REMEMBERED: usize = 10_000;
/// How often some are looked at again, and how many: others may have deleted or
/// adopted them through another manager, or brought their bytes back.
const AGAIN: Duration = Duration::from_secs(2);
const SOME: usize = 100;

/// The copy that a record named when its node denied it: the same file may have come
/// back to the same node since, as another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Denied {
    id: FileId,
    node: NodeId,
    generation: u32,
}

impl Denied {
    fn of(record: &Record) -> Self {
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
    fn all(&self) -> MutexGuard<'_, BTreeMap<FileName, Denied>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers one.
    pub fn note(&self, record: &Record) {
        let mut all = self.all();
        if all.len() < REMEMBERED {
            all.insert(record.name.clone(), Denied::of(record));
        }
    }

    /// Forgets a file that has gone, or has its bytes again.
    pub fn forget(&self, name: &FileName) {
        let mut all = self.all();
        all.remove(name);
    }

    /// Forgets what was denied, unless something else was since.
    fn forget_denied(&self, name: &FileName, denied: &Denied) {
        let mut all = self.all();
        if all.get(name) == Some(denied) {
            all.remove(name);
        }
    }

    /// Whether a record is one of them.
    pub fn has(&self, record: &Record) -> bool {
        let all = self.all();
        all.get(&record.name)
            .is_some_and(|denied| *denied == Denied::of(record))
    }

    /// The names of those that live on a node.
    pub fn names_on(&self, node: &NodeId) -> Vec<String> {
        self.all()
            .iter()
            .filter(|(_, denied)| denied.node == *node)
            .map(|(name, _)| name.to_string())
            .collect()
    }

    /// Forgets those of a node, which are about to be looked for again.
    pub(crate) fn forget_node(&self, node: &NodeId) {
        let mut all = self.all();
        all.retain(|_, denied| denied.node != *node);
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.all().len()
    }

    /// Some of their names, in order.
    pub fn names(&self, limit: usize) -> Vec<String> {
        let all = self.all();
        all.keys().take(limit).map(ToString::to_string).collect()
    }

    /// Some after a name, in order.
    fn some_after(&self, name: Option<&FileName>) -> Vec<(FileName, Denied)> {
        let from = name.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
        let all = self.all();
        all.range((from, Bound::Unbounded))
            .take(SOME)
            .map(|(name, denied)| (name.clone(), denied.clone()))
            .collect()
    }
}

/// Forgets, one part after the other, those whose records went or changed place, and
/// those whose bytes are there again.
pub(crate) async fn watch(core: Arc<Core>) {
    let mut after: Option<FileName> = None;
    loop {
        tokio::time::sleep(AGAIN).await;
        let some = core.missing.some_after(after.as_ref());
        after = some.last().map(|(name, _)| name.clone());
        let mut still = BTreeMap::<NodeId, Vec<Record>>::new();
        for (name, denied) in some {
            let Ok(found) = core.store.get(&name).await else {
                break;
            };
            match found.filter(|record| Denied::of(record) == denied) {
                Some(record) => still.entry(denied.node).or_default().push(record),
                None => core.missing.forget_denied(&name, &denied),
            }
        }
        for (node, records) in still {
            ask_again(&core, &node, &records).await;
        }
    }
}

async fn ask_again(core: &Core, node: &NodeId, records: &[Record]) {
    // One whose disk is silent would hold up the others.
    let Some(node) = core.nodes.available(node).filter(|node| !node.is_silent()) else {
        return;
    };
    let copies = records.iter().map(home_ref).collect();
    let Ok(states) = node.link.inspect(copies).await else {
        return;
    };
    for (record, state) in records.iter().zip(states) {
        if is_whole(record, &state) {
            let denied = Denied::of(record);
            core.missing.forget_denied(&record.name, &denied);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_store::suite::sample;

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

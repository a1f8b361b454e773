//! Records whose node denied the bytes, for people and for those who would move
//! or drain them.

use crate::core::Core;
use manager_store::Record;
use proto::{FileId, FileName, NodeId};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many are remembered.
const REMEMBERED: usize = 10_000;
/// How often some are looked at again, and how many: others may have deleted or
/// adopted them through another manager.
const AGAIN: Duration = Duration::from_secs(2);
const SOME: usize = 100;

/// Records whose node denied the bytes.
#[derive(Default)]
pub struct Missing(Mutex<BTreeMap<FileName, (FileId, NodeId)>>);

impl Missing {
    /// Remembers one.
    pub fn note(&self, record: &Record) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < REMEMBERED {
            all.insert(record.name.clone(), (record.id, record.node.clone()));
        }
    }

    /// Forgets a file that has gone, or has its bytes again.
    pub fn forget(&self, name: &FileName) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(name);
    }

    /// Whether a record is one of them.
    pub fn has(&self, record: &Record) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&record.name)
            .is_some_and(|(id, node)| *id == record.id && *node == record.node)
    }

    /// The names of those that live on a node.
    pub fn names_on(&self, node: &NodeId) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|(_, (_, on))| on == node)
            .map(|(name, _)| name.to_string())
            .collect()
    }

    /// Forgets those of a node, which are about to be looked for again.
    pub(crate) fn forget_node(&self, node: &NodeId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, on)| on != node);
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Some of their names, in order.
    pub fn names(&self, limit: usize) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.keys().take(limit).map(ToString::to_string).collect()
    }

    /// Some after a name, in order.
    fn some_after(&self, name: Option<&FileName>) -> Vec<(FileName, FileId, NodeId)> {
        let from = name.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.range((from, Bound::Unbounded))
            .take(SOME)
            .map(|(name, (id, node))| (name.clone(), *id, node.clone()))
            .collect()
    }
}

/// Forgets, one part after the other, those whose records went or changed place.
pub(crate) async fn watch(core: Arc<Core>) {
    let mut after: Option<FileName> = None;
    loop {
        tokio::time::sleep(AGAIN).await;
        let some = core.missing.some_after(after.as_ref());
        after = some.last().map(|(name, ..)| name.clone());
        for (name, id, node) in some {
            let Ok(found) = core.store.get(&name).await else {
                break;
            };
            if !found.is_some_and(|record| record.id == id && record.node == node) {
                core.missing.forget(&name);
            }
        }
    }
}

//! Merges that were broken off.

use crate::store::NodeRow;
use messages::NodeId;
use parking_lot::Mutex;
use std::collections::HashMap;

/// How far a merge has come on its way from the disk to the store. It is kept when a
/// join breaks off, so that a large node is not read from its first leaf each time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The session and rev it holds for: another session, or a row that was changed
    /// (and so perhaps marked, rule 17), is merged from the start.
    session: u64,
    rev: u64,
    /// The leaf that was reached.
    pub(crate) leaf: u32,
    /// Copies that were moved aside.
    pub(crate) quarantined: u64,
    /// The highest generation.
    pub(crate) generation: u32,
}

/// The merges that were broken off, one for each node at the most.
#[derive(Default)]
pub(crate) struct Unfinished(Mutex<HashMap<NodeId, Progress>>);

impl Unfinished {
    /// Where the merge of a node goes on.
    pub(crate) fn resume(&self, row: &NodeRow, session: u64) -> Progress {
        let found = self.0.lock().get(&row.id).cloned();
        let same = |found: &Progress| found.session == session && found.rev == row.rev;
        found.filter(same).unwrap_or(Progress {
            session,
            rev: row.rev,
            ..Progress::default()
        })
    }

    /// Notes how far a merge has come.
    pub(crate) fn note(&self, node: &NodeId, progress: &Progress) {
        self.0.lock().insert(node.clone(), progress.clone());
    }

    /// The merge is over.
    pub(crate) fn end(&self, node: &NodeId) {
        self.0.lock().remove(node);
    }
}

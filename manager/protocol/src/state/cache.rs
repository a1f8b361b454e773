//! Records of files that were read lately (rule 13), so that a GET asks the node at
//! once, and works while the database is away. The node checks id and generation, so
//! that a stale entry costs a second read of the record, never a wrong answer.

use crate::nodes::Node;
use crate::store::Record;
use messages::FileName;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// A record, and the session of its node when it was read: a node that has begun
/// another session may have been set back, and the entry is not used then (rule 13).
#[derive(Clone)]
struct Entry {
    record: Arc<Record>,
    session: u64,
}

/// The cache; it holds a bounded number of records (invariant 9).
pub(crate) struct RecordCache(Cache<FileName, Entry>);

impl RecordCache {
    /// A cache of at most `records` records.
    pub(crate) fn new(records: usize) -> Self {
        Self(Cache::new(records))
    }

    /// The record of a name, if its node still has the session that it was kept for.
    pub(crate) fn get(
        &self,
        name: &FileName,
        node: impl FnOnce(&Record) -> Option<Arc<Node>>,
    ) -> Option<Arc<Record>> {
        let entry = self.0.get(name)?;
        let node = node(&entry.record)?;
        (node.session() == entry.session).then_some(entry.record)
    }

    /// Keeps a record that was just read, with the session that its node had before the read.
    pub(crate) fn keep(&self, record: &Arc<Record>, session: u64) {
        let (name, record) = (record.name.clone(), record.clone());
        self.0.insert(name, Entry { record, session });
    }

    /// Drops everything: the store was set back.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    /// Drops the record of a name.
    pub(crate) fn forget(&self, name: &FileName) {
        self.0.remove(name);
    }
}

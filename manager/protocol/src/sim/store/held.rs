//! What the store in memory holds.

use crate::sim::dooms::Dooms;
use crate::store::{Lease, LinkKey, NodeRow, Record, State, StoreError, Totals};
use names::{FileName, NodeId, Owner};
use std::collections::BTreeMap;
use std::ops::Bound;
use uuid::Uuid;

/// The cluster of each store in memory: nothing of a run is random but by its seed.
const CLUSTER: Uuid = Uuid::from_u128(0x51_c105_7e12);

pub(super) struct Held {
    pub(super) cluster: Uuid,
    pub(super) rebuilt_at_ms: Option<u64>,
    pub(super) link_key: Option<LinkKey>,
    pub(super) records: BTreeMap<FileName, Record>,
    pub(super) nodes: BTreeMap<NodeId, NodeRow>,
    pub(super) lease: Option<Lease>,
    pub(super) dooms: Dooms,
    pub(super) moved: u64,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            cluster: CLUSTER,
            rebuilt_at_ms: None,
            link_key: None,
            records: BTreeMap::new(),
            nodes: BTreeMap::new(),
            lease: None,
            dooms: Dooms::default(),
            moved: 0,
        }
    }
}

impl Held {
    /// Writes a record, and notes what it dooms and whether its file has moved.
    pub(super) fn write(&mut self, record: Record) {
        let all = record.state == State::Deleting;
        let doomed = record.copies.iter().filter(|copy| all || copy.doomed);
        self.dooms
            .doom(doomed.map(|copy| (record.id, copy.generation)));
        let moves = record.state == State::Moving;
        let (name, node) = (record.name.clone(), record.node.clone());
        let before = self.records.insert(name, record);
        self.moved += u64::from(moves && before.is_some_and(|before| before.node != node));
    }

    /// Records after a name, in the order of names.
    fn after(&self, after: Option<&FileName>) -> impl Iterator<Item = &Record> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.records.range::<FileName, _>((from, Bound::Unbounded));
        range.map(|(_, record)| record)
    }

    /// What there is of an owner.
    pub(super) fn stored_for(&self, owner: Owner) -> Totals {
        let mut sum = Totals::default();
        let its = self.records.values();
        for record in its.filter(|record| record.owner == Some(owner)) {
            sum.add(record.size);
        }
        sum
    }

    pub(super) fn some(
        &self,
        after: Option<&FileName>,
        limit: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Vec<Record> {
        let records = self.after(after).filter(|record| wanted(record));
        records.take(limit).cloned().collect()
    }
}

pub(super) fn check(record: &Record) -> Result<(), StoreError> {
    match record.counting_copy() {
        Some(_) => Ok(()),
        None => Err(StoreError::Invalid(
            "a record must list the copy that counts",
        )),
    }
}

pub(super) fn lists(record: &Record, node: &NodeId) -> bool {
    record.copies.iter().any(|copy| copy.node == *node)
}

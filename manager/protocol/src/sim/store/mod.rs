//! A store in memory. It passes the behaviour suite of all engines.

mod held;

use super::dooms::Dooms;
use crate::store::{
    CountStep, Insert, Lease, LinkKey, NodeRow, Record, Store, StoreError, StoreStats, Swap,
    Totals, Which,
};
use async_trait::async_trait;
use held::{Held, check, lists};
use names::{FileId, FileName, NodeId, Owner, Quota};
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// A store whose records live as long as it.
#[derive(Default)]
pub struct Memory {
    held: Mutex<Held>,
    away: AtomicBool,
    stats: StoreStats,
}

impl Memory {
    /// It is away from now on, but for reads of the lease, or is back.
    pub fn be_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Every record, in the order of names.
    pub fn records(&self) -> Vec<Record> {
        self.held.lock().records.values().cloned().collect()
    }

    /// What its records doom, and what nodes that know of it remove.
    pub fn dooms(&self) -> Dooms {
        self.held.lock().dooms.clone()
    }

    /// How often the copy that counts became one on another node.
    pub fn moved(&self) -> u64 {
        self.held.lock().moved
    }

    fn held(&self) -> Result<MutexGuard<'_, Held>, StoreError> {
        match self.away.load(Ordering::Relaxed) {
            true => Err(StoreError::unavailable("it is away")),
            false => Ok(self.held.lock()),
        }
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Held) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _waits = self.stats.waits();
        let changed = change(&mut *self.held()?);
        self.stats.committed(1, Duration::from_nanos(1));
        changed
    }
}

#[async_trait]
impl Store for Memory {
    async fn cluster_id(&self) -> Result<Uuid, StoreError> {
        Ok(self.held()?.cluster)
    }

    async fn set_cluster_id(&self, id: Uuid) -> Result<(), StoreError> {
        self.change(|held| match held.records.is_empty() {
            true => {
                held.cluster = id;
                Ok(())
            }
            false => Err(StoreError::NotEmpty),
        })
    }

    async fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.held()?.rebuilt_at_ms)
    }

    async fn set_rebuilt_at_ms(&self, at: Option<u64>) -> Result<(), StoreError> {
        self.change(|held| {
            held.rebuilt_at_ms = at;
            Ok(())
        })
    }

    async fn link_key(&self, offered: LinkKey) -> Result<LinkKey, StoreError> {
        self.change(|held| Ok(*held.link_key.get_or_insert(offered)))
    }

    async fn get(&self, name: &FileName) -> Result<Option<Record>, StoreError> {
        Ok(self.held()?.records.get(name).cloned())
    }

    async fn get_many(&self, names: &[FileName]) -> Result<Vec<Option<Record>>, StoreError> {
        let held = self.held()?;
        let record = |name| held.records.get(name).cloned();
        Ok(names.iter().map(record).collect())
    }

    async fn insert_within(&self, record: Record, quota: Quota) -> Result<Insert, StoreError> {
        check(&record)?;
        self.change(|held| {
            if let Some(found) = held.records.get(&record.name) {
                return Ok(Insert::Exists(found.clone()));
            }
            let stored = record.owner.map(|owner| held.stored_for(owner));
            if let Some(stored) = stored
                && !quota.has_room(stored.files, stored.bytes, record.size)
            {
                return Ok(Insert::Over(stored));
            }
            held.write(record);
            Ok(Insert::Inserted)
        })
    }

    async fn swap(&self, new: Record) -> Result<Swap, StoreError> {
        check(&new)?;
        let before = new.rev.checked_sub(1);
        let before = before.ok_or(StoreError::Invalid("revs begin at 1"))?;
        self.change(|held| match held.records.get(&new.name) {
            Some(found) if found.id == new.id && found.rev == before => {
                held.write(new);
                Ok(Swap::Done)
            }
            found => Ok(Swap::Mismatch(found.cloned())),
        })
    }

    async fn remove(&self, name: &FileName, id: FileId, rev: u64) -> Result<Swap, StoreError> {
        self.change(|held| match held.records.get(name) {
            Some(found) if found.id == id && found.rev == rev => {
                held.records.remove(name);
                Ok(Swap::Done)
            }
            found => Ok(Swap::Mismatch(found.cloned())),
        })
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let held = self.held()?;
        let wanted = held.records.values().filter(|record| {
            let name = record.name.as_str();
            let comes = after.is_none_or(|after| name.as_bytes() > after.as_bytes());
            comes && name.starts_with(prefix) && record.state.is_visible()
        });
        Ok(wanted.take(limit).cloned().collect())
    }

    async fn unsettled(
        &self,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let held = self.held()?;
        Ok(held.some(after, limit, |record| !record.state.is_settled()))
    }

    async fn listed_on(
        &self,
        node: &NodeId,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let held = self.held()?;
        Ok(held.some(after, limit, |record| lists(record, node)))
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        let counted = self.count(Which::Visible, None, usize::MAX).await?;
        Ok(Totals {
            files: counted.files,
            bytes: counted.bytes,
        })
    }

    async fn stored_for(&self, owner: Owner) -> Result<Totals, StoreError> {
        Ok(self.held()?.stored_for(owner))
    }

    async fn count(
        &self,
        which: Which<'_>,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        let wanted = |record: &Record| match which {
            Which::Visible => record.state.is_visible(),
            Which::ListedOn(node) => lists(record, node),
        };
        let counted = self.held()?.some(after, limit, wanted);
        let sizes = || counted.iter().map(|record| record.size);
        let last = counted.last().filter(|_| counted.len() == limit);
        Ok(CountStep {
            files: counted.len() as u64,
            bytes: sizes().sum(),
            largest: sizes().max().unwrap_or(0),
            last: last.map(|record| record.name.clone()),
        })
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        Ok(self.held()?.nodes.values().cloned().collect())
    }

    async fn put_node(&self, row: NodeRow) -> Result<bool, StoreError> {
        self.change(|held| {
            let before = held.nodes.get(&row.id).map_or(0, |found| found.rev);
            let next = row.rev == before + 1;
            if next {
                held.nodes.insert(row.id.clone(), row);
            }
            Ok(next)
        })
    }

    async fn remove_node(&self, id: &NodeId, rev: u64) -> Result<bool, StoreError> {
        self.change(|held| {
            let same = held.nodes.get(id).is_some_and(|found| found.rev == rev);
            if same {
                held.nodes.remove(id);
            }
            Ok(same)
        })
    }

    async fn take_lease(
        &self,
        seen: Option<&Lease>,
        holder: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        self.change(|held| {
            if held.lease.as_ref() != seen {
                return Ok(Err(held.lease.clone()));
            }
            let counter = seen.map_or(0, |seen| seen.counter);
            let number = seen.map_or(0, |seen| seen.number) + 1;
            let lease = Lease {
                holder: holder.to_owned(),
                number,
                counter: counter + 1,
                // No other term has this number: the store is never set back.
                term: number,
                begun: counter,
            };
            held.lease = Some(lease.clone());
            Ok(Ok(lease))
        })
    }

    async fn renew_lease(&self, held: &Lease) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        self.change(|stored| {
            if stored.lease.as_ref() != Some(held) {
                return Ok(Err(stored.lease.clone()));
            }
            let renewed = Lease {
                counter: held.counter + 1,
                ..held.clone()
            };
            stored.lease = Some(renewed.clone());
            Ok(Ok(renewed))
        })
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        Ok(self.held.lock().lease.clone())
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.change(|_| Ok(()))
    }

    fn stats(&self) -> &StoreStats {
        &self.stats
    }
}

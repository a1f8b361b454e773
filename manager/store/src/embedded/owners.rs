//! The sums of owners: kept in the transactions that change records, and counted anew
//! after a version that does not keep them has written.

use super::tables::{LEASE, OWNER, Tables, failed, file_name, owner_key};
use super::writes::persist_mode;
use crate::encoding;
use fjall::{Readable, Snapshot};
use manager_protocol::store::{Record, StoreError, Totals};
use names::{Owner, Quota};
use std::collections::HashMap;

/// The sum of an owner before a transaction and after it.
struct Sum {
    stored: Totals,
    now: Totals,
}

/// The sums that a transaction changes.
pub(super) struct Owners<'a> {
    tables: &'a Tables,
    sums: HashMap<Owner, Sum>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            sums: HashMap::new(),
        }
    }

    /// What is stored, where the quota of a record's owner has no room for it beside that.
    pub(super) fn over(
        &mut self,
        record: &Record,
        quota: Quota,
    ) -> Result<Option<Totals>, StoreError> {
        let Some(owner) = record.owner else {
            return Ok(None);
        };
        let Totals { files, bytes } = self.sum(owner)?.now;
        let over = !quota.has_room(files, bytes, record.size);
        Ok(over.then_some(Totals { files, bytes }))
    }

    /// Counts a record for its owner in place of another one.
    pub(super) fn replaced(
        &mut self,
        before: Option<Weight>,
        after: Option<Weight>,
    ) -> Result<(), StoreError> {
        if before == after {
            return Ok(());
        }
        // Both are read before either changes: a failure changes nothing.
        for Weight { owner, .. } in [before, after].into_iter().flatten() {
            self.sum(owner)?;
        }
        if let Some(Weight { owner, size }) = before {
            let now = &mut self.sum(owner)?.now;
            // That should never be. It is no reason to keep a file, whose delete would
            // fail for ever then.
            if now.files < 1 || now.bytes < size {
                tracing::error!(%owner, ?now, size, "an owner's sum is too low");
            }
            now.files = now.files.saturating_sub(1);
            now.bytes = now.bytes.saturating_sub(size);
        }
        if let Some(Weight { owner, size }) = after {
            self.sum(owner)?.now.add(size);
        }
        Ok(())
    }

    /// The keys and values that the transaction writes; those without a value go.
    pub(super) fn changed(self) -> impl Iterator<Item = (Vec<u8>, Option<Totals>)> {
        let changed = |(_, sum): &(Owner, Sum)| sum.stored != sum.now;
        let written = |(owner, Sum { now, .. })| {
            let some = (now != Totals::default()).then_some(now);
            (owner_key(owner), some)
        };
        self.sums.into_iter().filter(changed).map(written)
    }

    fn sum(&mut self, owner: Owner) -> Result<&mut Sum, StoreError> {
        if !self.sums.contains_key(&owner) {
            let stored = self.tables.stored_for(owner)?;
            let sum = Sum {
                stored,
                now: stored,
            };
            self.sums.insert(owner, sum);
        }
        Ok(self
            .sums
            .get_mut(&owner)
            .expect("inserted above if it was missing"))
    }
}

/// What a record counts for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    owner: Owner,
    size: u64,
}

impl Weight {
    /// Nothing, where it has no owner.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let size = record.size;
        record.owner.map(|owner| Self { owner, size })
    }
}

/// Counts the sums anew, where the last to write did not keep them: a version that does
/// not know of them, to which somebody went back. It writes the lease as long as it runs,
/// and leaves out of it that the sums are kept.
///
/// # Errors
/// What the engine says.
pub(super) fn settle(tables: &Tables) -> Result<(), StoreError> {
    let Some(lease) = tables.meta(LEASE)? else {
        return Ok(());
    };
    if encoding::keeps_owners(&lease)? {
        return Ok(());
    }
    let snapshot = tables.db.snapshot();
    let mut sums: HashMap<Vec<u8>, Totals> = HashMap::new();
    for row in snapshot.prefix(&tables.meta, OWNER) {
        sums.insert(row.key().map_err(failed)?.to_vec(), Totals::default());
    }
    // Without any sum there is no record with an owner.
    if !sums.is_empty() {
        tracing::info!("counts what there is of each owner: another version wrote last");
        count(tables, &snapshot, &mut sums)?;
    }
    let mut batch = tables.db.batch().durability(Some(persist_mode()));
    for (key, sum) in sums {
        match sum == Totals::default() {
            true => batch.remove(&tables.meta, key),
            false => batch.insert(&tables.meta, key, encoding::encode_totals(&sum)),
        }
    }
    let lease = encoding::decode_lease(&lease)?;
    batch.insert(&tables.meta, LEASE, encoding::encode_lease(&lease));
    batch.commit().map_err(failed)
}

fn count(
    tables: &Tables,
    snapshot: &Snapshot,
    sums: &mut HashMap<Vec<u8>, Totals>,
) -> Result<(), StoreError> {
    for row in snapshot.iter(&tables.files) {
        let (key, value) = row.into_inner().map_err(failed)?;
        let record = file_name(&key).and_then(|name| encoding::decode_record(name, &value));
        match record {
            Ok(record) => {
                if let Some(Weight { owner, size }) = Weight::of(&record) {
                    sums.entry(owner_key(owner)).or_default().add(size);
                }
            }
            // The rest of the store is to be read all the same.
            Err(error) => tracing::error!(%error, "a record counts for nobody"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Embedded;
    use manager_protocol::sim::sample::record;
    use manager_protocol::store::{Insert, Store};

    fn owned(name: &str, size: u64) -> Record {
        Record {
            owner: Some(Owner(7)),
            ..record(name, size)
        }
    }

    #[tokio::test]
    async fn what_a_version_without_sums_left_is_counted_anew() {
        let dir = tempfile::tempdir().unwrap();
        let sum = |files, bytes| Totals { files, bytes };
        let store = Embedded::open(dir.path()).await.unwrap();
        for (name, size) in [("a", 1), ("b", 20), ("c", 300)] {
            let inserted = store.insert(owned(name, size)).await.unwrap();
            assert_eq!(inserted, Insert::Inserted);
        }
        assert_eq!(store.stored_for(Owner(7)).await.unwrap(), sum(3, 321));
        let held = store.take_lease(None, "one").await.unwrap().unwrap();
        drop(store);
        // As such a version writes: a file is moved, whereby its owner gets lost, and the
        // lease is renewed. Neither changes the sum of all files.
        let tables = Tables::open(&dir.path().join("engine")).unwrap();
        let mut batch = tables.db.batch();
        let moved = encoding::encode_record(&record("b", 20)).unwrap();
        batch.insert(&tables.files, "b", moved);
        let mut lease = encoding::encode_lease(&held);
        // The last field, of two bytes.
        lease.truncate(lease.len() - 2);
        assert!(!encoding::keeps_owners(&lease).unwrap());
        batch.insert(&tables.meta, LEASE, lease);
        batch.durability(Some(persist_mode())).commit().unwrap();
        drop(tables);
        let store = Embedded::open(dir.path()).await.unwrap();
        assert_eq!(store.stored_for(Owner(7)).await.unwrap(), sum(2, 301));
        let lease = store.tables.meta(LEASE).unwrap().unwrap();
        assert!(encoding::keeps_owners(&lease).unwrap(), "counted once");
        assert_eq!(store.lease().await.unwrap(), Some(held));
        drop(store);
        let store = Embedded::open(dir.path()).await.unwrap();
        assert_eq!(store.stored_for(Owner(7)).await.unwrap(), sum(2, 301));
    }
}

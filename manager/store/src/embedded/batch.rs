//! One transaction in the making: changes are applied to it one after the other,
//! each seeing those before it, so that compare-and-swap is exact (rule 1); what
//! is left in the end, one value a key, is written.

use std::collections::{BTreeMap, HashMap};

use names::{FileId, FileName, NodeId, Quota};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::owners::{Owners, Weight};
use super::tables::{
    CLUSTER_ID, LEASE, LINK_KEY, REBUILT_AT, TOTALS, Tables, copy_key, node_key, number,
};
use super::writes::{Buffers, Table, Writes};
use crate::encoding;
use crate::term::new_term;
use manager_protocol::store::{Insert, Lease, LinkKey, NodeRow, Record, StoreError, Swap, Totals};

/// Where the outcome of a change goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
/// What [`manager_protocol::store::Store::take_lease`] and `renew_lease` answer.
pub(super) type LeaseOutcome = Result<Lease, Option<Lease>>;

/// A change, as [`manager_protocol::store::Store`] describes it, and who waits for it.
pub(super) enum Change {
    Insert {
        record: Record,
        quota: Quota,
        reply: Reply<Insert>,
    },
    Swap {
        new: Record,
        reply: Reply<Swap>,
    },
    Remove {
        name: FileName,
        id: FileId,
        rev: u64,
        reply: Reply<Swap>,
    },
    PutNode {
        row: NodeRow,
        reply: Reply<bool>,
    },
    RemoveNode {
        id: NodeId,
        rev: u64,
        reply: Reply<bool>,
    },
    TakeLease {
        seen: Option<Lease>,
        holder: String,
        reply: Reply<LeaseOutcome>,
    },
    RenewLease {
        held: Lease,
        reply: Reply<LeaseOutcome>,
    },
    SetClusterId {
        id: Uuid,
        reply: Reply<()>,
    },
    SetRebuilt {
        at: Option<u64>,
        reply: Reply<()>,
    },
    LinkKey {
        offered: LinkKey,
        reply: Reply<LinkKey>,
    },
}

/// An outcome that is sent once the transaction is durable.
pub(super) enum Answer {
    Insert(Reply<Insert>, Result<Insert, StoreError>),
    Swap(Reply<Swap>, Result<Swap, StoreError>),
    Bool(Reply<bool>, Result<bool, StoreError>),
    Lease(Reply<LeaseOutcome>, Result<LeaseOutcome, StoreError>),
    Unit(Reply<()>, Result<(), StoreError>),
    Key(Reply<LinkKey>, Result<LinkKey, StoreError>),
}

impl Answer {
    /// Sends the outcome, or that the transaction failed. A caller that went away
    /// meanwhile needs no answer.
    pub(super) fn tell(self, failure: Option<&StoreError>) {
        fn send<T>(reply: Reply<T>, outcome: Result<T, StoreError>, failure: Option<&StoreError>) {
            let _ = reply.send(failure.map_or(outcome, |e| Err(e.clone())));
        }
        match self {
            Self::Insert(reply, outcome) => send(reply, outcome, failure),
            Self::Swap(reply, outcome) => send(reply, outcome, failure),
            Self::Bool(reply, outcome) => send(reply, outcome, failure),
            Self::Lease(reply, outcome) => send(reply, outcome, failure),
            Self::Unit(reply, outcome) => send(reply, outcome, failure),
            Self::Key(reply, outcome) => send(reply, outcome, failure),
        }
    }
}

impl Change {
    /// Refuses the change without having tried it.
    pub(super) fn refuse(self, why: StoreError) {
        // A caller that went away meanwhile needs no answer.
        let _gone = match self {
            Self::Insert { reply, .. } => reply.send(Err(why)).is_err(),
            Self::Swap { reply, .. } | Self::Remove { reply, .. } => reply.send(Err(why)).is_err(),
            Self::PutNode { reply, .. } | Self::RemoveNode { reply, .. } => {
                reply.send(Err(why)).is_err()
            }
            Self::TakeLease { reply, .. } | Self::RenewLease { reply, .. } => {
                reply.send(Err(why)).is_err()
            }
            Self::SetClusterId { reply, .. } | Self::SetRebuilt { reply, .. } => {
                reply.send(Err(why)).is_err()
            }
            Self::LinkKey { reply, .. } => reply.send(Err(why)).is_err(),
        };
    }
}

/// A name's record before the transaction and after it.
struct Slot {
    stored: Option<Record>,
    now: Option<Record>,
}

/// The transaction.
pub(super) struct Batch<'a> {
    tables: &'a Tables,
    files: HashMap<FileName, Slot>,
    owners: Owners<'a>,
    /// Values of the `meta` table that this transaction writes.
    meta: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        Self {
            tables,
            files: HashMap::new(),
            owners: Owners::new(tables),
            meta: BTreeMap::new(),
        }
    }

    /// Applies a change; the outcome holds once the transaction is durable.
    pub(super) fn apply(&mut self, change: Change) -> Answer {
        match change {
            Change::Insert {
                record,
                quota,
                reply,
            } => Answer::Insert(reply, self.insert(record, quota)),
            Change::Swap { new, reply } => Answer::Swap(reply, self.swap(new)),
            Change::Remove {
                name,
                id,
                rev,
                reply,
            } => Answer::Swap(reply, self.replace(name, id, rev, None)),
            Change::PutNode { row, reply } => Answer::Bool(reply, self.put_node(&row)),
            Change::RemoveNode { id, rev, reply } => {
                Answer::Bool(reply, self.remove_node(&id, rev))
            }
            Change::TakeLease {
                seen,
                holder,
                reply,
            } => Answer::Lease(reply, self.take_lease(seen, holder)),
            Change::RenewLease { held, reply } => Answer::Lease(reply, self.renew_lease(held)),
            Change::SetClusterId { id, reply } => Answer::Unit(reply, self.set_cluster_id(id)),
            Change::SetRebuilt { at, reply } => {
                self.meta.insert(REBUILT_AT.into(), at.map(number));
                Answer::Unit(reply, Ok(()))
            }
            Change::LinkKey { offered, reply } => Answer::Key(reply, self.link_key(offered)),
        }
    }

    fn slot(&mut self, name: &FileName) -> Result<&mut Slot, StoreError> {
        // Looked up twice when new, to clone the name only then.
        if !self.files.contains_key(name) {
            let stored = self.tables.record(name)?;
            let slot = Slot {
                now: stored.clone(),
                stored,
            };
            self.files.insert(name.clone(), slot);
        }
        Ok(self
            .files
            .get_mut(name)
            .expect("inserted above if it was missing"))
    }

    fn insert(&mut self, record: Record, quota: Quota) -> Result<Insert, StoreError> {
        check(&record)?;
        let slot = self.slot(&record.name)?;
        if let Some(existing) = &slot.now {
            return Ok(Insert::Exists(existing.clone()));
        }
        if let Some(stored) = self.owners.over(&record, quota)? {
            return Ok(Insert::Over(stored));
        }
        self.owners.replaced(None, Weight::of(&record))?;
        let name = record.name.clone();
        self.slot(&name)?.now = Some(record);
        Ok(Insert::Inserted)
    }

    fn swap(&mut self, new: Record) -> Result<Swap, StoreError> {
        check(&new)?;
        let rev = new
            .rev
            .checked_sub(1)
            .ok_or(StoreError::Invalid("revs begin at 1"))?;
        self.replace(new.name.clone(), new.id, rev, Some(new))
    }

    /// Rule 1: a record changes only from the state that the caller saw.
    fn replace(
        &mut self,
        name: FileName,
        id: FileId,
        rev: u64,
        new: Option<Record>,
    ) -> Result<Swap, StoreError> {
        let now = &self.slot(&name)?.now;
        let before = match now {
            Some(now) if now.id == id && now.rev == rev => Weight::of(now),
            _ => return Ok(Swap::Mismatch(now.clone())),
        };
        let after = new.as_ref().and_then(Weight::of);
        self.owners.replaced(before, after)?;
        self.slot(&name)?.now = new;
        Ok(Swap::Done)
    }

    fn meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.meta
            .get(key)
            .map_or_else(|| self.tables.meta(key), |value| Ok(value.clone()))
    }

    fn node_rev(&self, id: &NodeId, key: &[u8]) -> Result<u64, StoreError> {
        let row = self
            .meta(key)?
            .map(|bytes| encoding::decode_node(id.clone(), &bytes));
        Ok(row.transpose()?.map_or(0, |row| row.rev))
    }

    fn put_node(&mut self, row: &NodeRow) -> Result<bool, StoreError> {
        let key = node_key(&row.id);
        let fits = row.rev.checked_sub(1) == Some(self.node_rev(&row.id, &key)?);
        if fits {
            self.meta.insert(key, Some(encoding::encode_node(row)));
        }
        Ok(fits)
    }

    fn remove_node(&mut self, id: &NodeId, rev: u64) -> Result<bool, StoreError> {
        let key = node_key(id);
        let fits = rev > 0 && rev == self.node_rev(id, &key)?;
        if fits {
            self.meta.insert(key, None);
        }
        Ok(fits)
    }

    fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.meta(LEASE)?
            .map(|bytes| encoding::decode_lease(&bytes))
            .transpose()
    }

    fn put_lease(&mut self, lease: Lease) -> LeaseOutcome {
        self.meta
            .insert(LEASE.into(), Some(encoding::encode_lease(&lease)));
        Ok(lease)
    }

    /// Rule 10: the lease is taken only if it is still as the caller saw it.
    fn take_lease(
        &mut self,
        seen: Option<Lease>,
        holder: String,
    ) -> Result<LeaseOutcome, StoreError> {
        let current = self.lease()?;
        if current != seen {
            return Ok(Err(current));
        }
        let (number, counter) = current.map_or((0, 0), |lease| (lease.number, lease.counter));
        Ok(self.put_lease(Lease {
            holder,
            number: number + 1,
            counter: counter + 1,
            term: new_term(),
            begun: counter,
        }))
    }

    fn renew_lease(&mut self, held: Lease) -> Result<LeaseOutcome, StoreError> {
        let current = self.lease()?;
        if current.as_ref() != Some(&held) {
            return Ok(Err(current));
        }
        Ok(self.put_lease(Lease {
            counter: held.counter + 1,
            ..held
        }))
    }

    fn set_cluster_id(&mut self, id: Uuid) -> Result<(), StoreError> {
        let added = self.files.values().any(|slot| slot.now.is_some());
        if added || !self.tables.has_no_files()? {
            return Err(StoreError::NotEmpty);
        }
        self.meta
            .insert(CLUSTER_ID.into(), Some(id.as_bytes().to_vec()));
        Ok(())
    }

    fn link_key(&mut self, offered: LinkKey) -> Result<LinkKey, StoreError> {
        match self.meta(LINK_KEY)? {
            Some(kept) => encoding::decode_link_key(&kept),
            None => {
                self.meta.insert(LINK_KEY.into(), Some(offered.to_vec()));
                Ok(offered)
            }
        }
    }

    /// Makes the transaction durable; `totals` are those before it and, when this
    /// succeeds, those after it. Returns how many values were written.
    pub(super) fn commit(
        self,
        totals: &mut Totals,
        buffers: &mut Buffers,
    ) -> Result<usize, StoreError> {
        let Self {
            tables,
            files,
            owners,
            meta,
        } = self;
        let mut out = Writes::new(tables);
        let mut after = *totals;
        for (name, Slot { stored, now }) in files {
            if stored != now {
                count(&mut after, stored.as_ref(), now.as_ref())?;
                write_file(&mut out, &name, stored.as_ref(), now.as_ref())?;
            }
        }
        if after != *totals {
            out.put(Table::Meta, TOTALS, encoding::encode_totals(&after));
        }
        for (key, sum) in owners.changed() {
            match sum {
                Some(sum) => out.put(Table::Meta, &key, encoding::encode_totals(&sum)),
                None => out.remove(Table::Meta, &key),
            }
        }
        for (key, value) in meta {
            match value {
                Some(value) => out.put(Table::Meta, &key, value),
                None => out.remove(Table::Meta, &key),
            }
        }
        let written = out.commit(buffers)?;
        *totals = after;
        Ok(written)
    }
}

/// Invariant 5, before anything is written.
fn check(record: &Record) -> Result<(), StoreError> {
    match record.counting_copy() {
        Some(_) => Ok(()),
        None => Err(StoreError::Invalid(
            "a record must list the copy that counts",
        )),
    }
}

fn count(
    totals: &mut Totals,
    stored: Option<&Record>,
    now: Option<&Record>,
) -> Result<(), StoreError> {
    let wrong = || StoreError::Corrupt("the totals don't add up".into());
    if let Some(old) = stored.filter(|r| r.state.is_visible()) {
        totals.files = totals.files.checked_sub(1).ok_or_else(wrong)?;
        totals.bytes = totals.bytes.checked_sub(old.size).ok_or_else(wrong)?;
    }
    if let Some(new) = now.filter(|r| r.state.is_visible()) {
        totals.files += 1;
        totals.bytes = totals.bytes.checked_add(new.size).ok_or_else(wrong)?;
    }
    Ok(())
}

/// Writes a name's record and what changed in the indices.
fn write_file(
    out: &mut Writes<'_>,
    name: &FileName,
    stored: Option<&Record>,
    now: Option<&Record>,
) -> Result<(), StoreError> {
    let key = name.as_str().as_bytes();
    match now {
        Some(record) => out.put(Table::Files, key, encoding::encode_record(record)?),
        None => out.remove(Table::Files, key),
    }
    let unsettled = |r: Option<&Record>| r.is_some_and(|r| !r.state.is_settled());
    match (unsettled(stored), unsettled(now)) {
        (false, true) => out.put(Table::Unsettled, key, Vec::new()),
        (true, false) => out.remove(Table::Unsettled, key),
        (true, true) | (false, false) => {}
    }
    for node in only_in(stored, now) {
        out.remove(Table::Copies, &copy_key(node, name.as_str()));
    }
    for node in only_in(now, stored) {
        out.put(Table::Copies, &copy_key(node, name.as_str()), Vec::new());
    }
    Ok(())
}

/// The nodes that list a copy in `one` and none in `other`, each once.
fn only_in<'r>(one: Option<&'r Record>, other: Option<&Record>) -> Vec<&'r NodeId> {
    let lists = |copies: &[manager_protocol::store::Copy], node: &NodeId| {
        copies.iter().any(|c| c.node == *node)
    };
    let copies = one.map_or(&[][..], |r| &r.copies);
    let nodes = copies.iter().enumerate().filter(|(at, copy)| {
        !lists(&copies[..*at], &copy.node) && !other.is_some_and(|r| lists(&r.copies, &copy.node))
    });
    nodes.map(|(_, copy)| &copy.node).collect()
}

//! The engine's tables, their keys and their settings, and all reading.
//!
//! | table | key | value |
//! |---|---|---|
//! | files | name | record |
//! | unsettled | name | – (records in any state but `Stored`) |
//! | copies | node id, NUL, name | – (records that list a copy on the node) |
//! | meta | `cluster-id`, `rebuilt-at-ms`, `totals`, `lease`, `node/` and node id | |
//! | meta | `owner/` and 8 bytes | the sum of an owner's records |
//!
//! Neither ids nor names contain NUL, so keys of different nodes never mix.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use names::{FileName, NodeId, Owner};
use uuid::Uuid;

use crate::encoding;
use manager_protocol::store::{CountStep, Lease, NodeRow, Record, StoreError, Totals};

/// Blocks of all tables that are kept in memory.
const CACHE_BYTES: u64 = 96 << 20;
/// What is written and not sorted yet, by table; see [`super::writes`]. The engine
/// holds at most four of each, and the one being filled.
pub(super) const FILES_BUFFER: u64 = 16 << 20;
pub(super) const COPIES_BUFFER: u64 = 8 << 20;
/// Small, so that what is added and removed all the time is sorted out soon.
pub(super) const UNSETTLED_BUFFER: u64 = 2 << 20;
pub(super) const META_BUFFER: u64 = 1 << 20;
/// Records that a count holds at a time.
const COUNTED: usize = 1000;
/// The journal's length bounds how much is replayed at a start.
const JOURNAL_BYTES: u64 = 128 << 20;
/// One thread sorts new data and merges. With more, one spins while the others
/// merge (fjall 3.1, `worker_pool.rs`), and this machine's cores have other work.
const WORKERS: usize = 1;

pub(super) const CLUSTER_ID: &[u8] = b"cluster-id";
pub(super) const LINK_KEY: &[u8] = b"link-key";
pub(super) const REBUILT_AT: &[u8] = b"rebuilt-at-ms";
pub(super) const TOTALS: &[u8] = b"totals";
pub(super) const LEASE: &[u8] = b"lease";
const NODE: &[u8] = b"node/";
pub(super) const OWNER: &[u8] = b"owner/";

/// The engine's tables; cheap to clone.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) files: Keyspace,
    pub(super) unsettled: Keyspace,
    pub(super) copies: Keyspace,
    pub(super) meta: Keyspace,
    /// Last, so that it outlives its tables.
    pub(super) db: Database,
}

/// An engine's failure.
pub(super) fn failed(e: fjall::Error) -> StoreError {
    StoreError::Unavailable(Arc::new(e))
}

/// The key of a node's row.
pub(super) fn node_key(id: &NodeId) -> Vec<u8> {
    [NODE, id.as_str().as_bytes()].concat()
}

/// The key of an owner's sum.
pub(super) fn owner_key(Owner(owner): Owner) -> Vec<u8> {
    [OWNER, &owner.to_be_bytes()].concat()
}

/// The key that lists a file on a node.
pub(super) fn copy_key(node: &NodeId, name: &str) -> Vec<u8> {
    [node.as_str().as_bytes(), b"\0", name.as_bytes()].concat()
}

/// Reads a number as [`number`] wrote it.
fn parse_number(bytes: &[u8]) -> Result<u64, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::Corrupt("a number's length".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

/// A number as a value.
pub(super) fn number(n: u64) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

impl Tables {
    /// Makes a new engine in `dir`, with a cluster id, and closes it, all durable.
    pub(super) fn format(dir: &Path) -> Result<(), StoreError> {
        let tables = Self::open(dir)?;
        let id = Uuid::new_v4();
        let mut batch = tables.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&tables.meta, CLUSTER_ID, id.as_bytes().as_slice());
        batch.commit().map_err(|e| StoreError::open(dir, e))
    }

    /// Opens the engine in `dir`, replaying its journal if it was not closed.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::open(dir, e);
        let db = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            // The committer alone says when the journal is flushed.
            .manual_journal_persist(true)
            .open()
            .map_err(failed)?;
        let table = |name: &str, buffer: u64| {
            db.keyspace(name, || {
                // Twice: the committer is to seal a buffer first, because the engine's
                // own way waits for its thread.
                KeyspaceCreateOptions::default().max_memtable_size(2 * buffer)
            })
            .map_err(failed)
        };
        Ok(Self {
            files: table("files", FILES_BUFFER)?,
            unsettled: table("unsettled", UNSETTLED_BUFFER)?,
            copies: table("copies", COPIES_BUFFER)?,
            meta: table("meta", META_BUFFER)?,
            db,
        })
    }

    pub(super) fn record(&self, name: &FileName) -> Result<Option<Record>, StoreError> {
        let value = self.files.get(name.as_str()).map_err(failed)?;
        value
            .map(|bytes| encoding::decode_record(name.clone(), &bytes))
            .transpose()
    }

    pub(super) fn meta(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .meta
            .get(key)
            .map_err(failed)?
            .map(|bytes| bytes.to_vec()))
    }

    pub(super) fn cluster_id(&self) -> Result<Uuid, StoreError> {
        let bytes = self.meta(CLUSTER_ID)?;
        let bytes = bytes.ok_or_else(|| StoreError::Corrupt("there is no cluster id".into()))?;
        encoding::decode_uuid("cluster id", &bytes)
    }

    pub(super) fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError> {
        self.meta(REBUILT_AT)?
            .map(|bytes| parse_number(&bytes))
            .transpose()
    }

    pub(super) fn totals(&self) -> Result<Totals, StoreError> {
        self.meta(TOTALS)?.map_or(Ok(Totals::default()), |bytes| {
            encoding::decode_totals(&bytes)
        })
    }

    pub(super) fn stored_for(&self, owner: Owner) -> Result<Totals, StoreError> {
        let sum = self.meta(&owner_key(owner))?;
        sum.map_or(Ok(Totals::default()), |bytes| {
            encoding::decode_totals(&bytes)
        })
    }

    pub(super) fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.meta(LEASE)?
            .map(|bytes| encoding::decode_lease(&bytes))
            .transpose()
    }

    /// Whether there is no record at all.
    pub(super) fn has_no_files(&self) -> Result<bool, StoreError> {
        self.files.is_empty().map_err(failed)
    }

    pub(super) fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        let rows = self.meta.prefix(NODE).map(|row| {
            let (key, value) = row.into_inner().map_err(failed)?;
            let id = std::str::from_utf8(&key[NODE.len()..])
                .ok()
                .and_then(|id| NodeId::new(id).ok());
            let id = id.ok_or_else(|| StoreError::Corrupt("a node's id".into()))?;
            encoding::decode_node(id, &value)
        });
        rows.collect()
    }

    /// Visible records by name, of one moment.
    pub(super) fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        // Comparing with the prefix instead of computing its successor: there is no
        // successor to a prefix of 0xFF bytes, and none is needed.
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        let mut page = Vec::new();
        let snapshot = self.db.snapshot();
        for row in snapshot.range::<&str, _>(&self.files, (from, Bound::Unbounded)) {
            if page.len() >= limit {
                break;
            }
            let (key, value) = row.into_inner().map_err(failed)?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            let record = encoding::decode_record(file_name(&key)?, &value)?;
            if record.state.is_visible() {
                page.push(record);
            }
        }
        Ok(page)
    }

    /// Records that the janitor has something to do with, of one moment.
    pub(super) fn unsettled(
        &self,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.as_str()));
        let snapshot = self.db.snapshot();
        let rows = snapshot
            .range::<&str, _>(&self.unsettled, (from, Bound::Unbounded))
            .take(limit);
        rows.map(|row| self.indexed(&snapshot, &row.key().map_err(failed)?))
            .collect()
    }

    /// Records that list a copy on the node, of one moment.
    pub(super) fn listed_on(
        &self,
        node: &NodeId,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let first = copy_key(node, "");
        let from = match after {
            Some(name) => Bound::Excluded(copy_key(node, name.as_str())),
            None => Bound::Included(first.clone()),
        };
        let snapshot = self.db.snapshot();
        let mut listed = Vec::new();
        for row in snapshot
            .range(&self.copies, (from, Bound::Unbounded))
            .take(limit)
        {
            let key = row.key().map_err(failed)?;
            let Some(name) = key.strip_prefix(first.as_slice()) else {
                break;
            };
            listed.push(self.indexed(&snapshot, name)?);
        }
        Ok(listed)
    }

    /// Counts records that list a copy on the node, a page at a time.
    pub(super) fn count_listed(
        &self,
        node: &NodeId,
        mut after: Option<FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        let mut step = CountStep::default();
        let mut left = limit;
        while left > 0 {
            let page = self.listed_on(node, after.as_ref(), left.min(COUNTED))?;
            let Some(last) = page.last() else {
                return Ok(step);
            };
            for record in &page {
                step.files += 1;
                step.bytes += record.size;
                step.largest = step.largest.max(record.size);
            }
            left -= page.len();
            after = Some(last.name.clone());
        }
        step.last = after;
        Ok(step)
    }

    /// The record that an index names: they change in one transaction.
    fn indexed(&self, snapshot: &Snapshot, key: &[u8]) -> Result<Record, StoreError> {
        let name = file_name(key)?;
        match snapshot.get(&self.files, key).map_err(failed)? {
            Some(value) => encoding::decode_record(name, &value),
            None => Err(StoreError::Corrupt(format!(
                "{name:?} is in an index and has no record"
            ))),
        }
    }
}

pub(super) fn file_name(key: &[u8]) -> Result<FileName, StoreError> {
    FileName::from_bytes(key)
        .map_err(|e| StoreError::Corrupt(format!("the key {}: {e}", key.escape_ascii())))
}

//! What one transaction writes, and how much each table has taken since its buffer
//! was last sealed. The engine seals a full buffer itself only when its background
//! thread is free, and during a long merge the buffer would grow without bound
//! (invariant 9); so the committer seals it.

use fjall::{Keyspace, OwnedWriteBatch, PersistMode};

use super::tables::{COPIES_BUFFER, FILES_BUFFER, META_BUFFER, Tables, UNSETTLED_BUFFER, failed};
use manager_protocol::store::StoreError;

/// A table to write to.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Files,
    Unsettled,
    Copies,
    Meta,
}

const TABLES: [Table; 4] = [Table::Files, Table::Unsettled, Table::Copies, Table::Meta];

/// What the engine spends on an entry beside its key and value.
const ENTRY_BYTES: u64 = 64;

impl Table {
    fn of(self, tables: &Tables) -> &Keyspace {
        match self {
            Self::Files => &tables.files,
            Self::Unsettled => &tables.unsettled,
            Self::Copies => &tables.copies,
            Self::Meta => &tables.meta,
        }
    }

    fn buffer(self) -> u64 {
        match self {
            Self::Files => FILES_BUFFER,
            Self::Unsettled => UNSETTLED_BUFFER,
            Self::Copies => COPIES_BUFFER,
            Self::Meta => META_BUFFER,
        }
    }
}

/// How a transaction becomes durable. A test may leave the flush out, to see
/// that its absence is noticed.
pub(super) fn persist_mode() -> PersistMode {
    #[cfg(feature = "failpoints")]
    if fail::eval("store::skip_flush", |_| ()).is_some() {
        return PersistMode::Buffer;
    }
    PersistMode::SyncData
}

/// Bytes in each table's buffer, in the order of the tables.
#[derive(Default)]
pub(super) struct Buffers([u64; TABLES.len()]);

/// The values of one transaction.
pub(super) struct Writes<'a> {
    tables: &'a Tables,
    batch: OwnedWriteBatch,
    bytes: [u64; TABLES.len()],
}

impl<'a> Writes<'a> {
    pub(super) fn new(tables: &'a Tables) -> Self {
        let batch = tables.db.batch().durability(Some(persist_mode()));
        Self {
            tables,
            batch,
            bytes: Default::default(),
        }
    }

    pub(super) fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.bytes[table as usize] += ENTRY_BYTES + (key.len() + value.len()) as u64;
        self.batch.insert(table.of(self.tables), key, value);
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        self.bytes[table as usize] += ENTRY_BYTES + key.len() as u64;
        self.batch.remove(table.of(self.tables), key);
    }

    /// Makes the values durable, and seals what is full. Returns how many there were.
    pub(super) fn commit(self, buffers: &mut Buffers) -> Result<usize, StoreError> {
        let Self {
            tables,
            batch,
            bytes,
        } = self;
        let count = batch.len();
        if count > 0 {
            batch.commit().map_err(failed)?;
        }
        for table in TABLES {
            let filled = &mut buffers.0[table as usize];
            *filled += bytes[table as usize];
            if *filled >= table.buffer() {
                *filled = 0;
                // Once durable, a change is answered as such whatever comes of this:
                // an engine that can't go on refuses the next commit by itself.
                if let Err(error) = table.of(tables).rotate_memtable() {
                    tracing::error!(%error, "a full buffer was not sealed");
                }
            }
        }
        Ok(count)
    }
}

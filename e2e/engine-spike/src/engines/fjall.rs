//! fjall: a log-structured merge tree in pure Rust. A commit appends to a
//! journal and flushes that; sorting happens in the background.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{CACHE_BYTES, Engine, Pair};

pub struct Fjall {
    db: Database,
    files: Keyspace,
}

impl Fjall {
    pub fn open(dir: &Path) -> Result<Self> {
        let db = Database::builder(dir)
            .cache_size(CACHE_BYTES as u64)
            .worker_threads(1)
            .manual_journal_persist(true)
            .max_journaling_size(256 << 20)
            .open()?;
        let files = db.keyspace("files", || {
            KeyspaceCreateOptions::default().max_memtable_size(16 << 20)
        })?;
        Ok(Self { db, files })
    }

    fn write(&self, batch: &[Pair], durability: Option<PersistMode>) -> Result<()> {
        let mut out = self.db.batch().durability(durability);
        for (key, value) in batch {
            out.insert(&self.files, key.as_slice(), value.as_slice());
        }
        Ok(out.commit()?)
    }
}

impl Engine for Fjall {
    fn load(&self, batch: &[Pair]) -> Result<()> {
        // Small steps, so that back-pressure can act between them.
        batch
            .chunks(2000)
            .try_for_each(|some| self.write(some, None))
    }

    fn finish_load(&self) -> Result<()> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    fn commit(&self, batch: &[Pair]) -> Result<usize> {
        let mut found = 0;
        for (key, _) in batch {
            found += usize::from(self.files.get(key)?.is_some());
        }
        self.write(batch, Some(PersistMode::SyncData))?;
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.files.get(key)?.map(|v| v.to_vec()))
    }

    fn page(&self, from: &[u8], limit: usize) -> Result<usize> {
        let mut bytes = 0;
        for row in self.files.range(from.to_vec()..).take(limit) {
            let (key, value) = row.into_inner()?;
            bytes += key.len() + value.to_vec().len();
        }
        Ok(bytes)
    }
}

//! redb: a copy-on-write B-tree in pure Rust. `quick` saves the allocator's
//! state with each commit, so that opening after a crash needn't walk the file.

use std::path::Path;

use anyhow::Result;
use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition,
    WriteTransaction,
};

use super::{CACHE_BYTES, Engine, Pair};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("files");

pub struct Redb {
    db: Database,
    quick: bool,
}

impl Redb {
    pub fn open(dir: &Path, quick: bool) -> Result<Self> {
        let db = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .create(dir.join("store.redb"))?;
        let this = Self { db, quick };
        if this.db.begin_read()?.list_tables()?.next().is_none() {
            let txn = this.write(Durability::Immediate)?;
            txn.open_table(TABLE)?;
            txn.commit()?;
        }
        Ok(this)
    }

    fn write(&self, durability: Durability) -> Result<WriteTransaction> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(durability)?;
        txn.set_quick_repair(self.quick);
        Ok(txn)
    }
}

impl Engine for Redb {
    fn load(&self, batch: &[Pair]) -> Result<()> {
        // Durability::None would pin every freed page until the next durable commit.
        self.commit(batch).map(drop)
    }

    fn finish_load(&self) -> Result<()> {
        Ok(())
    }

    fn commit(&self, batch: &[Pair]) -> Result<usize> {
        let txn = self.write(Durability::Immediate)?;
        let mut found = 0;
        {
            let mut table = txn.open_table(TABLE)?;
            for (key, value) in batch {
                found += usize::from(table.get(key.as_slice())?.is_some());
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        txn.commit()?;
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let table = self.db.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map(|v| v.value().to_vec()))
    }

    fn page(&self, from: &[u8], limit: usize) -> Result<usize> {
        let table = self.db.begin_read()?.open_table(TABLE)?;
        let mut bytes = 0;
        for row in table.range(from..)?.take(limit) {
            let (key, value) = row?;
            bytes += key.value().len() + value.value().to_vec().len();
        }
        Ok(bytes)
    }
}

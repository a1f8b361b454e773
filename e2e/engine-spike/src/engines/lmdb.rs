//! LMDB: a copy-on-write B-tree in a memory map, in C.

use std::path::Path;

use anyhow::Result;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, types::Bytes};

use super::{Engine, Pair};

pub struct Lmdb {
    // Lives as long as the process: heed 0.23 ties databases to it.
    env: &'static Env,
    db: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    pub fn open(dir: &Path, loading: bool) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(64 << 30);
        let env = unsafe {
            if loading {
                options.flags(EnvFlags::NO_SYNC);
            }
            options.open(dir)?
        };
        let env: &'static Env = Box::leak(Box::new(env));
        let txn = env.write_txn()?;
        let db = env
            .create_databases_and_commit(txn, |opener, txn| {
                opener
                    .create_database(txn, None)
                    .map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit();
        Ok(Self { env, db })
    }
}

impl Engine for Lmdb {
    fn load(&self, batch: &[Pair]) -> Result<()> {
        self.commit(batch).map(drop)
    }

    fn finish_load(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn commit(&self, batch: &[Pair]) -> Result<usize> {
        let mut txn = self.env.write_txn()?;
        let mut found = 0;
        for (key, value) in batch {
            found += usize::from(self.db.get(&txn, key)?.is_some());
            self.db.put(&mut txn, key, value)?;
        }
        txn.commit()?;
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let txn = self.env.read_txn()?;
        Ok(self.db.get(&txn, key)?.map(<[u8]>::to_vec))
    }

    fn page(&self, from: &[u8], limit: usize) -> Result<usize> {
        let txn = self.env.read_txn()?;
        let range = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
        let mut bytes = 0;
        for row in self.db.range(&txn, &range)?.take(limit) {
            let (key, value) = row?;
            bytes += key.len() + value.to_vec().len();
        }
        Ok(bytes)
    }
}

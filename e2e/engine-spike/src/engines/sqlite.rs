//! SQLite: a B-tree with a write-ahead log, flushed at every commit.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard},
};

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension};

use super::{CACHE_BYTES, Engine, Pair};

pub struct Sqlite {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

fn connect(dir: &Path, cache_bytes: usize, loading: bool) -> Result<Connection> {
    let c = Connection::open(dir.join("store.sqlite"))?;
    c.pragma_update(None, "journal_mode", "WAL")?;
    c.pragma_update(None, "synchronous", if loading { "OFF" } else { "FULL" })?;
    c.pragma_update(None, "cache_size", -((cache_bytes / 1024) as i64))?;
    c.execute_batch("CREATE TABLE IF NOT EXISTS files(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")?;
    Ok(c)
}

fn locked(c: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    c.lock().expect("no holder panics")
}

impl Sqlite {
    pub fn open(dir: &Path, loading: bool) -> Result<Self> {
        Ok(Self {
            writer: Mutex::new(connect(dir, CACHE_BYTES / 2, loading)?),
            reader: Mutex::new(connect(dir, CACHE_BYTES / 2, loading)?),
        })
    }
}

impl Engine for Sqlite {
    fn load(&self, batch: &[Pair]) -> Result<()> {
        self.commit(batch).map(drop)
    }

    fn finish_load(&self) -> Result<()> {
        let c = locked(&self.writer);
        c.pragma_update(None, "synchronous", "FULL")?;
        Ok(c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    fn commit(&self, batch: &[Pair]) -> Result<usize> {
        let mut c = locked(&self.writer);
        let txn = c.transaction()?;
        let mut found = 0;
        {
            let mut get = txn.prepare_cached("SELECT v FROM files WHERE k=?1")?;
            let mut put = txn.prepare_cached("INSERT OR REPLACE INTO files VALUES(?1,?2)")?;
            for (key, value) in batch {
                found += usize::from(get.exists([key])?);
                put.execute((key, value))?;
            }
        }
        txn.commit()?;
        Ok(found)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let c = locked(&self.reader);
        let mut get = c.prepare_cached("SELECT v FROM files WHERE k=?1")?;
        Ok(get.query_row([key], |row| row.get(0)).optional()?)
    }

    fn page(&self, from: &[u8], limit: usize) -> Result<usize> {
        let c = locked(&self.reader);
        let mut get = c.prepare_cached("SELECT k,v FROM files WHERE k>=?1 ORDER BY k LIMIT ?2")?;
        let mut rows = get.query((from, limit as i64))?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += row.get::<_, Vec<u8>>(0)?.len() + row.get::<_, Vec<u8>>(1)?.len();
        }
        Ok(bytes)
    }
}

//! The four engines behind one small interface, each with the settings that the
//! product would use: 96 MiB of cache, durable commits, no background threads
//! beyond what the engine insists on.

mod fjall;
mod lmdb;
mod redb;
mod sqlite;

use std::path::Path;

use anyhow::{Result, bail};

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Bytes of cache that every engine gets where it has one of its own.
pub const CACHE_BYTES: usize = 96 << 20;

/// What a metadata store needs of an engine.
pub trait Engine: Send + Sync {
    /// Puts a big batch without waiting for the disk.
    fn load(&self, batch: &[Pair]) -> Result<()>;
    /// Makes everything loaded durable.
    fn finish_load(&self) -> Result<()>;
    /// Looks each key up, as a compare-and-swap does, then puts all of them in
    /// one durable transaction. Answers how many existed.
    fn commit(&self, batch: &[Pair]) -> Result<usize>;
    /// One point read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Up to `limit` records in key order from `from`; answers their bytes.
    fn page(&self, from: &[u8], limit: usize) -> Result<usize>;
}

/// All names that `open` knows.
pub const NAMES: [&str; 5] = ["redb", "redb-quick", "fjall", "sqlite", "lmdb"];

/// Opens or creates the engine's database in `dir`; `loading` relaxes what can
/// only be relaxed at opening.
pub fn open(name: &str, dir: &Path, loading: bool) -> Result<Box<dyn Engine>> {
    std::fs::create_dir_all(dir)?;
    Ok(match name {
        "redb" => Box::new(redb::Redb::open(dir, false)?),
        "redb-quick" => Box::new(redb::Redb::open(dir, true)?),
        "fjall" => Box::new(fjall::Fjall::open(dir)?),
        "sqlite" => Box::new(sqlite::Sqlite::open(dir, loading)?),
        "lmdb" => Box::new(lmdb::Lmdb::open(dir, loading)?),
        other => bail!("no engine {other}"),
    })
}

//! The embedded engine: one manager, one directory, on fjall. Changes go through
//! one committer thread, which takes all that wait into one durable transaction;
//! reads go straight to the engine, whose every readable byte is durable.

mod batch;
mod committer;
mod directory;
mod owners;
mod room;
mod tables;
mod writes;

use std::path::Path;

use async_trait::async_trait;
use names::{FileId, FileName, NodeId, Owner, Quota};
use uuid::Uuid;

use crate::encoding;
use batch::Change;
use committer::Committer;
use directory::Directory;
use manager_protocol::store::{
    CountStep, Insert, Lease, LinkKey, NodeRow, Record, Store, StoreError, StoreStats, Swap,
    Totals, Which,
};
use room::{Disk, Level};
use tables::{LINK_KEY, Tables};

/// A store in a directory of this machine, held by this process alone.
pub struct Embedded {
    // Dropped in this order: the committer finishes its queue, the engine closes,
    // and only then may another process have the directory.
    committer: Committer,
    tables: Tables,
    _directory: Directory,
}

impl Embedded {
    /// Opens the store in `dir`, and formats it if there is none.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::NewerFormat`]
    /// when a newer version wrote it, and otherwise what went wrong.
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        let dir = dir.to_owned();
        blocking(move || Self::open_now(&dir)).await
    }

    fn open_now(dir: &Path) -> Result<Self, StoreError> {
        let directory = Directory::lock(dir)?;
        let mut disk = Disk::of(dir);
        let engine = directory.engine(Tables::format)?;
        if disk.level() == Level::Out {
            // What an opening writes is little, and reads need it.
            disk.release();
        }
        let tables = Tables::open(&engine)?;
        owners::settle(&tables)?;
        disk.lay_ballast();
        let committer = Committer::start(tables.clone(), disk)?;
        Ok(Self {
            committer,
            tables,
            _directory: directory,
        })
    }

    /// Runs a read that may take a while off the runtime's threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tables = self.tables.clone();
        blocking(move || read(tables)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(StoreError::unavailable(e)))
}

#[async_trait]
impl Store for Embedded {
    async fn cluster_id(&self) -> Result<Uuid, StoreError> {
        self.tables.cluster_id()
    }

    async fn set_cluster_id(&self, id: Uuid) -> Result<(), StoreError> {
        self.committer
            .ask(|reply| Change::SetClusterId { id, reply })
            .await
    }

    async fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError> {
        self.tables.rebuilt_at_ms()
    }

    async fn set_rebuilt_at_ms(&self, at: Option<u64>) -> Result<(), StoreError> {
        self.committer
            .ask(|reply| Change::SetRebuilt { at, reply })
            .await
    }

    async fn link_key(&self, offered: LinkKey) -> Result<LinkKey, StoreError> {
        // A disk without room keeps no link from being used.
        if let Some(kept) = self.tables.meta(LINK_KEY)? {
            return encoding::decode_link_key(&kept);
        }
        self.committer
            .ask(|reply| Change::LinkKey { offered, reply })
            .await
    }

    async fn get(&self, name: &FileName) -> Result<Option<Record>, StoreError> {
        // On the spot: a cached read takes microseconds, less than handing it over. While
        // much is written one in some thousands waits for milliseconds, and rarely for a
        // tenth of a second: the engine flushes each new version of a table under the
        // lock that reads take (lsm-tree 3.1, `version/super_version.rs`).
        self.tables.record(name)
    }

    async fn get_many(&self, names: &[FileName]) -> Result<Vec<Option<Record>>, StoreError> {
        let names = names.to_vec();
        self.read(move |tables| names.iter().map(|name| tables.record(name)).collect())
            .await
    }

    async fn insert_within(&self, record: Record, quota: Quota) -> Result<Insert, StoreError> {
        self.committer
            .ask(|reply| Change::Insert {
                record,
                quota,
                reply,
            })
            .await
    }

    async fn swap(&self, new: Record) -> Result<Swap, StoreError> {
        self.committer
            .ask(|reply| Change::Swap { new, reply })
            .await
    }

    async fn remove(&self, name: &FileName, id: FileId, rev: u64) -> Result<Swap, StoreError> {
        let name = name.clone();
        self.committer
            .ask(|reply| Change::Remove {
                name,
                id,
                rev,
                reply,
            })
            .await
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.read(move |tables| tables.page(&prefix, after.as_deref(), limit))
            .await
    }

    async fn unsettled(
        &self,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let after = after.cloned();
        self.read(move |tables| tables.unsettled(after.as_ref(), limit))
            .await
    }

    async fn listed_on(
        &self,
        node: &NodeId,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (node, after) = (node.clone(), after.cloned());
        self.read(move |tables| tables.listed_on(&node, after.as_ref(), limit))
            .await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.tables.totals()
    }

    async fn stored_for(&self, owner: Owner) -> Result<Totals, StoreError> {
        self.tables.stored_for(owner)
    }

    async fn count(
        &self,
        which: Which<'_>,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        let Which::ListedOn(node) = which else {
            let Totals { files, bytes } = self.tables.totals()?;
            return Ok(CountStep {
                files,
                bytes,
                ..CountStep::default()
            });
        };
        let (node, after) = (node.clone(), after.cloned());
        self.read(move |tables| tables.count_listed(&node, after, limit))
            .await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.read(|tables| tables.nodes()).await
    }

    async fn put_node(&self, row: NodeRow) -> Result<bool, StoreError> {
        self.committer
            .ask(|reply| Change::PutNode { row, reply })
            .await
    }

    async fn remove_node(&self, id: &NodeId, rev: u64) -> Result<bool, StoreError> {
        let id = id.clone();
        self.committer
            .ask(|reply| Change::RemoveNode { id, rev, reply })
            .await
    }

    async fn take_lease(
        &self,
        seen: Option<&Lease>,
        holder: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        let (seen, holder) = (seen.cloned(), holder.to_owned());
        self.committer
            .ask(|reply| Change::TakeLease {
                seen,
                holder,
                reply,
            })
            .await
    }

    async fn renew_lease(&self, held: &Lease) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        let held = held.clone();
        self.committer
            .ask(|reply| Change::RenewLease { held, reply })
            .await
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.tables.lease()
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn lost(&self) -> StoreError {
        self.committer.lost().await
    }

    fn short(&self) -> Option<StoreError> {
        self.committer.short()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.committer.check()?;
        self.tables.cluster_id().map(drop)
    }

    fn stats(&self) -> &StoreStats {
        self.committer.stats()
    }
}

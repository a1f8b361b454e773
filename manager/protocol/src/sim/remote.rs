//! A store as a manager reaches it: changes whose answer is lost, before the effect or
//! after it, or whose effect comes later, and reads that fail. A change under way goes on
//! where the manager that asked for it dies.

use super::store::Memory;
use super::wire::Wire;
use crate::store::{
    CountStep, Insert, Lease, LinkKey, NodeRow, Record, Store, StoreError, StoreStats, Swap,
    Totals, Which,
};
use crate::world::Runtime;
use async_trait::async_trait;
use names::{FileId, FileName, NodeId, Owner, Quota};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The store in memory, over a wire.
pub struct Remote {
    memory: Arc<Memory>,
    wire: Wire,
    away_until: Mutex<Duration>,
    /// Held by each change until it has ended.
    under_way: Arc<()>,
}

impl Remote {
    /// The store, as it is reached over a wire.
    pub fn new(memory: Arc<Memory>, wire: Wire) -> Self {
        Self {
            memory,
            wire,
            away_until: Mutex::default(),
            under_way: Arc::default(),
        }
    }

    /// Nothing reaches it for so long.
    pub fn goes_away(&self, time: Duration) {
        *self.away_until.lock() = self.wire.outside().elapsed() + time;
    }

    /// How many changes were sent and may still have their effect.
    pub fn under_way(&self) -> usize {
        Arc::strong_count(&self.under_way) - 1
    }

    fn is_away(&self) -> bool {
        self.wire.outside().elapsed() < *self.away_until.lock()
    }

    /// A change. Its caller may give up; the change does not.
    async fn change<T: Send + 'static>(
        &self,
        what: &'static str,
        change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.wire.outside().sleep(self.wire.takes()).await;
        if self.is_away() {
            return Err(StoreError::refused("it is away"));
        }
        let under_way = self.under_way.clone();
        let change = async move {
            let _until_it_has_ended = under_way;
            change.await
        };
        let answer = self.wire.send(what, None, change).await;
        answer.unwrap_or_else(|_| Err(StoreError::unavailable("it gave no answer")))
    }

    /// A read.
    async fn read<T>(
        &self,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.wire.outside().sleep(self.wire.takes()).await;
        if self.is_away() || self.wire.read_fails() {
            return Err(StoreError::unavailable("it gave no answer"));
        }
        let found = read.await;
        self.wire.outside().sleep(self.wire.takes()).await;
        found
    }
}

#[async_trait]
impl Store for Remote {
    async fn cluster_id(&self) -> Result<Uuid, StoreError> {
        self.memory.cluster_id().await
    }

    async fn set_cluster_id(&self, id: Uuid) -> Result<(), StoreError> {
        let memory = self.memory.clone();
        let change = async move { memory.set_cluster_id(id).await };
        self.change("a cluster id", change).await
    }

    async fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError> {
        self.read(self.memory.rebuilt_at_ms()).await
    }

    async fn set_rebuilt_at_ms(&self, at: Option<u64>) -> Result<(), StoreError> {
        let memory = self.memory.clone();
        let change = async move { memory.set_rebuilt_at_ms(at).await };
        self.change("the note of a rebuild", change).await
    }

    async fn link_key(&self, offered: LinkKey) -> Result<LinkKey, StoreError> {
        let memory = self.memory.clone();
        let change = async move { memory.link_key(offered).await };
        self.change("the key of links", change).await
    }

    async fn get(&self, name: &FileName) -> Result<Option<Record>, StoreError> {
        self.read(self.memory.get(name)).await
    }

    async fn get_many(&self, names: &[FileName]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut found = self.read(self.memory.get_many(names)).await?;
        // Only `get` may say that a name has no record.
        for record in &mut found {
            record.take_if(|_| self.wire.is_overlooked());
        }
        Ok(found)
    }

    async fn insert_within(&self, record: Record, quota: Quota) -> Result<Insert, StoreError> {
        let memory = self.memory.clone();
        let change = async move { memory.insert_within(record, quota).await };
        self.change("an insert", change).await
    }

    async fn swap(&self, new: Record) -> Result<Swap, StoreError> {
        let memory = self.memory.clone();
        let outside = self.wire.outside().clone();
        let change = async move {
            let (name, state, rev) = (new.name.clone(), new.state, new.rev);
            let swapped = memory.swap(new).await;
            if matches!(swapped, Ok(Swap::Done)) {
                outside.note(format_args!("{name} is {state:?} at rev {rev}"));
            }
            swapped
        };
        self.change("a swap", change).await
    }

    async fn remove(&self, name: &FileName, id: FileId, rev: u64) -> Result<Swap, StoreError> {
        let (memory, name) = (self.memory.clone(), name.clone());
        let change = async move { memory.remove(&name, id, rev).await };
        self.change("a removal", change).await
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.read(self.memory.page(prefix, after, limit)).await
    }

    async fn unsettled(
        &self,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.read(self.memory.unsettled(after, limit)).await
    }

    async fn listed_on(
        &self,
        node: &NodeId,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.read(self.memory.listed_on(node, after, limit)).await
    }

    async fn stored_for(&self, owner: Owner) -> Result<Totals, StoreError> {
        self.read(self.memory.stored_for(owner)).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.read(self.memory.totals()).await
    }

    async fn count(
        &self,
        which: Which<'_>,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        self.read(self.memory.count(which, after, limit)).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.read(self.memory.nodes()).await
    }

    async fn put_node(&self, row: NodeRow) -> Result<bool, StoreError> {
        let memory = self.memory.clone();
        let change = async move { memory.put_node(row).await };
        self.change("a node's row", change).await
    }

    async fn remove_node(&self, id: &NodeId, rev: u64) -> Result<bool, StoreError> {
        let (memory, id) = (self.memory.clone(), id.clone());
        let change = async move { memory.remove_node(&id, rev).await };
        self.change("the removal of a row", change).await
    }

    async fn take_lease(
        &self,
        seen: Option<&Lease>,
        holder: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        let memory = self.memory.clone();
        let (seen, holder) = (seen.cloned(), holder.to_owned());
        let change = async move { memory.take_lease(seen.as_ref(), &holder).await };
        self.change("a lease", change).await
    }

    async fn renew_lease(&self, held: &Lease) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        let (memory, held) = (self.memory.clone(), held.clone());
        let change = async move { memory.renew_lease(&held).await };
        self.change("a beat", change).await
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.read(self.memory.lease()).await
    }

    fn is_shared(&self) -> bool {
        self.memory.is_shared()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(self.memory.ping()).await
    }

    fn stats(&self) -> &StoreStats {
        self.memory.stats()
    }
}

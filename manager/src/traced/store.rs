//! The calls of the store as spans.

use async_trait::async_trait;
use kit::spans::{Active, SpanKind, Tracer};
use manager_protocol::store::{
    CountStep, Insert, Lease, LinkKey, NodeRow, Record, Store, StoreError, StoreStats, Swap,
    Totals, Which,
};
use proto::{FileId, FileName, NodeId, Owner, Quota};
use std::sync::Arc;
use uuid::Uuid;

/// The store, and spans of its calls where anything is traced.
pub(crate) fn store(store: Arc<dyn Store>, tracer: &Tracer) -> Arc<dyn Store> {
    match tracer.is_on() {
        true => Arc::new(Traced {
            store,
            tracer: tracer.clone(),
        }),
        false => store,
    }
}

struct Traced {
    store: Arc<dyn Store>,
    tracer: Tracer,
}

impl Traced {
    fn span(&self, call: &'static str) -> Active {
        let (kind, system) = match self.store.is_shared() {
            true => (SpanKind::Client, "mongodb"),
            false => (SpanKind::Internal, "embedded"),
        };
        let span = self.tracer.part(kind, call);
        span.note("db.system.name", system);
        span
    }
}

#[async_trait]
impl Store for Traced {
    async fn cluster_id(&self) -> Result<Uuid, StoreError> {
        self.store.cluster_id().await
    }

    async fn set_cluster_id(&self, id: Uuid) -> Result<(), StoreError> {
        self.store.set_cluster_id(id).await
    }

    async fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError> {
        self.store.rebuilt_at_ms().await
    }

    async fn set_rebuilt_at_ms(&self, at: Option<u64>) -> Result<(), StoreError> {
        self.store.set_rebuilt_at_ms(at).await
    }

    async fn link_key(&self, offered: LinkKey) -> Result<LinkKey, StoreError> {
        let span = self.span("store link-key");
        span.attempt(self.store.link_key(offered)).await
    }

    async fn get(&self, name: &FileName) -> Result<Option<Record>, StoreError> {
        self.span("store get").attempt(self.store.get(name)).await
    }

    async fn get_many(&self, names: &[FileName]) -> Result<Vec<Option<Record>>, StoreError> {
        let span = self.span("store get-many");
        span.attempt(self.store.get_many(names)).await
    }

    async fn insert_within(&self, record: Record, quota: Quota) -> Result<Insert, StoreError> {
        let span = self.span("store insert");
        span.attempt(self.store.insert_within(record, quota)).await
    }

    async fn swap(&self, new: Record) -> Result<Swap, StoreError> {
        self.span("store swap").attempt(self.store.swap(new)).await
    }

    async fn remove(&self, name: &FileName, id: FileId, rev: u64) -> Result<Swap, StoreError> {
        let span = self.span("store remove");
        span.attempt(self.store.remove(name, id, rev)).await
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let span = self.span("store page");
        span.attempt(self.store.page(prefix, after, limit)).await
    }

    async fn unsettled(
        &self,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let span = self.span("store unsettled");
        span.attempt(self.store.unsettled(after, limit)).await
    }

    async fn listed_on(
        &self,
        node: &NodeId,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let span = self.span("store listed-on");
        span.attempt(self.store.listed_on(node, after, limit)).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.span("store totals").attempt(self.store.totals()).await
    }

    async fn stored_for(&self, owner: Owner) -> Result<Totals, StoreError> {
        let span = self.span("store stored-for");
        span.attempt(self.store.stored_for(owner)).await
    }

    async fn recount(&self) -> Result<(), StoreError> {
        self.store.recount().await
    }

    async fn count(
        &self,
        which: Which<'_>,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        let span = self.span("store count");
        span.attempt(self.store.count(which, after, limit)).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.span("store nodes").attempt(self.store.nodes()).await
    }

    async fn put_node(&self, row: NodeRow) -> Result<bool, StoreError> {
        let span = self.span("store put-node");
        span.attempt(self.store.put_node(row)).await
    }

    async fn remove_node(&self, id: &NodeId, rev: u64) -> Result<bool, StoreError> {
        let span = self.span("store remove-node");
        span.attempt(self.store.remove_node(id, rev)).await
    }

    async fn take_lease(
        &self,
        seen: Option<&Lease>,
        holder: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        self.store.take_lease(seen, holder).await
    }

    async fn renew_lease(&self, held: &Lease) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        self.store.renew_lease(held).await
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.span("store lease").attempt(self.store.lease()).await
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    async fn lost(&self) -> StoreError {
        self.store.lost().await
    }

    fn short(&self) -> Option<StoreError> {
        self.store.short()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    fn stats(&self) -> &StoreStats {
        self.store.stats()
    }
}

//! What tests of the manager's modules share.

use crate::core::Core;
use crate::limits::Limits;
use async_trait::async_trait;
use kit::token::Token;
use manager_store::{
    CountStep, Insert, Lease, NodeRow, Record, Store, StoreError, StoreStats, Swap, Totals, Which,
};
use proto::{FileId, FileName, NodeId};
use std::sync::Arc;
use tempfile::TempDir;
use uuid::Uuid;

/// A manager's core on a fresh embedded store, and the store's directory.
pub(crate) async fn core() -> (Arc<Core>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("embedded:{}", dir.path().join("store").display());
    let store = manager_store::open(&url).await.expect("a store");
    (core_on(store), dir)
}

/// A manager's core on a store.
pub(crate) fn core_on(store: Arc<dyn Store>) -> Arc<Core> {
    let (cluster, token) = (Uuid::new_v4(), Token::default());
    Core::new(store, cluster, Limits::default(), token, false)
}

/// A store that is away, except that it answers that nobody has ever led.
#[derive(Default)]
pub(crate) struct Away(StoreStats);

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("away"))
}

#[async_trait]
impl Store for Away {
    async fn cluster_id(&self) -> Result<Uuid, StoreError> {
        away()
    }
    async fn set_cluster_id(&self, _: Uuid) -> Result<(), StoreError> {
        away()
    }
    async fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError> {
        away()
    }
    async fn set_rebuilt_at_ms(&self, _: Option<u64>) -> Result<(), StoreError> {
        away()
    }
    async fn get(&self, _: &FileName) -> Result<Option<Record>, StoreError> {
        away()
    }
    async fn get_many(&self, _: &[FileName]) -> Result<Vec<Option<Record>>, StoreError> {
        away()
    }
    async fn insert(&self, _: Record) -> Result<Insert, StoreError> {
        away()
    }
    async fn swap(&self, _: Record) -> Result<Swap, StoreError> {
        away()
    }
    async fn remove(&self, _: &FileName, _: FileId, _: u64) -> Result<Swap, StoreError> {
        away()
    }
    async fn page(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<Record>, StoreError> {
        away()
    }
    async fn unsettled(&self, _: Option<&FileName>, _: usize) -> Result<Vec<Record>, StoreError> {
        away()
    }
    async fn listed_on(
        &self,
        _: &NodeId,
        _: Option<&FileName>,
        _: usize,
    ) -> Result<Vec<Record>, StoreError> {
        away()
    }
    async fn totals(&self) -> Result<Totals, StoreError> {
        away()
    }
    async fn count(
        &self,
        _: Which<'_>,
        _: Option<&FileName>,
        _: usize,
    ) -> Result<CountStep, StoreError> {
        away()
    }
    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        away()
    }
    async fn put_node(&self, _: NodeRow) -> Result<bool, StoreError> {
        away()
    }
    async fn remove_node(&self, _: &NodeId, _: u64) -> Result<bool, StoreError> {
        away()
    }
    async fn take_lease(
        &self,
        _: Option<&Lease>,
        _: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        away()
    }
    async fn renew_lease(&self, _: &Lease) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        away()
    }
    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        Ok(None)
    }
    fn is_shared(&self) -> bool {
        true
    }
    async fn ping(&self) -> Result<(), StoreError> {
        away()
    }
    fn stats(&self) -> &StoreStats {
        &self.0
    }
}

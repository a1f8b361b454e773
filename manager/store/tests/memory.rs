//! The store in memory, which the protocol's tests use, keeps the promises of the engines.

use async_trait::async_trait;
use manager_protocol::sim::Memory;
use manager_protocol::store::Store;
use manager_store::suite::{self, Place};
use std::sync::Arc;

/// A store in memory; opened again, it is the same one.
struct Here(Arc<Memory>);

#[async_trait]
impl Place for Here {
    async fn open(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_in_memory_keeps_every_promise_of_the_suite() {
    suite::run(|| Here(Arc::default())).await;
}

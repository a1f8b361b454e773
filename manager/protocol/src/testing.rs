//! What tests of several modules share.

use crate::core::Core;
use crate::nodes::{Address, Network, Node};
use crate::settings::Settings;
use crate::sim::Memory;
use crate::store::Store;
use crate::world::{Runtime, World};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use messages::v1::IdentifyReply;
use names::FileId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A runtime on tokio's clock, which tests may pause.
struct Tokio(AtomicU64);

impl Runtime for Tokio {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
    fn unix_ms(&self) -> u64 {
        1_700_000_000_000
    }
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A world on tokio's clock.
pub(crate) fn world() -> World {
    World::new(Tokio(AtomicU64::new(1)))
}

/// A network in which nobody answers.
struct Silent;

#[async_trait]
impl Network for Silent {
    async fn identify(&self, _: Address<'_>, _: Duration) -> Option<IdentifyReply> {
        None
    }
    fn ticket(&self, _: &Node, _: FileId, _: u32, _: u64) -> Bytes {
        Bytes::new()
    }
}

/// A core on an empty store.
pub(crate) fn core() -> Arc<Core> {
    core_on(Arc::new(Memory::default()))
}

/// A core on a store.
pub(crate) fn core_on(store: Arc<dyn Store>) -> Arc<Core> {
    let cluster = Uuid::new_v4();
    Core::new(store, cluster, &Settings::default(), world(), Silent, false)
}

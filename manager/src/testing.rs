//! What tests of the manager's rooms share.

use crate::config::Limits;
use crate::core::Core;
use kit::token::Token;
use manager_store::Store;
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

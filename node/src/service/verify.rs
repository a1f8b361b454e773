//! Re-reads copies and compares them with their records.

use crate::disk::{Copy, Place};
use crate::fault::Failure;
use crate::node::{Node, gone};
use std::sync::Arc;

/// Whether each copy is there and has the bytes that its record names; what is
/// corrupt is not served from then on.
pub(super) async fn verify(node: &Arc<Node>, copies: Vec<Copy>) -> Result<Vec<bool>, Failure> {
    let node = Arc::clone(node);
    // A thread of its own, bounded by the caller's permit: this takes long.
    tokio::task::spawn_blocking(move || {
        let intact = copies
            .iter()
            .map(|copy| match node.disk.find(Place::Data, copy)? {
                Some(found) => Ok(node.scrub.judge(copy, &found)),
                None => Ok(false),
            });
        intact.collect()
    })
    .await
    .unwrap_or_else(|_| Err(gone()))
}

//! Re-reads copies and compares them with their records.

use crate::disk::{Copy, Place};
use crate::fault::Failure;
use crate::node::{Node, gone};
use std::sync::Arc;

/// Whether each copy is there and has the bytes that its record names; what is
/// corrupt is not served from then on. `hold` is given back when the work ends,
/// also where the caller has gone before that.
pub(super) async fn verify(
    node: &Arc<Node>,
    copies: Vec<Copy>,
    hold: impl Send + 'static,
) -> Result<Vec<bool>, Failure> {
    let worker = Arc::clone(node);
    node.walkers
        .call(move || {
            let _hold = hold;
            let intact = copies
                .iter()
                .map(|copy| match worker.disk.find(Place::Data, copy)? {
                    Some(found) => Ok(worker.scrub.judge(copy, &found)),
                    None => Ok(false),
                });
            intact.collect()
        })
        .await
        .unwrap_or_else(|| Err(gone()))
}

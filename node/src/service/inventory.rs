//! Every copy that the node holds, streamed from disk in batches.

use crate::disk::{Listed, Place};
use crate::node::Node;
use futures::StreamExt;
use futures::stream::BoxStream;
use proto::{Batch, Refused, v1};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Entries of one message.
const BATCH: usize = 512;
/// Messages that wait for the caller.
const AHEAD: usize = 4;

/// Walks one tree, at the pace at which the caller takes the batches.
pub(super) fn serve(
    node: Arc<Node>,
    quarantine: bool,
    from_leaf: u32,
    permit: OwnedSemaphorePermit,
) -> BoxStream<'static, Result<v1::InventoryBatch, Status>> {
    let place = if quarantine {
        Place::Quarantine
    } else {
        Place::Data
    };
    let (send, receive) = mpsc::channel(AHEAD);
    // A thread of its own, bounded by the permit: a slow caller holds up nobody.
    let walker = Arc::clone(&node);
    walker.walkers.run(move || {
        let _permit = permit;
        let mut batch = Batch::new(BATCH);
        let put = |batch: &mut Batch<v1::InventoryEntry>| {
            let entries = batch.take();
            send.blocking_send(Ok(v1::InventoryBatch { entries }))
                .is_ok()
        };
        let walked = node.disk.walk(place, from_leaf, &mut |listed| match batch
            .push(entry(place, listed))
        {
            Ok(()) => true,
            Err(Refused::Full(entry)) => put(&mut batch) && batch.push(entry).is_ok(),
            Err(Refused::TooLarge(_)) => {
                // Its texts are cut, so that none is.
                let why = Status::internal("a copy's entry is larger than a message");
                let _ = send.blocking_send(Err(why));
                false
            }
        });
        if !batch.is_empty() {
            put(&mut batch);
        }
        if let Err(failure) = walked {
            tracing::error!(%failure, "the inventory can't be read");
            // Nobody listens any more where the stream broke off.
            let _ = send.blocking_send(Err(Status::from(failure)));
        }
    });
    ReceiverStream::new(receive).boxed()
}

fn entry(place: Place, listed: Listed) -> v1::InventoryEntry {
    let unreadable = match listed.meta {
        Some(_) => String::new(),
        None => proto::clip(listed.path(place)),
    };
    v1::InventoryEntry {
        meta: listed.meta.map(|meta| meta.to_wire(&listed.name)),
        leaf: listed.leaf,
        unreadable,
        reason: proto::clip(listed.reason),
    }
}

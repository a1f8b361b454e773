//! A range of one copy, read ahead of the caller by a chunk or two.

use super::Trace;
use crate::disk::{Copy, Found};
use crate::fault::Failure;
use crate::metrics::Metrics;
use crate::node::{Node, gone};
use futures::StreamExt;
use futures::stream::BoxStream;
use proto::CHUNK;
use proto::v1;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

type Parts = BoxStream<'static, Result<v1::DownloadPart, Status>>;

/// Finds the copy, and streams the range asked for.
pub(super) async fn serve(
    node: &Arc<Node>,
    request: v1::ReadRequest,
    permit: OwnedSemaphorePermit,
) -> Result<Parts, Failure> {
    let opened = open(node, request).await;
    Metrics::count(&node.metrics.downloads, &opened);
    let (found, range) = opened?;
    let (send, receive) = mpsc::channel(1);
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let _permit = permit;
        let mut range = range;
        while !range.is_empty() {
            let length = CHUNK.min(usize::try_from(range.end - range.start).unwrap_or(CHUNK));
            let (from, file) = (range.start, Arc::clone(&found));
            let read = node.readers.call(move || file.read(from, length)).await;
            let part = read.unwrap_or_else(|| Err(gone()));
            let failed = part.is_err();
            let part = part
                .map(|data| v1::DownloadPart { data })
                .map_err(Status::from);
            // The caller has gone, or was sent the failure: nothing more to do.
            if send.send(part).await.is_err() || failed {
                return;
            }
            range.start += length as u64;
        }
    });
    Ok(ReceiverStream::new(receive).boxed())
}

async fn open(
    node: &Arc<Node>,
    request: v1::ReadRequest,
) -> Result<(Arc<Found>, Range<u64>), Failure> {
    let copy = Copy::from_wire(request.copy)?;
    tracing::debug!(request = %Trace(request.trace), name = %copy.name, "download");
    let looker = Arc::clone(node);
    node.readers
        .call(move || {
            let found = looker.served(&copy)?;
            let range = found.range(request.offset, request.length)?;
            found.expect_sequential();
            Ok((Arc::new(found), range))
        })
        .await
        .unwrap_or_else(|| Err(gone()))
}

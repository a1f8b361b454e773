//! A transfer between two nodes as the manager sees it: it may take as long as the file
//! is large, but it must make progress.

use super::verdict::call_error;
use futures::{Stream, StreamExt};
use manager_protocol::nodes::{CallError, NodeCount};
use proto::v1::{Linked, TransferStep, UploadReply, transfer_step::Step, upload_reply};
use std::time::Duration;
use tonic::Status;

/// How long a transfer may stand still: its nodes give up earlier.
pub(super) const STANDS_STILL: Duration = Duration::from_secs(180);
/// Bytes a second that a disk reaches at the least; used where no progress is reported.
const SLOWEST: u64 = 4 << 20;

/// How long the work on a file of `size` bytes may take where no progress is reported.
pub(super) fn by_size(size: u64) -> Duration {
    Duration::from_secs(600 + size / SLOWEST)
}

/// Follows a transfer of `size` bytes to its end; returns the leaf.
///
/// # Errors
/// See [`CallError::certainly_not_done`].
pub(super) async fn follow(
    count: &NodeCount,
    mut steps: impl Stream<Item = Result<TransferStep, Status>> + Unpin,
    size: u64,
) -> Result<u32, CallError> {
    let lost = |why: &str| Err(CallError::Lost(why.to_owned()));
    let mut patience = STANDS_STILL;
    loop {
        let step = match tokio::time::timeout(patience, steps.next()).await {
            Err(_) => return lost("the transfer stands still"),
            Ok(None) => return lost("the transfer has no end"),
            Ok(Some(step)) => step.map_err(call_error)?.step,
        };
        match step {
            Some(Step::Done(reply)) => return linked(count, reply),
            // What follows is the other node's flush.
            Some(Step::Sent(sent)) if sent >= size => patience = by_size(size),
            Some(Step::Sent(_)) | None => {}
        }
    }
}

/// Reads the answer to an upload or a transfer, and takes in the node's count with it.
pub(super) fn linked(count: &NodeCount, reply: UploadReply) -> Result<u32, CallError> {
    if let Some(counted) = reply.counted {
        count.take(counted);
    }
    match reply.result {
        Some(upload_reply::Result::Linked(Linked { leaf })) => Ok(leaf),
        Some(upload_reply::Result::Failure(failure)) => Err(failure.into()),
        None => Err(CallError::Lost("an answer without a result".to_owned())),
    }
}

#[cfg(test)]
mod tests;

//! Sends this node's copy straight to another node (rule 8).

use super::Trace;
use super::delivery::Delivery;
use super::peers::Peers;
use crate::disk::{Copy, Found};
use crate::fault::Failure;
use crate::node::{Node, gone};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use proto::v1::handover_client::HandoverClient;
use proto::v1::transfer_step::Step;
use proto::v1::{self, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tonic::Status;

/// How often the progress is sent to the caller.
const STEP: Duration = Duration::from_secs(1);

type Steps = BoxStream<'static, Result<v1::TransferStep, Status>>;

/// Sends the copy, and reports the progress meanwhile. The transfer ends if its caller
/// goes.
pub(super) fn in_steps(node: Arc<Node>, peers: Arc<Peers>, request: v1::TransferRequest) -> Steps {
    let progress = Arc::new(AtomicU64::new(0));
    let reached = Arc::clone(&progress);
    let counting = Arc::clone(&node);
    let transfer = async move {
        let linked = serve(&node, &peers, request, &progress).await;
        crate::metrics::Metrics::count(&node.metrics.transfers, &linked);
        linked
    };
    let state = (Some(transfer.boxed()), reached, 0);
    let steps = futures::stream::unfold(state, move |(transfer, reached, mut told)| {
        let node = Arc::clone(&counting);
        async move {
            let mut transfer = transfer?;
            loop {
                match tokio::time::timeout(STEP, &mut transfer).await {
                    Ok(linked) => {
                        let done = Step::Done(super::upload_reply(&node, linked));
                        return Some((Ok(step(done)), (None, reached, told)));
                    }
                    Err(_) => {
                        let sent = reached.load(Ordering::Relaxed);
                        if sent != told {
                            told = sent;
                            return Some((
                                Ok(step(Step::Sent(sent))),
                                (Some(transfer), reached, told),
                            ));
                        }
                    }
                }
            }
        }
    });
    steps.boxed()
}

fn step(step: Step) -> v1::TransferStep {
    v1::TransferStep { step: Some(step) }
}

/// Sends the copy; returns its leaf on the other node. `progress` is how many of its
/// bytes were handed to the stream.
pub(super) async fn serve(
    node: &Arc<Node>,
    peers: &Peers,
    request: v1::TransferRequest,
    progress: &AtomicU64,
) -> Result<u32, Failure> {
    let copy = Copy::from_wire(request.copy)?;
    node.obey(request.leader).await?;
    let trace = Trace(request.trace);
    tracing::debug!(request = %trace, name = %copy.name, to = request.target_endpoint, "transfer");
    let channel = peers.channel(&request.target_endpoint, &request.target_pool)?;
    let (found, copy) = find(node, copy).await?;
    let mut arrives = Copy {
        leaf: None,
        ..copy.clone()
    };
    arrives.key.generation = request.target_generation;
    let delivery = Delivery {
        node: Arc::clone(node),
        found,
        arrives,
        session: request.target_session,
        ticket: request.ticket.to_vec(),
        trace: request.trace,
        client: HandoverClient::new(channel),
        target: request.target_endpoint,
    };
    let outcome = delivery.run(progress).await;
    if outcome
        .as_ref()
        .is_err_and(|failure| failure.fault == Fault::Checksum)
    {
        // The bytes that were sent do not match the record: re-read the copy.
        let node = Arc::clone(node);
        tokio::spawn(async move { super::verify::verify(&node, vec![copy], ()).await });
    }
    outcome
}

async fn find(node: &Arc<Node>, copy: Copy) -> Result<(Arc<Found>, Copy), Failure> {
    let looker = Arc::clone(node);
    node.readers
        .call(move || {
            let found = looker.served(&copy)?;
            Ok((Arc::new(found), copy))
        })
        .await
        .unwrap_or_else(|| Err(gone()))
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;

//! Sends this node's copy straight to another node (rule 8).

use super::Trace;
use super::peers::Peers;
use crate::disk::{Copy, Found};
use crate::fault::Failure;
use crate::node::{Node, gone};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use kit::ticket::Claim;
use proto::CHUNK;
use proto::v1::transfer_step::Step;
use proto::v1::upload_part::Part;
use proto::v1::{self, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// How long the other node may take for a chunk, or for its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to make a large file durable.
const FLUSH: Duration = Duration::from_secs(120);

/// How much of a large file it makes durable in a second, at the least.
const FLUSHED: u64 = 8 << 20;
/// How long this node's own disk may take for a chunk.
const READ: Duration = Duration::from_secs(30);
/// How often a caller is told how far it is.
const STEP: Duration = Duration::from_secs(1);

type Steps = BoxStream<'static, Result<v1::TransferStep, Status>>;

/// Sends the copy, and says how far it is for as long as it goes on. It ends where its
/// caller goes.
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

/// Sends the copy; answers the leaf it lies in over there. `progress` is the number
/// of bytes that the other node has taken.
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
    let channel = peers.channel(&request.target_endpoint)?;
    let mut client = v1::handover_client::HandoverClient::new(channel);

    let (found, copy) = find(node, copy).await?;
    let suspect = copy.clone();
    let mut meta = found.meta.clone();
    meta.key.generation = request.target_generation;
    let open = v1::Open {
        id: meta.key.id.to_wire(),
        generation: meta.key.generation,
        session: request.target_session,
        size: Some(meta.size),
        trace: request.trace,
    };
    let claim = Claim {
        id: open.id.to_vec(),
        generation: open.generation,
        session: open.session,
        ticket: request.ticket.to_vec(),
    };
    let finish = v1::Finish {
        meta: Some(meta.to_wire(&copy.name)),
    };
    let (send, receive) = mpsc::channel(2);
    let mut call = tonic::Request::new(ReceiverStream::new(receive));
    claim.write(call.metadata_mut());
    let source = Arc::clone(node);
    let flush = FLUSH + Duration::from_secs(found.meta.size / FLUSHED);
    let sending = async move {
        let sent = send_all(&source, &found, &send, (open, finish), progress).await;
        drop(send);
        // The answer may already be there, and then the caller has gone on.
        if sent.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(flush).await;
    };
    let answer = tokio::select! {
        answer = client.receive_file(call) => answer,
        () = sending => {
            return Err(Failure::new(Fault::Io, "the other node does not answer"));
        }
    };
    let reply = answer.map_err(|status| {
        Failure::new(Fault::Io, format!("{}: {status}", request.target_endpoint))
    })?;
    kit::crash_here!("node::transfer_after_finish");
    let outcome = outcome(reply.into_inner());
    if outcome
        .as_ref()
        .is_err_and(|failure| failure.fault == Fault::Checksum)
    {
        // What was sent is not what the record names.
        let (node, copy) = (Arc::clone(node), suspect);
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

/// Sends Open, all chunks and Finish. Where the copy can't be read, the stream
/// ends without Finish, and the other node keeps nothing.
async fn send_all(
    node: &Arc<Node>,
    found: &Arc<Found>,
    send: &mpsc::Sender<v1::UploadPart>,
    (open, finish): (v1::Open, v1::Finish),
    progress: &AtomicU64,
) -> Result<(), Failure> {
    put(send, Part::Open(open)).await?;
    let size = found.meta.size;
    let mut offset = 0;
    while offset < size {
        let length = CHUNK.min(usize::try_from(size - offset).unwrap_or(CHUNK));
        let (file, from) = (Arc::clone(found), offset);
        let read = node.readers.call(move || file.read(from, length));
        let read = tokio::time::timeout(READ, read).await;
        let late = || Some(Err(Failure::new(Fault::Io, "the disk does not answer")));
        let read = read.unwrap_or_else(|_| late());
        let chunk = read.unwrap_or_else(|| Err(gone())).inspect_err(|failure| {
            tracing::warn!(%failure, "a copy that can't be read is not sent");
        })?;
        offset += length as u64;
        put(send, Part::Chunk(chunk)).await?;
        progress.store(offset, Ordering::Relaxed);
    }
    kit::crash_here!("node::transfer_before_finish");
    put(send, Part::Finish(finish)).await
}

async fn put(send: &mpsc::Sender<v1::UploadPart>, part: Part) -> Result<(), Failure> {
    let part = v1::UploadPart { part: Some(part) };
    match send.send_timeout(part, PATIENCE).await {
        Ok(()) => Ok(()),
        Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(gone()),
        Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(gone()),
    }
}

fn outcome(reply: v1::UploadReply) -> Result<u32, Failure> {
    use v1::upload_reply::Result as Outcome;
    match reply.result {
        Some(Outcome::Linked(linked)) => Ok(linked.leaf),
        Some(Outcome::Failure(failure)) => Err(Failure {
            fault: failure.fault(),
            message: format!("the other node: {}", failure.message),
            session: failure.session,
        }),
        None => Err(Failure::new(Fault::Io, "the other node's answer is empty")),
    }
}

//! Small operations on one node: many callers, one stream each way.
//!
//! Whatever waits when the writer wakes up goes into one message, so a busy
//! manager pays for one message, one wake-up and one write per many operations.

use super::counted::NodeCount;
use futures::StreamExt;
use proto::v1::{Failure as NodeFailure, Fault, Replies, Request, Requests, reply, request};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Operations that may wait for the writer; past it callers wait.
const QUEUE: usize = 1024;
/// Operations in one message.
const BATCH: usize = 256;
/// Bytes after which a message is sent, well under tonic's 4 MiB.
const BATCH_BYTES: usize = 1 << 20;

/// Why a call to a node has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The node answered that it did not do it.
    #[error("the node refused: {0:?}: {1}")]
    Fault(Fault, String),
    /// No answer: it may have happened or not.
    #[error("the node did not answer: {0}")]
    Lost(String),
}

impl CallError {
    /// Whether the asked-for change certainly did not happen.
    pub fn certainly_not_done(&self) -> bool {
        match self {
            Self::Fault(fault, _) => *fault != Fault::Io,
            Self::Lost(_) => false,
        }
    }
}

impl From<NodeFailure> for CallError {
    fn from(failure: NodeFailure) -> Self {
        Self::Fault(failure.fault(), failure.message)
    }
}

impl From<tonic::Status> for CallError {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            tonic::Code::NotFound => Self::Fault(Fault::NotFound, status.message().to_owned()),
            tonic::Code::ResourceExhausted => Self::Fault(Fault::Busy, status.message().to_owned()),
            tonic::Code::DataLoss => Self::Fault(Fault::Checksum, status.message().to_owned()),
            _ => Self::Lost(status.to_string()),
        }
    }
}

struct Outgoing {
    request: Request,
    reply: Option<oneshot::Sender<reply::Result>>,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<reply::Result>>>>;

/// The manager's end of a node's `Exchange` stream.
pub(super) struct Exchange {
    queue: mpsc::Sender<Outgoing>,
    seq: AtomicU64,
}

impl Exchange {
    /// Starts the exchange over an open stream pair; it lives until the node's
    /// stream ends or `closed` is cancelled, and cancels `closed` itself then.
    pub(super) fn start(
        requests: mpsc::Sender<Requests>,
        replies: tonic::Streaming<Replies>,
        count: Arc<NodeCount>,
        closed: CancellationToken,
    ) -> Self {
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let waiting: Waiting = Arc::default();
        tokio::spawn(write_all(
            outgoing,
            requests,
            waiting.clone(),
            closed.clone(),
        ));
        tokio::spawn(read_all(replies, waiting, count, closed));
        Self {
            queue,
            seq: AtomicU64::new(1),
        }
    }

    /// Sends an operation that has no answer of its own.
    ///
    /// # Errors
    /// When the node is gone.
    pub(super) async fn tell(&self, trace: u64, op: request::Op) -> Result<(), CallError> {
        self.send(trace, op, None).await
    }

    /// Sends an operation and waits for its answer.
    ///
    /// # Errors
    /// When the node refuses, or does not answer before the deadline.
    pub(super) async fn ask(
        &self,
        trace: u64,
        op: request::Op,
        deadline: Duration,
    ) -> Result<reply::Result, CallError> {
        let (sender, receiver) = oneshot::channel();
        let answered = async {
            self.send(trace, op, Some(sender)).await?;
            receiver
                .await
                .map_err(|_| CallError::Lost("the connection broke".to_owned()))
        };
        match tokio::time::timeout(deadline, answered).await {
            Ok(Ok(reply::Result::Failure(failure))) => Err(failure.into()),
            Ok(result) => result,
            Err(_) => Err(CallError::Lost(format!("no answer within {deadline:?}"))),
        }
    }

    /// How many operations wait for the writer.
    pub(super) fn queued(&self) -> usize {
        QUEUE - self.queue.capacity()
    }

    async fn send(
        &self,
        trace: u64,
        op: request::Op,
        reply: Option<oneshot::Sender<reply::Result>>,
    ) -> Result<(), CallError> {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let request = Request {
            seq,
            trace,
            op: Some(op),
        };
        self.queue
            .send(Outgoing { request, reply })
            .await
            .map_err(|_| CallError::Lost("the connection is closed".to_owned()))
    }
}

fn weight(request: &Request) -> usize {
    match &request.op {
        Some(request::Op::Write(write)) => write.data.len() + 512,
        _ => 512,
    }
}

async fn write_all(
    mut outgoing: mpsc::Receiver<Outgoing>,
    requests: mpsc::Sender<Requests>,
    waiting: Waiting,
    closed: CancellationToken,
) {
    let mut ready = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            () = closed.cancelled() => break,
            n = outgoing.recv_many(&mut ready, BATCH) => if n == 0 { break },
        }
        let mut rest = ready.drain(..).peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let mut batch = Vec::new();
            {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                for Outgoing { request, reply } in rest.by_ref() {
                    if let Some(reply) = reply {
                        waiting.insert(request.seq, reply);
                    }
                    bytes += weight(&request);
                    batch.push(request);
                    if bytes >= BATCH_BYTES {
                        break;
                    }
                }
            }
            if requests.send(Requests { requests: batch }).await.is_err() {
                closed.cancel();
            }
        }
    }
    closed.cancel();
    fail_all(&waiting);
}

async fn read_all(
    mut replies: tonic::Streaming<Replies>,
    waiting: Waiting,
    count: Arc<NodeCount>,
    closed: CancellationToken,
) {
    loop {
        let message = tokio::select! {
            () = closed.cancelled() => break,
            message = replies.next() => message,
        };
        let Some(Ok(message)) = message else { break };
        // Before anybody learns that an operation is over: until then it counts as
        // in flight, and from then on with the files.
        if let Some(counted) = message.counted {
            count.take(counted);
        }
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for reply in message.replies {
            if let (Some(sender), Some(result)) = (waiting.remove(&reply.seq), reply.result) {
                // A caller past its deadline has gone; nobody needs the answer.
                let _ = sender.send(result);
            }
        }
    }
    closed.cancel();
    fail_all(&waiting);
}

/// Dropping the senders tells every caller that its answer is lost.
fn fail_all(waiting: &Waiting) {
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

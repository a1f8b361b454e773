//! Small operations on one node: many callers, one stream each way.
//!
//! Whatever waits when the writer wakes up goes into one message, so a busy
//! manager pays for one message, one wake-up and one write per many operations.

use futures::StreamExt;
use proto::v1::{Failure as NodeFailure, Fault, Replies, Request, Requests, reply, request};
use proto::{Batch, Refused};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Operations that may wait for the writer; past it callers wait.
const QUEUE: usize = 1024;
/// Operations in one message.
const BATCH: usize = 256;

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
        tokio::spawn(read_all(replies, waiting, closed));
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

async fn write_all(
    mut outgoing: mpsc::Receiver<Outgoing>,
    requests: mpsc::Sender<Requests>,
    waiting: Waiting,
    closed: CancellationToken,
) {
    let mut ready = VecDeque::new();
    let mut taken = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            () = closed.cancelled() => break,
            n = outgoing.recv_many(&mut taken, BATCH) => if n == 0 { break },
        }
        ready.extend(taken.drain(..));
        while !ready.is_empty() {
            let batch = next_batch(&mut ready, &waiting);
            // Empty where all that was left had to be refused.
            let sent =
                batch.is_empty() || requests.send(Requests { requests: batch }).await.is_ok();
            if !sent {
                closed.cancel();
            }
        }
    }
    closed.cancel();
    fail_all(&waiting);
}

/// Takes operations for one message, as long as it stays within its bound. One that
/// fits into no message is refused by itself.
fn next_batch(ready: &mut VecDeque<Outgoing>, waiting: &Waiting) -> Vec<Request> {
    let mut batch = Batch::new(BATCH);
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some(Outgoing { request, reply }) = ready.pop_front() {
        let seq = request.seq;
        match batch.push(request) {
            Ok(()) => {
                if let Some(reply) = reply {
                    waiting.insert(seq, reply);
                }
            }
            Err(Refused::Full(request)) => {
                ready.push_front(Outgoing { request, reply });
                break;
            }
            Err(Refused::TooLarge(_)) => {
                let failure = NodeFailure {
                    fault: Fault::Invalid.into(),
                    message: "the request fits into no message: it was not sent".to_owned(),
                    session: 0,
                };
                if let Some(reply) = reply {
                    // The caller may be past its deadline.
                    let _ = reply.send(reply::Result::Failure(failure));
                }
            }
        }
    }
    batch.take()
}

async fn read_all(
    mut replies: tonic::Streaming<Replies>,
    waiting: Waiting,
    closed: CancellationToken,
) {
    loop {
        let message = tokio::select! {
            () = closed.cancelled() => break,
            message = replies.next() => message,
        };
        let Some(Ok(message)) = message else { break };
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

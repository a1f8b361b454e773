//! Small operations on one node: many callers, one stream each way.
//!
//! Whatever waits when the writer wakes up goes into one message, so a busy
//! manager pays for one message, one wake-up and one write per many operations.
//!
//! Streams that break are opened anew while the node is joined, and what may be
//! done twice is sent again; of the rest the outcome is unknown.

use futures::StreamExt;
use futures::stream::BoxStream;
use manager_protocol::nodes::{CallError, NodeCount};
use parking_lot::Mutex;
use proto::v1::{Replies, Request, Requests, reply, request};
use proto::{Batch, Refused};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Operations that may wait for the writer; past it callers wait.
const QUEUE: usize = 1024;
/// Operations in one message.
const BATCH: usize = 256;
/// How often an operation is sent at the most: one that breaks one stream after the
/// other must not be sent for ever.
const SENDS: u8 = 3;
/// How long the streams may take to be opened anew, before the node counts as gone.
const REOPEN: Duration = Duration::from_secs(4);
/// The pause between two attempts at that.
const PAUSE: Duration = Duration::from_millis(100);

/// One pair of streams to a node.
pub(super) struct Streams {
    pub(super) requests: mpsc::Sender<Requests>,
    pub(super) replies: BoxStream<'static, Result<Replies, tonic::Status>>,
}

/// Why the streams could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOpened {
    /// Nobody listens there, or another node does: the node is gone.
    #[error("{0}")]
    Gone(String),
    /// It may succeed in a moment.
    #[error("{0}")]
    Failed(String),
}

/// Opens the streams anew.
pub(super) trait Opens: Send + Sync + 'static {
    /// Opens them, after checking which node answers.
    fn open(&self) -> impl Future<Output = Result<Streams, NotOpened>> + Send;
}

struct Outgoing {
    request: Request,
    reply: Option<oneshot::Sender<reply::Result>>,
    /// How often it was sent before.
    sent: u8,
}

/// An operation that was sent and is not answered yet.
struct Asked {
    /// Kept where it may be sent again.
    again: Option<Request>,
    reply: oneshot::Sender<reply::Result>,
    sent: u8,
}

type Waiting = Arc<Mutex<HashMap<u64, Asked>>>;

/// The manager's end of a node's `Exchange` stream.
pub(super) struct Exchange {
    queue: mpsc::Sender<Outgoing>,
    seq: AtomicU64,
    /// When a deadline last passed without an answer.
    late: Mutex<Option<Instant>>,
}

impl Exchange {
    /// Starts the exchange over open streams; it lives until the node can't be
    /// reached or `closed` is cancelled, and cancels `closed` itself then.
    pub(super) fn start(
        first: Streams,
        opens: impl Opens,
        count: Arc<NodeCount>,
        closed: CancellationToken,
    ) -> Self {
        let (queue, outgoing) = mpsc::channel(QUEUE);
        tokio::spawn(run(outgoing, first, opens, count, closed));
        Self {
            queue,
            seq: AtomicU64::new(1),
            late: Mutex::default(),
        }
    }

    /// Sends an operation that has no answer of its own.
    ///
    /// # Errors
    /// When the node is gone, or takes nothing in until the deadline.
    pub(super) async fn tell(
        &self,
        trace: u64,
        op: request::Op,
        deadline: Duration,
    ) -> Result<(), CallError> {
        tokio::time::timeout(deadline, self.send(trace, op, None))
            .await
            .unwrap_or_else(|_| Err(CallError::NotSent("the node takes nothing in".to_owned())))
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
            Err(_) => {
                *self.late.lock() = Some(Instant::now());
                Err(CallError::Lost(format!("no answer within {deadline:?}")))
            }
        }
    }

    /// When a deadline last passed without an answer.
    pub(super) fn late(&self) -> Option<Instant> {
        *self.late.lock()
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
            context: kit::spans::to_wire(),
        };
        self.queue
            .send(Outgoing {
                request,
                reply,
                sent: 0,
            })
            .await
            .map_err(|_| CallError::NotSent("the node has left".to_owned()))
    }
}

/// Whether an operation does no harm when it is done twice: `Read` and `Stat` change nothing,
/// and a delete removes exactly the copy it names (rule 3). The answer to a second Finish
/// would say nothing about the first: its sender asks for the file instead.
fn is_repeatable(op: Option<&request::Op>) -> bool {
    match op {
        Some(request::Op::Read(_) | request::Op::Stat(_) | request::Op::Delete(_)) => true,
        Some(request::Op::Write(_) | request::Op::Finish(_) | request::Op::Abort(_)) | None => {
            false
        }
    }
}

async fn run(
    mut outgoing: mpsc::Receiver<Outgoing>,
    mut streams: Streams,
    opens: impl Opens,
    count: Arc<NodeCount>,
    closed: CancellationToken,
) {
    let mut ready = VecDeque::new();
    loop {
        let waiting = Waiting::default();
        let broken = closed.child_token();
        let reader = tokio::spawn(read_all(
            streams.replies,
            Arc::clone(&waiting),
            Arc::clone(&count),
            broken.clone(),
        ));
        let writing = write_all(&mut outgoing, &mut ready, &streams.requests, &waiting);
        let ended = tokio::select! {
            () = broken.cancelled() => false,
            ended = writing => ended,
        };
        broken.cancel();
        // After it no answer comes in any more. The reader does not panic.
        let _ = reader.await;
        if ended || closed.is_cancelled() {
            break;
        }
        send_again(&waiting, &mut ready);
        match reopen(&opens, &closed).await {
            Some(again) => streams = again,
            None => break,
        }
    }
    // Dropping the senders makes every caller see that its answer is lost.
    closed.cancel();
}

/// Opens the streams anew, unless that takes too long or the node is gone.
async fn reopen(opens: &impl Opens, closed: &CancellationToken) -> Option<Streams> {
    let until = Instant::now() + REOPEN;
    loop {
        let opened = tokio::select! {
            () = closed.cancelled() => return None,
            opened = tokio::time::timeout_at(until, opens.open()) => opened,
        };
        match opened {
            Ok(Ok(streams)) => return Some(streams),
            Ok(Err(NotOpened::Failed(_))) if Instant::now() + PAUSE < until => {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "an exchange is not opened anew");
                return None;
            }
            Err(_) => return None,
        }
    }
}

/// Puts unanswered operations back, oldest first, where they may be done twice; the
/// answers of the others are lost.
fn send_again(waiting: &Waiting, ready: &mut VecDeque<Outgoing>) {
    let asked = std::mem::take(&mut *waiting.lock());
    let mut again: Vec<Outgoing> = asked
        .into_values()
        .filter(|asked| asked.sent < SENDS && !asked.reply.is_closed())
        .filter_map(|Asked { again, reply, sent }| {
            let (request, reply) = (again?, Some(reply));
            Some(Outgoing {
                request,
                reply,
                sent,
            })
        })
        .collect();
    again.sort_by_key(|outgoing| outgoing.request.seq);
    for outgoing in again.into_iter().rev() {
        ready.push_front(outgoing);
    }
}

/// Sends what callers ask for, until the stream breaks (false) or no caller is left (true).
async fn write_all(
    outgoing: &mut mpsc::Receiver<Outgoing>,
    ready: &mut VecDeque<Outgoing>,
    requests: &mpsc::Sender<Requests>,
    waiting: &Waiting,
) -> bool {
    let mut taken = Vec::with_capacity(BATCH);
    loop {
        while !ready.is_empty() {
            let batch = next_batch(ready, waiting);
            // Empty where all that was left had to be refused.
            if !batch.is_empty() && requests.send(Requests { requests: batch }).await.is_err() {
                return false;
            }
        }
        if outgoing.recv_many(&mut taken, BATCH).await == 0 {
            return true;
        }
        ready.extend(taken.drain(..));
    }
}

/// Takes operations for one message, as long as it stays within its bound. One that
/// fits into no message is dropped, so that its caller gets no answer.
fn next_batch(ready: &mut VecDeque<Outgoing>, waiting: &Waiting) -> Vec<Request> {
    let mut batch = Batch::new(BATCH);
    let mut waiting = waiting.lock();
    while let Some(Outgoing {
        request,
        reply,
        sent,
    }) = ready.pop_front()
    {
        let seq = request.seq;
        let again = is_repeatable(request.op.as_ref()).then(|| request.clone());
        match batch.push(request) {
            Ok(()) => {
                if let Some(reply) = reply {
                    let sent = sent + 1;
                    waiting.insert(seq, Asked { again, reply, sent });
                }
            }
            Err(Refused::Full(request)) => {
                ready.push_front(Outgoing {
                    request,
                    reply,
                    sent,
                });
                break;
            }
            Err(Refused::TooLarge(request)) => {
                tracing::error!(trace = request.trace, "a request that fits into no message");
            }
        }
    }
    batch.take()
}

/// Hands answers to their callers, until the stream breaks.
async fn read_all(
    mut replies: BoxStream<'static, Result<Replies, tonic::Status>>,
    waiting: Waiting,
    count: Arc<NodeCount>,
    broken: CancellationToken,
) {
    loop {
        let message = tokio::select! {
            () = broken.cancelled() => return,
            message = replies.next() => message,
        };
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(status)) => {
                tracing::warn!(%status, "an exchange broke off");
                break;
            }
            None => break,
        };
        // Before its caller learns that an operation is over: until then it counts as
        // in flight, and from then on with the node's files.
        if let Some(counted) = message.counted {
            count.take(counted);
        }
        let mut waiting = waiting.lock();
        for reply in message.replies {
            if let (Some(asked), Some(result)) = (waiting.remove(&reply.seq), reply.result) {
                // A caller past its deadline has gone; nobody needs the answer.
                let _ = asked.reply.send(result);
            }
        }
    }
    broken.cancel();
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;

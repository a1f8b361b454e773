//! Small operations, many to a message, on a few long-lived streams.

use super::Trace;
use super::asked::Asked;
use crate::creates::Finish;
use crate::disk::Copy;
use crate::disk::meta::{CopyKey, Meta};
use crate::fault::Failure;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::uploads::Opening;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use kit::spans::Tracer;
use proto::v1::reply::Result as Outcome;
use proto::v1::request::Op;
use proto::v1::{self, Fault};
use proto::{Batch, FileId, Refused, SMALL};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::Status;

/// Operations of one stream that are not answered yet.
const PENDING: usize = 4096;
/// Reads that one thread does at a stretch.
const READS: usize = 64;
/// Replies of one message.
const REPLY_COUNT: usize = 512;
/// How long a stream still takes operations once the node leaves.
const GRACE: Duration = Duration::from_secs(1);

/// Answers on their way out, and the room they take until then.
struct Answers {
    replies: Vec<v1::Reply>,
    room: Option<Arc<OwnedSemaphorePermit>>,
}

/// Where the operations of one stream send their answers.
#[derive(Clone)]
struct Lane {
    node: Arc<Node>,
    /// Bounded by `pending`.
    answers: mpsc::UnboundedSender<Answers>,
    tracer: Tracer,
}

/// Serves one stream.
pub(super) fn serve(
    node: Arc<Node>,
    bytes: Arc<Semaphore>,
    requests: impl Stream<Item = Result<v1::Requests, Status>> + Send + Unpin + 'static,
    tracer: Tracer,
) -> BoxStream<'static, Result<v1::Replies, Status>> {
    let (send, receive) = mpsc::unbounded_channel();
    let pending = Pending(Arc::new(Semaphore::new(PENDING)));
    let counting = Arc::clone(&node);
    let lane = Lane {
        node,
        answers: send,
        tracer,
    };
    tokio::spawn(receive_all(lane, bytes, Arc::clone(&pending.0), requests));
    let outgoing = Outgoing {
        receive,
        left: VecDeque::new(),
        room: None,
    };
    let out = futures::stream::unfold((outgoing, pending), move |(mut outgoing, pending)| {
        let node = Arc::clone(&counting);
        async move {
            let replies = outgoing.next().await?;
            pending.0.add_permits(replies.len());
            let counted = Some(node.counted());
            Some((Ok(v1::Replies { replies, counted }), (outgoing, pending)))
        }
    });
    out.boxed()
}

/// The permits of operations that are not answered yet. Once the stream of answers has
/// ended none is given back, so that it is closed and nothing waits for one.
struct Pending(Arc<Semaphore>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Answers that are cut into messages.
struct Outgoing {
    receive: mpsc::UnboundedReceiver<Answers>,
    /// Those of the last [`Answers`] that no message had room for.
    left: VecDeque<v1::Reply>,
    /// The room that these hold.
    room: Option<Arc<OwnedSemaphorePermit>>,
}

impl Outgoing {
    /// Takes the next answers, and with them all others that are ready, as long as
    /// the message stays within its bound. None where the lane has ended.
    async fn next(&mut self) -> Option<Vec<v1::Reply>> {
        let mut batch = Batch::new(REPLY_COUNT);
        loop {
            let Some(reply) = self.left.pop_front() else {
                let more = match batch.is_empty() {
                    true => self.receive.recv().await?,
                    false => match self.receive.try_recv() {
                        Ok(more) => more,
                        Err(_) => break,
                    },
                };
                self.left.extend(more.replies);
                self.room = more.room;
                continue;
            };
            match batch.push(reply) {
                Ok(()) => {}
                Err(Refused::Full(reply)) => {
                    self.left.push_front(reply);
                    return Some(batch.take());
                }
                Err(Refused::TooLarge(reply)) => self.left.push_front(too_large(&reply)),
            }
        }
        self.room = None;
        Some(batch.take())
    }
}

/// What is sent instead of an answer that is too large, which then fails only its own
/// operation and not the stream.
fn too_large(reply: &v1::Reply) -> v1::Reply {
    tracing::error!(seq = reply.seq, "an answer that fits into no message");
    let failure = Failure::new(Fault::Io, "the answer fits into no message");
    v1::Reply {
        seq: reply.seq,
        result: Some(Outcome::Failure(failure.to_wire())),
    }
}

async fn receive_all(
    lane: Lane,
    bytes: Arc<Semaphore>,
    pending: Arc<Semaphore>,
    mut requests: impl Stream<Item = Result<v1::Requests, Status>> + Unpin,
) {
    let leaving = lane.node.leaving.clone();
    let grace = async {
        leaving.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::pin!(grace);
    loop {
        let message = tokio::select! {
            biased;
            () = &mut grace => return,
            message = requests.next() => message,
            // Polled last, so that requests that have come are still done: an upload may
            // wait for them.
            () = lane.answers.closed() => return,
        };
        match message {
            Some(Ok(message)) => lane.take(&bytes, &pending, message.requests).await,
            None => return,
            Some(Err(status)) => {
                tracing::debug!(%status, "an exchange broke off");
                return;
            }
        }
    }
}

/// A read or a stat, done together with the others of its message.
struct Look {
    asked: Asked,
    kind: LookKind,
}

enum LookKind {
    Read(v1::ReadRequest),
    Stat(v1::StatRequest),
}

impl Lane {
    async fn take(&self, bytes: &Arc<Semaphore>, pending: &Semaphore, requests: Vec<v1::Request>) {
        let mut looks = Vec::new();
        for request in requests {
            let asked = Asked::new(&self.tracer, &request);
            let op = request.op;
            let Some(op) = op else {
                // From a newer manager: it needs an answer all the same.
                hold(pending).await;
                let failure = Failure::invalid("an operation that this version does not know");
                self.answer(asked, Outcome::Failure(failure.to_wire()));
                continue;
            };
            if !matches!(op, Op::Write(_) | Op::Abort(_)) {
                hold(pending).await;
            }
            match op {
                Op::Write(write) => {
                    let room = room(bytes, write.data.len()).await;
                    self.write(write, room);
                }
                Op::Finish(finish) => self.finish(asked, finish),
                Op::Abort(abort) => {
                    if let Ok(id) = FileId::from_wire(&abort.id) {
                        let generation = abort.generation;
                        self.abort(CopyKey { id, generation });
                    }
                }
                Op::Delete(delete) => self.delete(asked, delete),
                Op::Read(read) => looks.push(Look {
                    asked,
                    kind: LookKind::Read(read),
                }),
                Op::Stat(stat) => looks.push(Look {
                    asked,
                    kind: LookKind::Stat(stat),
                }),
            }
        }
        while !looks.is_empty() {
            let rest = looks.split_off(looks.len().min(READS));
            let room = room(bytes, looks.len() * SMALL).await;
            self.look(std::mem::replace(&mut looks, rest), room);
        }
    }

    fn answer(&self, asked: Asked, outcome: Outcome) {
        // Nobody listens any more where the stream broke off.
        let _ = self.answers.send(Answers {
            replies: vec![asked.reply(outcome)],
            room: None,
        });
    }

    fn write(&self, write: v1::Write, room: Option<OwnedSemaphorePermit>) {
        let opening = match Opening::from_wire(write.open) {
            Ok(opening) => opening,
            // Its Finish will find no create.
            Err(failure) => {
                tracing::warn!(%failure, "a create that makes no sense");
                return;
            }
        };
        tracing::debug!(request = %Trace(opening.trace), id = %opening.key.id, "create");
        // A record that makes no sense is left to Finish, which can answer.
        let meta = write.meta.and_then(|meta| Meta::from_wire(meta).ok());
        self.node
            .write(opening, write.data, meta.map(|(_, meta)| meta), room);
    }

    fn finish(&self, asked: Asked, finish: v1::Finish) {
        let trace = asked.trace;
        let meta = finish
            .meta
            .ok_or_else(|| Failure::invalid("finish has no record"));
        let meta = meta.and_then(|meta| Meta::from_wire(meta).map_err(Failure::invalid));
        let (name, meta) = match meta {
            Ok(meta) => meta,
            Err(failure) => return self.answer(asked, Outcome::Failure(failure.to_wire())),
        };
        tracing::debug!(request = %Trace(trace), %name, "finish");
        let lane = self.clone();
        let finish = Finish {
            name,
            meta: Box::new(meta),
            begun: Instant::now(),
            done: Box::new(move |result| {
                let outcome = match result {
                    Ok(leaf) => Outcome::Linked(v1::Linked { leaf }),
                    Err(failure) => {
                        tracing::debug!(request = %Trace(trace), %failure, "create failed");
                        Outcome::Failure(failure.to_wire())
                    }
                };
                lane.answer(asked, outcome);
            }),
        };
        self.node.finish(finish);
    }

    fn abort(&self, key: CopyKey) {
        let waiting = self.node.creates().abort(key);
        if let Some(finish) = waiting {
            let why = "the create was given up before its bytes were on the disk";
            (finish.done)(Err(Failure::new(Fault::Disk, why)));
        }
    }

    fn delete(&self, asked: Asked, delete: v1::DeleteRequest) {
        let copy = match Copy::from_wire(delete.copy) {
            Ok(copy) => copy,
            Err(failure) => return self.answer(asked, Outcome::Failure(failure.to_wire())),
        };
        tracing::debug!(request = %Trace(asked.trace), name = %copy.name, "delete");
        let lane = self.clone();
        let done = Box::new(move |result: Result<bool, Failure>| {
            let outcome = match result {
                Ok(found) => Outcome::Deleted(v1::DeleteReply { found }),
                Err(failure) => Outcome::Failure(failure.to_wire()),
            };
            lane.answer(asked, outcome);
        });
        if delete.refuse_only {
            self.node.refuse(copy, delete.session, done);
        } else {
            self.node.delete(copy, delete.session, done);
        }
    }

    /// Does reads and stats on one thread, and answers them together.
    fn look(&self, looks: Vec<Look>, room: Option<OwnedSemaphorePermit>) {
        let lane = self.clone();
        self.node.readers.run(move || {
            let replies = looks.into_iter().filter_map(|look| lane.look_one(look));
            let replies: Vec<v1::Reply> = replies.collect();
            if !replies.is_empty() {
                // Nobody listens any more where the stream broke off.
                let _ = lane.answers.send(Answers {
                    replies,
                    room: room.map(Arc::new),
                });
            }
        });
    }

    /// Does one read or stat; None where the answer has to wait for the committer.
    fn look_one(&self, look: Look) -> Option<v1::Reply> {
        let Look { asked, kind } = look;
        let outcome = match kind {
            LookKind::Read(read) => {
                let data = self.read(read, asked.trace);
                Metrics::count(&self.node.metrics.downloads, &data);
                data.map(Outcome::Data)
            }
            LookKind::Stat(stat) => match Copy::from_wire(stat.copy) {
                Ok(copy) => return self.stat(asked, copy),
                Err(failure) => Err(failure),
            },
        };
        let outcome = outcome.unwrap_or_else(|failure| Outcome::Failure(failure.to_wire()));
        Some(asked.reply(outcome))
    }

    fn read(&self, read: v1::ReadRequest, trace: u64) -> Result<bytes::Bytes, Failure> {
        let copy = Copy::from_wire(read.copy)?;
        tracing::debug!(request = %Trace(trace), name = %copy.name, "read");
        let found = self.node.served(&copy)?;
        let range = found.range(read.offset, read.length)?;
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        if length > SMALL {
            return Err(Failure::invalid(
                "too much for one message: use download-file",
            ));
        }
        found.read(range.start, length)
    }

    /// Confirms a copy at once; a denial waits until all is flushed (rule 5).
    fn stat(&self, asked: Asked, copy: Copy) -> Option<v1::Reply> {
        let found = self.node.state(&copy);
        if let Ok(state) = &found
            && !state.held
        {
            let lane = self.clone();
            let done = Box::new(move |flushed: Result<(), Failure>| {
                let node = Arc::clone(&lane.node);
                // Not on the committer's thread: it must not wait for a read.
                node.readers.run(move || {
                    let state = flushed.and_then(|()| lane.node.state(&copy));
                    lane.answer(asked, state_outcome(state));
                });
            });
            self.node.disk.submit(crate::disk::Op::Barrier { done });
            return None;
        }
        Some(asked.reply(state_outcome(found)))
    }
}

fn state_outcome(state: Result<v1::CopyState, Failure>) -> Outcome {
    match state {
        Ok(state) => Outcome::State(state),
        Err(failure) => Outcome::Failure(failure.to_wire()),
    }
}

/// Takes a permit, which is given back when the answer goes out.
async fn hold(pending: &Semaphore) {
    // Closed once the stream of answers has ended.
    if let Ok(permit) = pending.acquire().await {
        permit.forget();
    }
}

/// Waits for room in memory.
async fn room(bytes: &Arc<Semaphore>, wanted: usize) -> Option<OwnedSemaphorePermit> {
    // One message needs far less than all the room there is.
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    Arc::clone(bytes).acquire_many_owned(wanted).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use tokio_stream::wrappers::ReceiverStream;

    fn data(seq: u64, bytes: usize) -> v1::Reply {
        v1::Reply {
            seq,
            result: Some(Outcome::Data(vec![7; bytes].into())),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stream_that_breaks_with_all_its_answers_pending_leaves_no_task() {
        let (node, _dir) = crate::testing::node();
        let bytes = Arc::new(Semaphore::new(SMALL));
        let (send, receive) = mpsc::channel(1);
        let replies = serve(node, bytes, ReceiverStream::new(receive), Tracer::default());
        // Each has an answer, none of which is taken.
        let requests = vec![v1::Request::default(); PENDING + 1];
        let sent = send.send(Ok(v1::Requests { requests })).await;
        assert!(sent.is_ok());
        let ended = tokio::time::timeout(Duration::from_millis(200), send.closed()).await;
        assert!(ended.is_err(), "it waits for its answers to be taken");
        drop(replies);
        let ended = tokio::time::timeout(Duration::from_secs(10), send.closed()).await;
        assert!(ended.is_ok(), "the task that took the requests goes on");
    }

    #[tokio::test]
    async fn reads_that_were_done_together_are_cut_into_messages_that_fit() {
        let (send, receive) = mpsc::unbounded_channel();
        let mut outgoing = Outgoing {
            receive,
            left: VecDeque::new(),
            room: None,
        };
        let bytes = Arc::new(Semaphore::new(READS * SMALL * 3));
        for first in [0, 64, 128] {
            let mut replies: Vec<_> = (first..first + 64).map(|seq| data(seq, SMALL)).collect();
            // One that is too large fails its own operation alone.
            replies[1] = data(first + 1, proto::BATCH_BYTES);
            let room = room(&bytes, READS * SMALL).await.map(Arc::new);
            assert!(send.send(Answers { replies, room }).is_ok());
        }
        drop(send);
        let mut seqs = Vec::new();
        let mut failed = Vec::new();
        while let Some(replies) = outgoing.next().await {
            let message = v1::Replies {
                replies,
                counted: None,
            };
            assert!(message.encoded_len() <= proto::BATCH_BYTES);
            for reply in message.replies {
                if matches!(reply.result, Some(Outcome::Failure(_))) {
                    failed.push(reply.seq);
                }
                seqs.push(reply.seq);
            }
        }
        assert_eq!(seqs, (0..192).collect::<Vec<_>>());
        assert_eq!(failed, [1, 65, 129]);
        let free = bytes.available_permits();
        assert_eq!(free, READS * SMALL * 3, "all room is given back");
    }
}

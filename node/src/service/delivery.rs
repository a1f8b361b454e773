//! A copy on its way to another node. Where the connection breaks, the transfer resumes
//! at the byte up to which the other node has the copy.

use super::tries::{Next, Tries, is_verdict, of_other};
use crate::disk::{Copy, Found};
use crate::fault::Failure;
use crate::node::{Node, gone};
use proto::CHUNK;
use proto::ticket::Claim;
use proto::v1::handover_client::HandoverClient;
use proto::v1::upload_part::Part;
use proto::v1::{self, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// How long the other node may take for a chunk, or for its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to make a large file durable.
const FLUSH: Duration = Duration::from_secs(120);
/// How much of a large file it makes durable in a second, at the least.
const FLUSHED: u64 = 8 << 20;
/// How long this node's own disk may take for a chunk.
const READ: Duration = Duration::from_secs(30);
/// How long the other node may take to say how far it is.
const ASK: Duration = Duration::from_secs(10);

/// What is sent, and to whom.
pub(super) struct Delivery {
    pub(super) node: Arc<Node>,
    /// Kept open throughout, so that a resumed transfer sends the same bytes.
    pub(super) found: Arc<Found>,
    /// The copy as it is created on the other node.
    pub(super) arrives: Copy,
    /// The session of the other node.
    pub(super) session: u64,
    pub(super) ticket: Vec<u8>,
    pub(super) trace: u64,
    pub(super) client: HandoverClient<Channel>,
    /// `HOST:PORT`, for people.
    pub(super) target: String,
}

/// How one stream ended.
enum Ended {
    /// The other node has answered, or nothing more is to be tried.
    Answered(Result<u32, Failure>),
    /// The connection broke.
    Broke(Failure),
}

/// How a transfer continues after a break.
enum WayOn {
    /// At this byte.
    From(u64),
    /// Not at all: the copy has arrived, in this leaf of the other node.
    Arrived(u32),
}

/// Why not everything was sent.
enum Unsent {
    /// The copy can't be read.
    Unread,
    /// The call has ended, and its answer is there.
    Ended,
    /// The other node took nothing for too long.
    Stalled,
}

impl Delivery {
    /// Sends the copy; returns its leaf on the other node. `progress` is how many of its
    /// bytes were handed to the stream.
    pub(super) async fn run(&self, progress: &AtomicU64) -> Result<u32, Failure> {
        let mut tries = Tries::default();
        let mut offset = 0;
        loop {
            let broke = match self.send(offset, progress).await {
                Ended::Answered(outcome) => return outcome,
                Ended::Broke(failure) => failure,
            };
            let sent = progress.load(Ordering::Relaxed);
            if !tries.are_worth(sent) {
                return Err(broke);
            }
            tracing::info!(name = %self.arrives.name, to = self.target, sent, why = %broke, "a transfer broke off");
            offset = match self.way_on(&mut tries, sent, broke).await? {
                WayOn::From(offset) => offset,
                WayOn::Arrived(leaf) => return Ok(leaf),
            };
            tracing::info!(name = %self.arrives.name, to = self.target, offset, "a transfer goes on");
            progress.store(offset, Ordering::Relaxed);
        }
    }

    /// Asks the other node repeatedly where to resume.
    async fn way_on(&self, tries: &mut Tries, sent: u64, broke: Failure) -> Result<WayOn, Failure> {
        let size = self.found.meta.size;
        let flushed = Instant::now() + self.flush();
        while let Some(pause) = tries.pause(Instant::now()) {
            if self.node.leaving.is_cancelled() {
                break;
            }
            tokio::time::sleep(pause).await;
            let next = match self.ask().await {
                Ok(reply) => Next::of(reply, size),
                // A node of the previous release: it keeps nothing.
                Err(status) if status.code() == Code::Unimplemented => break,
                Err(status) if is_verdict(&status) => Next::Refused(self.failed(&status)),
                Err(_) => continue,
            };
            match next {
                // Finish may have arrived, and the flush takes its time.
                Next::Wait if sent >= size && Instant::now() < flushed => {
                    tries.waits(Instant::now());
                }
                Next::Wait => {}
                // Finish may have been carried out before, in another session: the outcome
                // is not known.
                Next::Refused(failure) if sent >= size => {
                    let why = format!("{}; then: {}", broke.message, failure.message);
                    return Err(Failure::new(Fault::Io, why));
                }
                Next::From(offset) => {
                    tries.reached(offset);
                    return Ok(WayOn::From(offset));
                }
                Next::Arrived(leaf) => return Ok(WayOn::Arrived(leaf)),
                Next::Refused(failure) => return Err(failure),
            }
        }
        Err(broke)
    }

    async fn ask(&self) -> Result<v1::ResumeReply, Status> {
        let mut call = Request::new(v1::ResumeRequest {
            copy: Some(self.arrives.to_wire()),
            session: self.session,
            trace: self.trace,
        });
        self.claim().write(call.metadata_mut());
        kit::spans::inject(call.metadata_mut());
        let mut client = self.client.clone();
        let asked = tokio::time::timeout(ASK, client.resume_file(call)).await;
        let late = |_| Status::unavailable("it does not answer");
        Ok(asked.map_err(late)??.into_inner())
    }

    /// One stream: sends all from `offset` on, and waits for the answer.
    async fn send(&self, offset: u64, progress: &AtomicU64) -> Ended {
        let (send, receive) = mpsc::channel(2);
        let mut call = Request::new(ReceiverStream::new(receive));
        self.claim().write(call.metadata_mut());
        kit::spans::inject(call.metadata_mut());
        let sending = async move {
            let sent = self.send_all(&send, offset, progress).await;
            drop(send);
            match sent {
                Ok(()) => tokio::time::sleep(self.flush()).await,
                Err(Unsent::Stalled) => return Ended::Broke(silent()),
                // The call ends with its own answer, if that is not there already: wait for it.
                Err(Unsent::Unread | Unsent::Ended) => std::future::pending().await,
            }
            Ended::Answered(Err(silent()))
        };
        let mut client = self.client.clone();
        let answer = tokio::select! {
            answer = client.receive_file(call) => answer,
            ended = sending => return ended,
        };
        match answer {
            Ok(reply) => {
                failpoint::crash_here!("node::m2_finished");
                Ended::Answered(outcome(reply.into_inner()))
            }
            Err(status) if is_verdict(&status) => Ended::Answered(Err(self.failed(&status))),
            Err(status) => Ended::Broke(self.failed(&status)),
        }
    }

    /// Sends Open, all chunks and Finish. Where the copy can't be read, the stream
    /// ends without Finish, and nothing appears on the other node.
    async fn send_all(
        &self,
        send: &mpsc::Sender<v1::UploadPart>,
        mut offset: u64,
        progress: &AtomicU64,
    ) -> Result<(), Unsent> {
        let size = self.found.meta.size;
        put(send, Part::Open(self.open(offset))).await?;
        while offset < size {
            let length = CHUNK.min(usize::try_from(size - offset).unwrap_or(CHUNK));
            let chunk = self.read(offset, length).await.map_err(|failure| {
                tracing::warn!(%failure, "a copy that can't be read is not sent");
                Unsent::Unread
            })?;
            offset += length as u64;
            put(send, Part::Chunk(chunk)).await?;
            progress.store(offset, Ordering::Relaxed);
        }
        failpoint::crash_here!("node::m1_before_finish");
        put(send, Part::Finish(self.finish())).await
    }

    async fn read(&self, offset: u64, length: usize) -> Result<bytes::Bytes, Failure> {
        let file = Arc::clone(&self.found);
        let read = self.node.readers.call(move || file.read(offset, length));
        match tokio::time::timeout(READ, read).await {
            Ok(read) => read.unwrap_or_else(|| Err(gone())),
            Err(_) => Err(Failure::new(Fault::Io, "the disk does not answer")),
        }
    }

    fn open(&self, offset: u64) -> v1::Open {
        v1::Open {
            id: self.arrives.key.id.to_wire(),
            generation: self.arrives.key.generation,
            session: self.session,
            size: Some(self.found.meta.size),
            trace: self.trace,
            // Nothing needs to be kept of a smaller file.
            offset: (self.found.meta.size >= super::tries::WORTH).then_some(offset),
        }
    }

    fn finish(&self) -> v1::Finish {
        let mut meta = self.found.meta.clone();
        meta.key = self.arrives.key;
        v1::Finish {
            meta: Some(meta.to_wire(&self.arrives.name)),
        }
    }

    fn claim(&self) -> Claim {
        Claim {
            id: self.arrives.key.id.to_wire().to_vec(),
            generation: self.arrives.key.generation,
            session: self.session,
            ticket: self.ticket.clone(),
        }
    }

    /// How long the other node may take to make all durable.
    fn flush(&self) -> Duration {
        FLUSH + Duration::from_secs(self.found.meta.size / FLUSHED)
    }

    fn failed(&self, status: &Status) -> Failure {
        Failure::new(Fault::Io, format!("{}: {status}", self.target))
    }
}

fn silent() -> Failure {
    Failure::new(Fault::Io, "the other node does not answer")
}

async fn put(send: &mpsc::Sender<v1::UploadPart>, part: Part) -> Result<(), Unsent> {
    let part = v1::UploadPart { part: Some(part) };
    send.send_timeout(part, PATIENCE)
        .await
        .map_err(|error| match error {
            mpsc::error::SendTimeoutError::Closed(_) => Unsent::Ended,
            mpsc::error::SendTimeoutError::Timeout(_) => Unsent::Stalled,
        })
}

fn outcome(reply: v1::UploadReply) -> Result<u32, Failure> {
    use v1::upload_reply::Result as Outcome;
    match reply.result {
        Some(Outcome::Linked(linked)) => Ok(linked.leaf),
        Some(Outcome::Failure(failure)) => Err(of_other(failure)),
        None => Err(Failure::new(Fault::Io, "the other node's answer is empty")),
    }
}

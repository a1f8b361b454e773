//! A file with a stream of its own: Open, chunks, Finish.

use super::Trace;
use super::piece::Piece;
use crate::creates::{Finish, Stream};
use crate::disk::meta::{CopyKey, Meta};
use crate::disk::stage::Staged;
use crate::fault::Failure;
use crate::node::{Node, gone};
use crate::uploads::Opening;
use bytes::Bytes;
use proto::v1::upload_part::Part;
use proto::v1::{self, Fault};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tonic::Streaming;

/// Ends the create, unless it went on to its commit.
struct Guard<'a> {
    node: &'a Node,
    key: CopyKey,
    number: u64,
    armed: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.node.creates().end(self.key, self.number);
        }
    }
}

/// Serves one stream to its end, if its Open is admitted; returns the leaf.
pub(super) async fn serve(
    node: &Arc<Node>,
    mut parts: Streaming<v1::UploadPart>,
    idle: Duration,
    admits: impl FnOnce(&v1::Open) -> Result<(), Failure>,
) -> Result<u32, Failure> {
    let opening = match next(&mut parts, idle).await? {
        Part::Open(open) => {
            admits(&open)?;
            Opening::from_wire(Some(open))?
        }
        Part::Chunk(_) | Part::Finish(_) => return Err(Failure::invalid("open comes first")),
    };
    let trace = opening.trace;
    tracing::debug!(request = %Trace(trace), id = %opening.key.id, "upload");
    let stream = node.open_stream(&opening)?;
    let number = stream.number;
    let mut guard = Guard {
        node,
        key: opening.key,
        number,
        armed: true,
    };
    let (staged, finish) = receive(node, &opening, stream, &mut parts, idle).await?;
    let meta = finish
        .meta
        .ok_or_else(|| Failure::invalid("finish has no record"))?;
    let (name, meta) = Meta::from_wire(meta).map_err(Failure::invalid)?;
    if meta.key != opening.key {
        return Err(Failure::invalid("finish is of another copy than open"));
    }
    let (send, receive) = oneshot::channel();
    let finish = Finish {
        name,
        meta: Box::new(meta),
        begun: Instant::now(),
        done: Box::new(move |result| {
            // Nobody waits any more where the request was dropped.
            let _ = send.send(result);
        }),
    };
    {
        let mut creates = node.creates();
        if !creates.seal_stream(opening.key, number) {
            return Err(creates.why_gone(opening.key));
        }
    }
    // From here on the commit ends the create, even if the caller goes.
    guard.armed = false;
    node.finish_staged(number, staged, finish);
    let linked = receive.await.unwrap_or_else(|_| Err(gone()));
    if let Err(failure) = &linked {
        tracing::debug!(request = %Trace(trace), %failure, "upload failed");
    }
    linked
}

/// Takes the chunks, and writes each piece while the next one arrives. Where no further
/// part comes, what has come is put aside if its sender can resume.
async fn receive(
    node: &Arc<Node>,
    opening: &Opening,
    stream: Stream,
    parts: &mut Streaming<v1::UploadPart>,
    idle: Duration,
) -> Result<(Box<Staged>, v1::Finish), Failure> {
    let Stream {
        number,
        staged,
        stop,
    } = stream;
    let mut writer = match staged {
        Some(staged) => Writer::go_on(staged),
        None => Writer::begin(node, opening.size),
    };
    writer.begun().await?;
    let mut piece = Piece::default();
    let stopped = stop.cancelled();
    tokio::pin!(stopped);
    loop {
        let part = tokio::select! {
            part = next(parts, idle) => part,
            () = &mut stopped => Err(Failure::invalid("its sender has come anew")),
        };
        let part = match part {
            Err(failure) if opening.offset.is_some() => {
                writer.write(node, piece.end()).await?;
                let staged = writer.end().await?;
                node.creates().put_aside(opening.key, number, staged);
                return Err(failure);
            }
            part => part?,
        };
        match part {
            Part::Open(_) => return Err(Failure::invalid("open is sent once")),
            Part::Chunk(chunk) => {
                if let Some(full) = piece.push(chunk) {
                    writer.write(node, full).await?;
                    if !node.creates().touch(opening.key, number) {
                        return Err(node.creates().why_gone(opening.key));
                    }
                }
            }
            Part::Finish(finish) => {
                writer.write(node, piece.end()).await?;
                return Ok((writer.end().await?, finish));
            }
        }
    }
}

/// Writes pieces in their order, one at a time, on threads of the pool.
struct Writer {
    running: oneshot::Receiver<Result<Box<Staged>, Failure>>,
}

impl Writer {
    fn begin(node: &Arc<Node>, size: Option<u64>) -> Self {
        let worker = Arc::clone(node);
        Self::start(node, move || worker.disk.stage(size).map(Box::new))
    }

    fn start(
        node: &Arc<Node>,
        job: impl FnOnce() -> Result<Box<Staged>, Failure> + Send + 'static,
    ) -> Self {
        let (send, running) = oneshot::channel();
        node.writers.run(move || {
            // Nobody waits any more: the staged file is dropped with the result.
            let _ = send.send(job());
        });
        Self { running }
    }

    fn go_on(staged: Box<Staged>) -> Self {
        let (send, running) = oneshot::channel();
        // The receiver is held here.
        let _ = send.send(Ok(staged));
        Self { running }
    }

    /// Waits until the file is begun: a disk that refuses is reported before more
    /// bytes have come than the sender keeps.
    async fn begun(&mut self) -> Result<(), Failure> {
        let staged = (&mut self.running).await.unwrap_or_else(|_| Err(gone()))?;
        *self = Self::go_on(staged);
        Ok(())
    }

    /// Waits for the previous piece, and starts to write this one.
    async fn write(&mut self, node: &Arc<Node>, piece: Vec<Bytes>) -> Result<(), Failure> {
        let mut staged = (&mut self.running).await.unwrap_or_else(|_| Err(gone()))?;
        *self = Self::start(node, move || {
            staged.append(&piece)?;
            failpoint::crash_here!("node::u1_staged");
            Ok(staged)
        });
        Ok(())
    }

    async fn end(self) -> Result<Box<Staged>, Failure> {
        self.running.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn next(parts: &mut Streaming<v1::UploadPart>, idle: Duration) -> Result<Part, Failure> {
    let broken = |why: String| Failure::new(Fault::Invalid, why);
    let message = tokio::time::timeout(idle, parts.message())
        .await
        .map_err(|_| broken("nothing came for too long".to_owned()))?
        .map_err(|status| broken(format!("the stream broke off: {status}")))?;
    message
        .ok_or_else(|| broken("the stream ended before finish".to_owned()))?
        .part
        .ok_or_else(|| broken("a part without content".to_owned()))
}

//! The bytes of a large file, or of a large part, on their way from its node to a
//! client. A task passes them on: it continues where a stream broke off, and gives the
//! stream back while the client takes nothing, so that neither costs others anything.

use super::{Body, Found, ReadError};
use crate::nodes::{CallError, Node, Parts, home_ref};
use crate::waiters::Waiters;
use crate::world::World;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use futures::StreamExt;
use messages::v1::{Fault, ReadRequest};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// How long a node may leave a download without a byte.
const STALL: Duration = Duration::from_secs(30);
/// How long a download that broke off is tried again without receiving another byte.
const RESUME: Duration = Duration::from_secs(20);
/// The first pause before that; each further one is twice as long, up to a second.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a client may take no byte before the stream from its file's node is given
/// back; it is opened anew when the client goes on.
const STANDS_STILL: Duration = Duration::from_secs(5);
/// How long the end of a stream may take to follow its last byte.
const TRAILERS: Duration = Duration::from_secs(2);

/// Which bytes are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Of a whole file: its checksum.
    pub(super) crc64: Option<u64>,
}

/// An open stream and the node that it comes from.
struct Source {
    world: World,
    node: Arc<Node>,
    parts: Parts,
    _place: OwnedSemaphorePermit,
}

/// Opens the stream. Its first part shows whether the node holds the copy, while the
/// client can still get an error instead.
///
/// # Errors
/// When the node denies the copy, or does not answer.
pub(super) async fn read(
    found: &Found,
    node: Arc<Node>,
    wanted: Wanted,
) -> Result<Body, CallError> {
    let mut source = open(found, node, wanted.offset, wanted.length).await?;
    let first = source.next().await?;
    // If the first part is the whole file, it is checked while the client can still get
    // an error.
    let wrong = |crc| crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &first) != crc;
    if first.len() as u64 == wanted.length && wanted.crc64.is_some_and(wrong) {
        super::suspect(&found.core, source.node.clone(), &found.record);
        let why = "the bytes fail their checksum".to_owned();
        return Err(CallError::Fault(Fault::Checksum, why));
    }
    let (send, receive) = mpsc::channel(1);
    let way = Way {
        found: found.clone(),
        at: wanted.offset,
        end: wanted.offset + wanted.length,
        crc: Crc::new(CrcAlgorithm::Crc64Nvme),
        wanted,
        source: Some(source),
    };
    found.core.world.spawn(way.run(first, send));
    Ok(ReceiverStream::new(receive).boxed())
}

async fn open(
    found: &Found,
    node: Arc<Node>,
    offset: u64,
    length: u64,
) -> Result<Source, CallError> {
    let read = ReadRequest {
        copy: Some(home_ref(&found.record)),
        offset,
        length,
        trace: found.trace.0,
    };
    let place = found.shares.enter(&node.id, &Waiters::UNBOUNDED).await?;
    let parts = node.link.download(found.shares.client(), read).await?;
    Ok(Source {
        world: found.core.world.clone(),
        node,
        parts,
        _place: place,
    })
}

impl Source {
    async fn next(&mut self) -> Result<Bytes, CallError> {
        tokio::select! {
            biased;
            () = self.node.closed.cancelled() => {
                Err(CallError::Lost("the node has left".to_owned()))
            }
            part = self.world.timeout(STALL, self.parts.next()) => match part {
                Ok(Some(part)) => part,
                Ok(None) => {
                    Err(CallError::Fault(Fault::Checksum, "the file is short".to_owned()))
                }
                Err(_) => Err(CallError::Lost(format!("no bytes within {STALL:?}"))),
            },
        }
    }

    /// Reads on to the end of the stream: to drop it earlier would reset it.
    async fn end(mut self) {
        // A node that sends more, or nothing, is not waited for any longer.
        let _ = self.world.timeout(TRAILERS, self.parts.next()).await;
    }
}

/// What is still to come.
struct Way {
    found: Found,
    wanted: Wanted,
    at: u64,
    end: u64,
    crc: Crc,
    source: Option<Source>,
}

impl Way {
    async fn run(mut self, first: Bytes, send: mpsc::Sender<io::Result<Bytes>>) {
        let mut next = Ok(first);
        loop {
            let checked = next.and_then(|part| self.check(part));
            let failed = checked.is_err();
            if failed {
                // The head and what was read go out first: the client has an answer,
                // and sees it break off.
                self.found.core.world.sleep(PAUSE).await;
            }
            match self.place(&send).await {
                Some(place) => place.send(checked),
                // The client has gone.
                None => return,
            }
            if failed {
                return;
            }
            if self.at == self.end {
                if let Some(source) = self.source.take() {
                    source.end().await;
                }
                return;
            }
            next = tokio::select! {
                biased;
                () = send.closed() => return,
                next = self.next() => next,
            };
        }
    }

    /// Counts a part in. Invariant 3: the last bytes of a corrupt file never leave.
    fn check(&mut self, part: Bytes) -> io::Result<Bytes> {
        if part.len() as u64 > self.end - self.at {
            return Err(io::Error::other("the node sent more than was asked for"));
        }
        self.at += part.len() as u64;
        if let Some(expected) = self.wanted.crc64 {
            self.crc.update(&part);
            if self.at == self.end && self.crc.finalize() != expected {
                if let Some(source) = &self.source {
                    super::suspect(&self.found.core, source.node.clone(), &self.found.record);
                }
                return Err(io::Error::other("the bytes fail their checksum"));
            }
        }
        Ok(part)
    }

    /// Waits until the client takes another part. None once it has gone.
    async fn place<'a>(
        &mut self,
        send: &'a mpsc::Sender<io::Result<Bytes>>,
    ) -> Option<mpsc::Permit<'a, io::Result<Bytes>>> {
        match self
            .found
            .core
            .world
            .timeout(STANDS_STILL, send.reserve())
            .await
        {
            Ok(place) => place.ok(),
            Err(_) => {
                // Invariant 9; the place among the node's streams goes to clients that read.
                self.source = None;
                send.reserve().await.ok()
            }
        }
    }

    /// The next part. Where the last stream broke off or was given back, a new one is
    /// opened at the offset reached.
    async fn next(&mut self) -> io::Result<Bytes> {
        let world = self.found.core.world.clone();
        let until = world.now() + RESUME;
        let mut pause = PAUSE;
        loop {
            let error = match self.try_next().await {
                Ok(part) => return Ok(part),
                Err(error) => error,
            };
            self.source = None;
            if world.now() + pause >= until {
                return Err(io::Error::other(error));
            }
            match error {
                CallError::Lost(_) | CallError::NotSent(_) | CallError::Fault(Fault::Busy, _) => {}
                // A record that moved on is followed (rule 8), to the same id (rule 12).
                CallError::Fault(..) => self.found.look_again(error).await.map_err(broken)?,
            }
            tracing::debug!(request = %self.found.trace, at = self.at, "a download goes on anew");
            world.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_next(&mut self) -> Result<Bytes, CallError> {
        let source = match &mut self.source {
            Some(source) => source,
            None => {
                let node = self.found.core.nodes.reach(&self.found.record.node)?;
                let left = self.end - self.at;
                let source = open(&self.found, node, self.at, left).await?;
                self.source.insert(source)
            }
        };
        source.next().await
    }
}

fn broken(error: ReadError) -> io::Error {
    match error {
        ReadError::Superseded => io::Error::other("the file was deleted"),
        ReadError::Failed(failure) => io::Error::other(failure),
    }
}

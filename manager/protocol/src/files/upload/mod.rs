//! The way of an upload: bytes flow to a node while nothing is promised, then
//! the name is reserved, then the node is permitted to link, then the record
//! is committed (rule 6). Here: the bytes.

mod budget;
mod commit;
mod received;
mod reserve;
mod stream;

pub use commit::Stored;
pub use received::Received;

use crate::core::Core;
use crate::failure::Failure;
use crate::nodes::{CallError, Share};
use crate::store::State;
use crate::trace::Trace;
use crate::waiters::Waiters;
use budget::Room;
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use messages::{Budget, Code, FaultMeaning, FileId, FileName, NodeId, SMALL};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The generation of an upload's copy on the first node it is listed on.
const FIRST_GENERATION: u32 = 1;
/// How long a node may take to make a large file durable.
const FINISH: Duration = Duration::from_secs(120);
/// How long a node may take to accept a part, and how long its disk may be silent.
const PART: Duration = Duration::from_secs(30);
/// How long a stream that has broken may take to say why.
const WHY: Duration = Duration::from_secs(2);
/// Bytes of a body that are kept until its end, so that another node can be tried.
const KEPT: usize = 512 * 1024;
/// Uploads that may keep their bytes at once.
static KEEPING: Semaphore = Semaphore::const_new(128);
/// Nodes that one upload is tried on, as long as its bytes are kept.
const TRIES: usize = 4;

/// What a client says of its file beside the bytes.
#[derive(Debug, Clone)]
pub struct UploadMeta {
    /// The name.
    pub name: FileName,
    /// The content type given.
    pub content_type: Option<String>,
    /// The `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// For whom it counts.
    pub budget: Option<Budget>,
}

/// An upload whose bytes are arriving.
pub struct Upload {
    core: Arc<Core>,
    trace: Trace,
    /// The client's share of each node's streams for uploads.
    share: Share,
    id: FileId,
    size_hint: Option<u64>,
    size: u64,
    sha256: Sha256,
    crc64: Crc,
    small: BytesMut,
    /// Where a body that is no longer small flows to.
    stream: Option<Stream>,
    kept: Kept,
    /// Nodes that failed it.
    tried: Vec<NodeId>,
    /// What there is room for, where that is bounded.
    room: Option<Room>,
}

/// All bytes of a body so far, while they are few and there is room to keep them. They
/// are copied, since each piece of a body holds a permit that the next piece waits for.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    place: Option<SemaphorePermit<'static>>,
}

impl Kept {
    /// Keeps the bytes of a body, whose size may be known, unless too many uploads keep
    /// theirs already. The memory is allocated at once: a growing buffer would be
    /// copied over and over.
    fn begin(size: Option<u64>) -> Self {
        let Ok(place) = KEEPING.try_acquire() else {
            return Self::default();
        };
        let room = size.map_or(KEPT, |size| usize::try_from(size).unwrap_or(KEPT));
        Self {
            bytes: Vec::with_capacity(room.min(KEPT)),
            place: Some(place),
        }
    }

    fn push(&mut self, part: &[u8]) {
        if self.bytes.len() + part.len() > KEPT {
            *self = Self::default();
        }
        if self.is_whole() {
            self.bytes.extend_from_slice(part);
        }
    }

    /// Whether every byte so far is kept.
    fn is_whole(&self) -> bool {
        self.place.is_some()
    }

    /// The bytes, where every one is kept.
    fn all(&self) -> Option<Bytes> {
        self.is_whole().then(|| Bytes::copy_from_slice(&self.bytes))
    }
}

impl Upload {
    /// Begins an upload of a size that may be known.
    pub fn begin(core: &Arc<Core>, trace: Trace, share: Share, size_hint: Option<u64>) -> Self {
        Self {
            core: core.clone(),
            trace,
            share,
            id: core.world.file_id(),
            size_hint,
            size: 0,
            sha256: Sha256::new(),
            crc64: Crc::new(CrcAlgorithm::Crc64Nvme),
            small: BytesMut::new(),
            stream: None,
            kept: Kept::default(),
            tried: Vec::new(),
            room: None,
        }
    }

    /// Called as soon as the name is known: a name in use is refused before its bytes
    /// are sent, unless a key may turn the upload into a repetition.
    ///
    /// # Errors
    /// Code 3, or the store's failure.
    pub async fn name(&self, name: &FileName, has_key: bool) -> Result<(), Failure> {
        if has_key {
            return Ok(());
        }
        if self.is_small() {
            return Ok(());
        }
        match self.core.store.get(name).await? {
            Some(record) if matches!(record.state, State::Stored | State::Moving) => {
                Err(Failure::new(Code::FileNameExists))
            }
            _ => Ok(()),
        }
    }

    /// Whether its body costs less than another read of the store: the reservation finds
    /// out.
    fn is_small(&self) -> bool {
        self.size_hint.is_some_and(|size| size <= SMALL as u64)
    }

    /// Takes in bytes of the file.
    ///
    /// # Errors
    /// When no node can take them.
    pub async fn push(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.size += bytes.len() as u64;
        self.has_room(self.size).await?;
        self.sha256.update(&bytes);
        self.crc64.update(&bytes);
        if self.stream.is_none() {
            if self.small.len() + bytes.len() <= SMALL {
                self.small.extend_from_slice(&bytes);
                return Ok(());
            }
            let small = self.small.split().freeze();
            self.kept = Kept::begin(self.size_hint);
            self.stream = Some(self.open_stream().await?);
            self.send(small).await?;
        }
        self.send(bytes).await
    }

    async fn open_stream(&self) -> Result<Stream, Failure> {
        let placement = self.core.nodes.place(self.size_hint, &self.tried)?;
        Stream::open(
            &self.core.world,
            &self.share,
            placement,
            self.id,
            FIRST_GENERATION,
            self.size_hint,
            self.trace,
        )
        .await
    }

    /// Sends bytes on; where the node fails, all of them go to the next one as
    /// long as they are kept: nothing can be linked before Finish (rule 6).
    async fn send(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        self.kept.push(&bytes);
        let spare = self.kept.is_whole();
        let mut sent = stream.send(bytes, spare).await;
        while let Err(failure) = &sent {
            let failure = failure.clone();
            let Some(stream) = self.stream.take() else {
                return Err(failure);
            };
            self.tried.push(stream.placement.node.id.clone());
            drop(stream);
            let Some(all) = self.kept.all().filter(|_| self.tried.len() < TRIES) else {
                return Err(failure);
            };
            tracing::warn!(request = %self.trace, %failure, "an upload goes to another node");
            let Ok(mut next) = self.open_stream().await else {
                return Err(failure);
            };
            sent = next.send(all, true).await;
            self.stream = Some(next);
        }
        Ok(())
    }

    /// The body has ended.
    pub fn end(mut self) -> Received {
        Received {
            core: self.core,
            trace: self.trace,
            // Its body was read, so that nothing of it is in a window any more.
            share: Share {
                waiters: Waiters::UNBOUNDED,
                ..self.share
            },
            id: self.id,
            bytes: self.small.split().freeze(),
            stream: self.stream.take(),
            kept: self.kept,
            tried: self.tried,
            size: self.size,
            sha256: self.sha256.finalize().into(),
            crc64: self.crc64.finalize(),
        }
    }
}

/// The client's error for a node's refusal. A transport that broke is no refusal: it is
/// never answered as one, least of all with 429.
fn refusal(error: &CallError) -> Failure {
    match error {
        CallError::Fault(fault, why) => Failure::new(FaultMeaning::of(*fault).upload).because(why),
        CallError::NotSent(why) | CallError::Lost(why) => {
            Failure::new(Code::ServersUnavailable).because(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_kept_whole_or_not_at_all_and_gives_its_place_back() {
        let places = KEEPING.available_permits();
        let mut kept = Kept::begin(None);
        for _ in 0..KEPT / 1024 {
            kept.push(&[7; 1024]);
        }
        assert_eq!(kept.all().map(|all| all.len()), Some(KEPT));
        assert_eq!(KEEPING.available_permits(), places - 1);
        kept.push(b"x");
        assert_eq!((kept.all(), kept.bytes.capacity()), (None, 0));
        assert_eq!(KEEPING.available_permits(), places);
        kept.push(b"what comes after it is not taken for all");
        assert_eq!(kept.all(), None);
    }
}

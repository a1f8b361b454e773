//! The way of an upload: bytes flow to a node while nothing is promised, then
//! the name is reserved, then the node is permitted to link, then the record
//! is committed (rule 6). Here: the bytes.

mod commit;
mod reserve;

pub(crate) use commit::{Received, Stored};

use crate::core::Core;
use crate::failure::Failure;
use crate::nodes::{CallError, Placement};
use crate::trace::Trace;
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use manager_store::State;
use proto::v1::{Fault, Open, UploadPart, upload_part};
use proto::{CHUNK, Code, FileId, FileName, SMALL};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The generation of an upload's copy on the first node it is listed on.
const FIRST_GENERATION: u32 = 1;
/// How long a node may take to take in a part, or to make a large file durable.
const FINISH: Duration = Duration::from_secs(120);

/// What a client says of its file beside the bytes.
#[derive(Debug, Clone)]
pub(crate) struct UploadMeta {
    /// The name.
    pub name: FileName,
    /// The content type given.
    pub content_type: Option<String>,
    /// The `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// An upload whose bytes are arriving.
pub(crate) struct Upload {
    core: Arc<Core>,
    trace: Trace,
    id: FileId,
    size_hint: Option<u64>,
    size: u64,
    sha256: Sha256,
    crc64: Crc,
    small: BytesMut,
    /// Where a body that is no longer small flows to.
    stream: Option<Stream>,
}

struct Stream {
    placement: Placement,
    parts: mpsc::Sender<UploadPart>,
    outcome: JoinHandle<Result<u32, CallError>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A stream that ends without its Finish leaves nothing on the node.
        self.outcome.abort();
    }
}

impl Upload {
    /// Begins an upload of a size that may be known.
    pub(crate) fn begin(core: &Arc<Core>, trace: Trace, size_hint: Option<u64>) -> Self {
        Self {
            core: core.clone(),
            trace,
            id: FileId::random(),
            size_hint,
            size: 0,
            sha256: Sha256::new(),
            crc64: Crc::new(CrcAlgorithm::Crc64Nvme),
            small: BytesMut::new(),
            stream: None,
        }
    }

    /// Tells the name as soon as it is known: a name in use is refused before
    /// its bytes are sent, unless a key may turn it into a repetition.
    ///
    /// # Errors
    /// Code 3, or the store's failure.
    pub(crate) async fn name(&self, name: &FileName, has_key: bool) -> Result<(), Failure> {
        if has_key {
            return Ok(());
        }
        // A small body costs less than another look-up: the reservation tells.
        if self.size_hint.is_some_and(|size| size <= SMALL as u64) {
            return Ok(());
        }
        match self.core.store.get(name).await? {
            Some(record) if matches!(record.state, State::Stored | State::Moving) => {
                Err(Failure::new(Code::FileNameExists))
            }
            _ => Ok(()),
        }
    }

    /// Takes in bytes of the file.
    ///
    /// # Errors
    /// When no node can take them.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.size += bytes.len() as u64;
        self.sha256.update(&bytes);
        self.crc64.update(&bytes);
        if self.stream.is_none() {
            if self.small.len() + bytes.len() <= SMALL {
                self.small.extend_from_slice(&bytes);
                return Ok(());
            }
            self.stream = Some(self.open_stream().await?);
            let small = self.small.split().freeze();
            self.send(small).await?;
        }
        self.send(bytes).await
    }

    async fn open_stream(&self) -> Result<Stream, Failure> {
        let placement = self.core.nodes.place(self.size_hint, &[])?;
        let (parts, outcome) = placement.node.link.upload();
        let open = Open {
            id: self.id.to_wire(),
            generation: FIRST_GENERATION,
            session: placement.session,
            size: self.size_hint,
            trace: self.trace.0,
        };
        let mut stream = Stream {
            placement,
            parts,
            outcome,
        };
        let part = UploadPart {
            part: Some(upload_part::Part::Open(open)),
        };
        if stream.parts.send(part).await.is_err() {
            return Err(stream_failure(&mut stream).await);
        }
        Ok(stream)
    }

    async fn send(&mut self, mut bytes: Bytes) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(CHUNK));
            let part = UploadPart {
                part: Some(upload_part::Part::Chunk(chunk)),
            };
            let sent = tokio::time::timeout(FINISH, stream.parts.send(part)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return Err(stream_failure(stream).await);
            }
        }
        Ok(())
    }

    /// The body has ended.
    pub(crate) fn end(mut self) -> Received {
        Received {
            core: self.core,
            trace: self.trace,
            id: self.id,
            bytes: self.small.split().freeze(),
            stream: self.stream.take(),
            size: self.size,
            sha256: self.sha256.finalize().into(),
            crc64: self.crc64.finalize(),
        }
    }
}

/// What a stream that broke before its Finish says to the client.
async fn stream_failure(stream: &mut Stream) -> Failure {
    match (&mut stream.outcome).await {
        Ok(Err(error @ CallError::Fault(..))) => refusal(&error),
        Ok(Ok(_)) | Ok(Err(CallError::Lost(_) | CallError::NotSent(_))) | Err(_) => {
            Failure::new(Code::ServersUnavailable).because("the node that received the file left")
        }
    }
}

/// What a node's refusal says to the client. A transport that broke is no refusal:
/// it is never answered as one, 429 least of all.
fn refusal(error: &CallError) -> Failure {
    match error {
        CallError::Fault(fault, message) => fault_failure(*fault, message),
        CallError::NotSent(why) | CallError::Lost(why) => {
            Failure::new(Code::ServersUnavailable).because(why)
        }
    }
}

fn fault_failure(fault: Fault, message: &str) -> Failure {
    let code = match fault {
        Fault::NoSpace => Code::InsufficientStorage,
        Fault::Busy => Code::TooManyRequests,
        Fault::Invalid => Code::Internal,
        Fault::Unspecified
        | Fault::WrongSession
        | Fault::Sealed
        | Fault::ReadOnly
        | Fault::NotFound
        | Fault::Tombstone
        | Fault::Checksum
        | Fault::StaleLeader
        | Fault::Io => Code::ServersUnavailable,
    };
    Failure::new(code).because(message)
}

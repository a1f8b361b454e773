//! A simulated node's streams: files that come in parts, files that go out in parts, and
//! what it holds.

use super::creates::fault;
use super::tree::CopyKey;
use super::verbs::malformed;
use super::{Life, MemoryNode};
use crate::nodes::CallError;
use crate::world::World;
use bytes::{Bytes, BytesMut};
use messages::CHUNK;
use messages::v1::upload_part::Part;
use messages::v1::{Fault, Finish, InventoryBatch, Open, ReadRequest, UploadPart};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a stream may bring nothing.
const IDLE: Duration = Duration::from_secs(60);
/// How long a part takes to be written, or read.
const PART: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(20));
/// Entries of one message.
const BATCH: usize = 2;

/// Parts on their way to whoever asked for them.
pub(in crate::sim) type Out<T> = mpsc::Sender<Result<T, CallError>>;

/// A stream that comes in, until it breaks off.
struct Incoming {
    parts: mpsc::Receiver<UploadPart>,
    ends: CancellationToken,
}

impl MemoryNode {
    /// Takes a file that comes in parts: Open, chunks, Finish. One that ends before its
    /// Finish leaves nothing (rule 6); from then on it goes on, whoever has gone.
    pub(in crate::sim) async fn receive(
        &self,
        parts: mpsc::Receiver<UploadPart>,
        ends: CancellationToken,
        admits: impl Fn(&Open) -> bool,
    ) -> Result<u32, CallError> {
        let life = self.life();
        let mut parts = Incoming { parts, ends };
        let Part::Open(open) = self.next(life, &mut parts).await? else {
            return Err(fault(Fault::Invalid, "open comes first"));
        };
        if !admits(&open) {
            return Err(fault(Fault::Invalid, "the ticket is for another copy"));
        }
        let key = CopyKey::new(&open.id, open.generation).ok_or_else(malformed)?;
        let now = self.world.elapsed();
        let opened = self.state.lock().creates.open(key, open.session, now);
        let number = opened?;
        let received = self.take_in(life, key, number, &mut parts).await;
        let (bytes, finish) = match received {
            Ok(received) => received,
            Err(error) => {
                self.state.lock().creates.end(key, number);
                return Err(error);
            }
        };
        let meta = finish.meta.ok_or_else(malformed)?;
        self.seal_and_commit(life, key, number, meta, bytes).await
    }

    async fn take_in(
        &self,
        life: Life,
        key: CopyKey,
        number: u64,
        parts: &mut Incoming,
    ) -> Result<(Bytes, Finish), CallError> {
        let mut bytes = BytesMut::new();
        loop {
            let part = self.next(life, parts).await?;
            let now = self.world.elapsed();
            let mut state = self.state.lock();
            match part {
                Part::Open(_) => return Err(fault(Fault::Invalid, "open is sent once")),
                Part::Chunk(chunk) if state.creates.touch(key, number, now) => {
                    bytes.extend_from_slice(&chunk);
                }
                Part::Finish(finish) if state.creates.seal_stream(key, number) => {
                    return Ok((bytes.freeze(), finish));
                }
                Part::Chunk(_) | Part::Finish(_) => return Err(state.creates.why_gone(key)),
            }
        }
    }

    /// The next part, once it is written.
    async fn next(&self, life: Life, parts: &mut Incoming) -> Result<Part, CallError> {
        let broke = || CallError::Lost("the stream broke off".to_owned());
        let world = World::new(self.world.clone());
        let next = parts.ends.run_until_cancelled(parts.parts.recv());
        let part = world.timeout(IDLE, next).await;
        let part = part.map_err(|_| fault(Fault::Invalid, "nothing came for too long"))?;
        let part = part.ok_or_else(broke)?;
        let ended = || fault(Fault::Invalid, "the stream ended before finish");
        self.world.pause(PART.0, PART.1).await;
        self.lives(life)?;
        part.ok_or_else(ended)?.part.ok_or_else(malformed)
    }

    /// Sends a range in parts. What was opened is read to its end, even where the file is
    /// deleted meanwhile.
    pub(in crate::sim) async fn download(
        self: Arc<Self>,
        life: Life,
        mut bytes: Bytes,
        out: Out<Bytes>,
    ) {
        while !bytes.is_empty() {
            self.world.pause(PART.0, PART.1).await;
            let reached = self.lives(life).and_then(|()| self.reach());
            let part = bytes.split_to(bytes.len().min(CHUNK));
            let failed = reached.is_err();
            if out.send(reached.map(|()| part)).await.is_err() || failed {
                return;
            }
        }
    }

    /// Opens a range for a download.
    pub(in crate::sim) fn open_range(
        &self,
        read: &ReadRequest,
    ) -> Result<(Life, Bytes), CallError> {
        Ok((self.life(), self.range(read)?))
    }

    /// Sends what it holds, as it is when each batch is read.
    pub(in crate::sim) async fn inventory(
        self: Arc<Self>,
        life: Life,
        quarantine: bool,
        from: u32,
        out: Out<InventoryBatch>,
    ) {
        let leaves: Vec<u32> = {
            let state = self.state.lock();
            let listed = state.trees.listed(quarantine, from);
            listed.iter().map(|entry| entry.leaf).collect()
        };
        for some in leaves.chunks(BATCH) {
            self.world.pause(PART.0, PART.1).await;
            let reached = self.lives(life).and_then(|()| self.reach());
            let (Some(first), Some(last)) = (some.first(), some.last()) else {
                return;
            };
            let entries = {
                let state = self.state.lock();
                let mut listed = state.trees.listed(quarantine, *first);
                listed.retain(|entry| entry.leaf <= *last);
                listed
            };
            let failed = reached.is_err();
            let batch = reached.map(|()| InventoryBatch { entries });
            if out.send(batch).await.is_err() || failed {
                return;
            }
        }
    }
}

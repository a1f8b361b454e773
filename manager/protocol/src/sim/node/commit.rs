//! A simulated node's committer: changes of the trees one after the other, in the order in
//! which they were asked for, each flushed before it is seen and answered (rules 5 and 14).

use super::creates::fault;
use super::tree::{CopyKey, Held, Op};
use super::{Life, MemoryNode};
use crate::nodes::CallError;
use bytes::Bytes;
use messages::v1::{Fault, FileMeta};
use names::FileName;
use std::time::Duration;

/// How long a flush takes.
const FLUSH: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(10));

/// The committer's queue: its lock is given in the order in which it was asked for.
#[derive(Default)]
pub(super) struct Committer(tokio::sync::Mutex<()>);

impl MemoryNode {
    /// Makes a change, after all that were asked for before it. It is in the queue once this
    /// was polled, so that a caller which has just decided can't be overtaken.
    ///
    /// # Errors
    /// `Lost` where the node is killed first.
    pub(super) async fn commit(&self, life: Life, op: Op) -> Result<Option<u32>, CallError> {
        let committer = self.state.lock().committer.clone();
        let _turn = committer.0.lock().await;
        self.lives(life)?;
        self.state.lock().unflushed = Some(op.clone());
        self.world.pause(FLUSH.0, FLUSH.1).await;
        self.lives(life)?;
        let mut state = self.state.lock();
        state.unflushed = None;
        Ok(state.trees.apply(op))
    }

    /// Flushes a file whose create is sealing, and links it unless its create was ended.
    ///
    /// # Errors
    /// By rule 3, where a delete came first, or `Lost`.
    pub(super) async fn seal_and_commit(
        &self,
        life: Life,
        key: CopyKey,
        number: u64,
        meta: FileMeta,
        bytes: Bytes,
    ) -> Result<u32, CallError> {
        let linked = self.try_to_link(life, key, number, meta, bytes).await;
        self.state.lock().creates.end(key, number);
        linked?.ok_or_else(|| fault(Fault::Io, "the file was not linked"))
    }

    async fn try_to_link(
        &self,
        life: Life,
        key: CopyKey,
        number: u64,
        meta: FileMeta,
        bytes: Bytes,
    ) -> Result<Option<u32>, CallError> {
        let held = sealed(meta, bytes)?;
        self.world.pause(FLUSH.0, FLUSH.1).await;
        self.lives(life)?;
        {
            let mut state = self.state.lock();
            let highest = state.identity.generation.max(key.generation);
            state.identity.generation = highest;
            if !state.creates.commit(key, number) {
                return Err(state.creates.why_gone(key));
            }
        }
        // Nothing was waited for since, so that a later delete queues behind it.
        self.commit(life, Op::Link(key, Box::new(held))).await
    }
}

/// The file that a record and bytes make.
fn sealed(meta: FileMeta, bytes: Bytes) -> Result<Held, CallError> {
    let name = FileName::new(&meta.name);
    let name = name.map_err(|_| fault(Fault::Invalid, "no such name"))?;
    let held = Held::new(name, meta, bytes);
    match held.is_sound() {
        true => Ok(held),
        false => Err(fault(
            Fault::Checksum,
            "the bytes are not those of the record",
        )),
    }
}

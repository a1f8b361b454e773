//! What a simulated node is asked in one message, as the real node's exchange and its
//! short calls answer it.

use super::creates::fault;
use super::tree::{CopyKey, Held, Op};
use super::{Life, MemoryNode};
use crate::nodes::CallError;
use bytes::Bytes;
use messages::SMALL;
use messages::v1::{
    CopyRef, CopyState, DeleteRequest, Fault, FileMeta, Open, QuarantineRequest, ReadRequest,
    SealReply,
};

impl MemoryNode {
    /// A create that comes as one message.
    pub(in crate::sim) fn stage(&self, open: &Open, bytes: Bytes) {
        let now = self.world.elapsed();
        // One that makes no sense is dropped: its Finish finds no create.
        if let Some(key) = CopyKey::new(&open.id, open.generation) {
            let mut state = self.state.lock();
            state.creates.stage(key, open.session, bytes, now);
        }
    }

    /// Permits the link of a staged file (rule 6).
    pub(in crate::sim) async fn finish(&self, meta: FileMeta) -> Result<u32, CallError> {
        let life = self.life();
        let key = CopyKey::new(&meta.id, meta.generation).ok_or_else(malformed)?;
        let staged = self.state.lock().creates.finish(key);
        let (number, bytes) = staged?;
        self.seal_and_commit(life, key, number, meta, bytes).await
    }

    /// Drops a staged file, unless its link has begun.
    pub(in crate::sim) fn abort(&self, id: &[u8], generation: u32) {
        if let Some(key) = CopyKey::new(id, generation) {
            self.state.lock().creates.abort(key);
        }
    }

    /// Reads a range that fits into one message.
    pub(in crate::sim) fn read(&self, read: &ReadRequest) -> Result<Bytes, CallError> {
        let bytes = self.range(read)?;
        match bytes.len() <= SMALL {
            true => Ok(bytes),
            false => Err(fault(Fault::Invalid, "too much for one message")),
        }
    }

    /// The bytes of a range of a copy that may be served.
    pub(super) fn range(&self, read: &ReadRequest) -> Result<Bytes, CallError> {
        let held = self.served(read.copy.as_ref())?;
        let size = held.bytes.len() as u64;
        let end = read.offset.saturating_add(read.length);
        if end > size {
            return Err(fault(Fault::Invalid, "the range is beyond the end"));
        }
        let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        Ok(held.bytes.slice(at(read.offset)..at(end)))
    }

    /// A copy as it may be served: there, and not known to be corrupt.
    pub(super) fn served(&self, copy: Option<&CopyRef>) -> Result<Held, CallError> {
        let copy = copy.ok_or_else(malformed)?;
        let key = CopyKey::of(copy).ok_or_else(malformed)?;
        let held = self.find(copy)?;
        let held = held.ok_or_else(|| fault(Fault::NotFound, "the node does not hold it"))?;
        match self.state.lock().trees.is_intact(key) {
            true => Ok(held),
            false => Err(fault(Fault::Checksum, "the copy is corrupt")),
        }
    }

    fn find(&self, copy: &CopyRef) -> Result<Option<Held>, CallError> {
        let key = CopyKey::of(copy).ok_or_else(malformed)?;
        Ok(self.state.lock().trees.find(key, &copy.name).cloned())
    }

    /// What it holds of a copy. A denial comes only once all that was asked before is
    /// durable (rule 5).
    pub(in crate::sim) async fn stat(&self, copy: CopyRef) -> Result<CopyState, CallError> {
        let life = self.life();
        let state = self.look(&copy)?;
        if state.held {
            return Ok(state);
        }
        self.commit(life, Op::Barrier).await?;
        self.look(&copy)
    }

    fn look(&self, copy: &CopyRef) -> Result<CopyState, CallError> {
        let key = CopyKey::of(copy).ok_or_else(malformed)?;
        let mut state = self.state.lock();
        let Some(held) = state.trees.find(key, &copy.name) else {
            return Ok(CopyState {
                underway: state.creates.is_finishing(key),
                ..CopyState::default()
            });
        };
        let (leaf, meta) = (held.leaf, held.meta.clone());
        Ok(CopyState {
            held: true,
            leaf,
            meta: Some(meta),
            underway: false,
            corrupt: !state.trees.is_intact(key),
        })
    }

    /// What it holds of many copies.
    pub(in crate::sim) async fn inspect(
        &self,
        copies: Vec<CopyRef>,
    ) -> Result<Vec<CopyState>, CallError> {
        let life = self.life();
        let look = || copies.iter().map(|copy| self.look(copy)).collect();
        let states: Result<Vec<_>, _> = look();
        if states
            .as_ref()
            .is_ok_and(|all| all.iter().all(|state| state.held))
        {
            return states;
        }
        self.commit(life, Op::Barrier).await?;
        look()
    }

    /// Removes exactly that copy, or only refuses it from now on (rules 3 and 17); whether
    /// it was there.
    pub(in crate::sim) async fn delete(&self, delete: DeleteRequest) -> Result<bool, CallError> {
        let life = self.life();
        let copy = delete.copy.as_ref().ok_or_else(malformed)?;
        let key = CopyKey::of(copy).ok_or_else(malformed)?;
        let next = super::session(&self.world);
        self.state.lock().creates.doom(key, delete.session, next);
        // Nothing was waited for since: a create that the committer has is linked first.
        if delete.refuse_only {
            self.commit(life, Op::Barrier).await?;
            return Ok(self.find(copy)?.is_some());
        }
        Ok(self.commit(life, Op::Remove(key)).await?.is_some())
    }

    /// Refuses a leader below the highest that was seen (rule 10).
    pub(super) fn obey(&self, leader: u64) -> Result<(), CallError> {
        let mut state = self.state.lock();
        if leader < state.identity.leader {
            return Err(fault(Fault::StaleLeader, "a later leader was obeyed"));
        }
        state.identity.leader = leader;
        Ok(())
    }

    fn ordered(&self, request: &QuarantineRequest) -> Result<(Life, CopyKey), CallError> {
        self.obey(request.leader)?;
        let key = request.copy.as_ref().and_then(CopyKey::of);
        Ok((self.life(), key.ok_or_else(malformed)?))
    }

    /// Moves a copy into quarantine; whether it was there.
    pub(in crate::sim) async fn quarantine(
        &self,
        request: QuarantineRequest,
    ) -> Result<bool, CallError> {
        let (life, key) = self.ordered(&request)?;
        let moved = self
            .commit(life, Op::Quarantine(key, request.reason))
            .await?;
        Ok(moved.is_some())
    }

    /// Moves a copy back from quarantine, unless a delete of it came first.
    pub(in crate::sim) async fn adopt(
        &self,
        request: QuarantineRequest,
    ) -> Result<Option<u32>, CallError> {
        let (life, key) = self.ordered(&request)?;
        self.state.lock().creates.may_adopt(key, request.session)?;
        self.commit(life, Op::Adopt(key)).await
    }

    /// Removes a copy from quarantine; whether it was there.
    pub(in crate::sim) async fn discard(
        &self,
        request: QuarantineRequest,
    ) -> Result<bool, CallError> {
        let (life, key) = self.ordered(&request)?;
        Ok(self.commit(life, Op::Discard(key)).await?.is_some())
    }

    /// Reads a copy again; whether it is there and sound. What is corrupt is not served
    /// from then on.
    pub(in crate::sim) fn verify(&self, copy: &CopyRef) -> Result<bool, CallError> {
        let key = CopyKey::of(copy).ok_or_else(malformed)?;
        let there = self.find(copy)?.is_some();
        Ok(there && self.state.lock().trees.judge(key))
    }

    /// The copies that are known to be corrupt.
    pub(in crate::sim) fn list_corrupt(&self) -> Vec<CopyRef> {
        let state = self.state.lock();
        let copies = state.trees.corrupt().map(|(key, held)| CopyRef {
            id: held.meta.id.clone(),
            generation: key.generation,
            name: held.name.to_string(),
            leaf: Some(held.leaf),
            session: 0,
        });
        copies.collect()
    }

    /// Seals the node, or opens it again (rule 15).
    pub(in crate::sim) async fn seal(
        &self,
        sealed: bool,
        leader: u64,
    ) -> Result<SealReply, CallError> {
        self.obey(leader)?;
        let life = self.life();
        self.state.lock().creates.set_sealed(sealed);
        self.commit(life, Op::Barrier).await?;
        let counted = self.counted();
        Ok(SealReply {
            files: counted.files,
            quarantined: self.quarantined().len() as u64,
            counted: Some(counted),
        })
    }
}

pub(super) fn malformed() -> CallError {
    fault(Fault::Invalid, "a message that makes no sense")
}

//! A Finish of a small file, whose answer may be lost: then the node is asked whether it
//! linked the file.

use super::call_error::CallError;
use super::node::Node;
use messages::v1::{CopyRef, Fault, FileMeta};
use std::time::{Duration, Instant};

/// The deadline of a Finish, with all that is asked after it.
const FINISH: Duration = Duration::from_secs(10);
/// The pause before a Finish without an answer is asked after again.
const AGAIN: Duration = Duration::from_millis(100);

impl Node {
    /// Permits the link of a staged file (rule 6); returns its leaf. Where the
    /// connection broke before the answer came, the node is asked for the file.
    ///
    /// # Errors
    /// See [`CallError::certainly_not_done`].
    pub(crate) async fn finish(&self, trace: u64, meta: FileMeta) -> Result<u32, CallError> {
        let until = self.world.now() + FINISH;
        match self.link.finish(trace, meta.clone(), FINISH).await {
            // Boxed, as it is rare: each upload's future would have room for it.
            Err(CallError::Lost(why)) => Box::pin(self.linked_by(until, trace, meta, why)).await,
            done => done,
        }
    }

    /// Asks until `until` whether a Finish without an answer linked the file, and sends
    /// it once more if it did not. A second Finish does no harm, since a create is
    /// linked once; but its refusal says nothing about the first one.
    async fn linked_by(
        &self,
        until: Instant,
        trace: u64,
        meta: FileMeta,
        why: String,
    ) -> Result<u32, CallError> {
        let copy = CopyRef {
            id: meta.id.clone(),
            generation: meta.generation,
            name: meta.name.clone(),
            leaf: None,
            session: 0,
        };
        let left = || until.saturating_duration_since(self.world.now());
        let mut again = Some(meta);
        while left() > AGAIN {
            let state = self.link.stat(trace, copy.clone());
            match self.world.timeout(left(), state).await {
                Ok(Ok(state)) if state.held && !state.corrupt => return Ok(state.leaf),
                Ok(Ok(state)) if state.underway => self.world.sleep(AGAIN).await,
                // A node that can't read a part of its tree denies nothing.
                Ok(Ok(_) | Err(CallError::Fault(Fault::Io, _))) => match again.take() {
                    Some(meta) => {
                        if let Ok(leaf) = self.link.finish(trace, meta, left()).await {
                            return Ok(leaf);
                        }
                    }
                    None => break,
                },
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Err(CallError::Lost(why))
    }
}

//! What the committer is asked to do, and the queue it takes it from.

use super::Place;
use super::lookup::Copy;
use super::meta::Meta;
use super::stage::Staged;
use crate::fault::Failure;
use parking_lot::{Condvar, Mutex};
use proto::FileName;
use std::collections::VecDeque;

/// Takes the answer, once, on the committer's thread: it must not block.
pub type Done<T> = Box<dyn FnOnce(Result<T, Failure>) + Send>;

/// A change of a tree. Each is answered once it is durable or certainly did not
/// happen; only after `Io` it may have happened.
pub enum Op {
    /// Links a sealed file; answers its leaf.
    Link {
        /// The file, sealed with `meta`.
        staged: Box<Staged>,
        /// The name it gets.
        name: FileName,
        /// Its record.
        meta: Box<Meta>,
        /// The answer.
        done: Done<u32>,
    },
    /// Removes exactly that copy from `data/` (rule 3); answers whether it was there.
    Remove {
        /// The copy.
        copy: Copy,
        /// The answer.
        done: Done<bool>,
    },
    /// Removes exactly that copy from quarantine.
    Discard {
        /// The copy.
        copy: Copy,
        /// The answer.
        done: Done<bool>,
    },
    /// Moves a copy to quarantine; answers its leaf there, None if it was not there.
    Quarantine {
        /// The copy.
        copy: Copy,
        /// Why, for people.
        reason: String,
        /// The answer.
        done: Done<Option<u32>>,
    },
    /// Moves a copy back into `data/`; answers its leaf there.
    Adopt {
        /// The copy.
        copy: Copy,
        /// The answer.
        done: Done<Option<u32>>,
    },
    /// Drops a copy from the index whose file was found to be gone. Nobody waits for it.
    Gone {
        /// In which tree.
        place: Place,
        /// The copy.
        copy: Copy,
    },
    /// Answers when all that was asked before is durable.
    Barrier {
        /// The answer.
        done: Done<()>,
    },
}

impl Op {
    /// The name it touches: two operations on one name never share a batch.
    pub(super) fn name(&self) -> Option<&FileName> {
        match self {
            Self::Link { name, .. } => Some(name),
            Self::Remove { copy, .. }
            | Self::Discard { copy, .. }
            | Self::Quarantine { copy, .. }
            | Self::Adopt { copy, .. }
            | Self::Gone { copy, .. } => Some(&copy.name),
            Self::Barrier { .. } => None,
        }
    }

    /// Answers that it did not happen.
    pub(super) fn deny(self, failure: Failure) {
        match self {
            Self::Link { done, .. } => done(Err(failure)),
            Self::Remove { done, .. } | Self::Discard { done, .. } => done(Err(failure)),
            Self::Quarantine { done, .. } | Self::Adopt { done, .. } => done(Err(failure)),
            Self::Gone { .. } => {}
            Self::Barrier { done } => done(Err(failure)),
        }
    }
}

/// The committer's queue. Its bound is that of the creates and the streams,
/// which hold a permit for each operation they ask for, and one for files that are gone.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    ops: VecDeque<Op>,
    closed: bool,
}

impl Queue {
    pub(super) fn push(&self, op: Op) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            op.deny(Failure::new(proto::v1::Fault::Busy, "the node is leaving"));
            return;
        }
        state.ops.push_back(op);
        drop(state);
        self.wake.notify_one();
    }

    /// Waits for operations and takes them all. None once closed and empty.
    pub(super) fn take(&self) -> Option<VecDeque<Op>> {
        let mut state = self.state.lock();
        while state.ops.is_empty() {
            if state.closed {
                return None;
            }
            self.wake.wait(&mut state);
        }
        Some(std::mem::take(&mut state.ops))
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_all();
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().ops.len()
    }
}

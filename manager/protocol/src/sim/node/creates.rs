//! A simulated node's open creates, its session and its tombstones (rules 3 and 4), as the
//! real node decides them. Pure.

use super::tree::CopyKey;
use crate::nodes::CallError;
use bytes::Bytes;
use messages::v1::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How far a create has come.
enum State {
    /// A stream brings its bytes.
    Writing,
    /// All bytes are there; Finish has not come.
    Staged(Bytes),
    /// It was refused; Finish is answered with the reason.
    Failed(CallError),
    /// It is flushed; it can still be ended.
    Sealing,
    /// The committer has it: a later delete queues behind it.
    Committing,
}

struct Create {
    /// Distinguishes it from a later create of the same copy.
    number: u64,
    touched: Duration,
    state: State,
}

/// All of this state.
pub(super) struct Creates {
    pub(super) session: u64,
    pub(super) sealed: bool,
    last: u64,
    open: BTreeMap<CopyKey, Create>,
    tombstones: BTreeSet<CopyKey>,
    max_tombstones: usize,
}

impl Creates {
    pub(super) fn new(session: u64, max_tombstones: usize) -> Self {
        Self {
            session,
            sealed: false,
            last: 0,
            open: BTreeMap::new(),
            tombstones: BTreeSet::new(),
            max_tombstones,
        }
    }

    /// Begins another session, with nothing open (rule 4).
    pub(super) fn restart(&mut self, session: u64) {
        self.session = session;
        self.open.clear();
        self.tombstones.clear();
    }

    /// Opens a create whose bytes come in a stream, and gives its number.
    pub(super) fn open(
        &mut self,
        key: CopyKey,
        session: u64,
        now: Duration,
    ) -> Result<u64, CallError> {
        if session != self.session {
            return Err(fault(Fault::WrongSession, "the node has another session"));
        }
        if self.tombstones.contains(&key) || self.sealed {
            return Err(self.why_gone(key));
        }
        if self.open.contains_key(&key) {
            return Err(fault(Fault::Invalid, "that create is open already"));
        }
        Ok(self.put(key, State::Writing, now))
    }

    /// Opens a create whose bytes came with it. A refusal is kept for its Finish.
    pub(super) fn stage(&mut self, key: CopyKey, session: u64, bytes: Bytes, now: Duration) {
        match self.open(key, session, now) {
            Ok(_) => {
                self.put(key, State::Staged(bytes), now);
            }
            Err(refusal) if !self.open.contains_key(&key) => {
                self.put(key, State::Failed(refusal), now);
            }
            Err(_) => {}
        }
    }

    fn put(&mut self, key: CopyKey, state: State, touched: Duration) -> u64 {
        self.last += 1;
        let number = self.last;
        let create = Create {
            number,
            touched,
            state,
        };
        self.open.insert(key, create);
        number
    }

    fn get(&mut self, key: CopyKey, number: u64) -> Option<&mut Create> {
        let found = self.open.get_mut(&key);
        found.filter(|create| create.number == number)
    }

    /// Notes that bytes arrive. False when the create was ended.
    pub(super) fn touch(&mut self, key: CopyKey, number: u64, now: Duration) -> bool {
        let found = self.get(key, number);
        found.map(|create| create.touched = now).is_some()
    }

    /// Finish came for a create that was sent as one message: its number and bytes.
    pub(super) fn finish(&mut self, key: CopyKey) -> Result<(u64, Bytes), CallError> {
        let gone = self.why_gone(key);
        let create = self.open.get_mut(&key).ok_or(gone)?;
        match std::mem::replace(&mut create.state, State::Sealing) {
            State::Staged(bytes) => Ok((create.number, bytes)),
            State::Failed(refusal) => {
                self.open.remove(&key);
                Err(refusal)
            }
            busy @ (State::Writing | State::Sealing | State::Committing) => {
                create.state = busy;
                Err(fault(Fault::Invalid, "finish is sent once"))
            }
        }
    }

    /// A stream that brought the bytes goes on to seal them. False when it was ended.
    pub(super) fn seal_stream(&mut self, key: CopyKey, number: u64) -> bool {
        let found = self.get(key, number);
        found.map(|create| create.state = State::Sealing).is_some()
    }

    /// The file is sealed. True if it may be linked.
    pub(super) fn commit(&mut self, key: CopyKey, number: u64) -> bool {
        let found = self.get(key, number);
        found
            .map(|create| create.state = State::Committing)
            .is_some()
    }

    /// The create has ended.
    pub(super) fn end(&mut self, key: CopyKey, number: u64) {
        if self.get(key, number).is_some() {
            self.open.remove(&key);
        }
    }

    /// Whether a create's Finish has come and is not answered yet.
    pub(super) fn is_finishing(&self, key: CopyKey) -> bool {
        let found = self.open.get(&key);
        found.is_some_and(|create| matches!(create.state, State::Sealing | State::Committing))
    }

    /// Ends a create that the committer does not have.
    pub(super) fn abort(&mut self, key: CopyKey) {
        if self.open.get(&key).is_some_and(Create::can_end) {
            self.open.remove(&key);
        }
    }

    /// A delete of that copy: ends an open create, and leaves a tombstone if the copy was
    /// listed in this session. Where the tombstones are full, `next` begins (rule 4).
    pub(super) fn doom(&mut self, key: CopyKey, session: u64, next: u64) {
        if session == self.session {
            if self.tombstones.len() >= self.max_tombstones {
                self.session = next;
                self.tombstones.clear();
            } else {
                self.tombstones.insert(key);
            }
        }
        self.abort(key);
    }

    /// Whether a copy that was listed in `session` may come back from quarantine.
    pub(super) fn may_adopt(&self, key: CopyKey, session: u64) -> Result<(), CallError> {
        if self.tombstones.contains(&key) {
            return Err(fault(Fault::Tombstone, "the copy was deleted"));
        }
        match session == 0 || session == self.session {
            true => Ok(()),
            false => Err(fault(Fault::WrongSession, "the node has another session")),
        }
    }

    /// Why a create is not open.
    pub(super) fn why_gone(&self, key: CopyKey) -> CallError {
        if self.tombstones.contains(&key) {
            fault(Fault::Tombstone, "the copy was deleted before it came")
        } else if self.sealed {
            fault(Fault::Sealed, "the node is sealed by a drain")
        } else {
            fault(Fault::NotFound, "no such create is open")
        }
    }

    /// Refuses creates from now on and ends the open ones, or accepts creates (rule 15).
    pub(super) fn set_sealed(&mut self, sealed: bool) {
        self.sealed = sealed;
        if sealed {
            self.open.retain(|_, create| !create.can_end());
        }
    }

    /// Ends creates that wait for a Finish and were not touched since.
    pub(super) fn sweep(&mut self, since: Duration) {
        self.open.retain(|_, create| {
            let waits = matches!(create.state, State::Staged(_) | State::Failed(_));
            !waits || create.touched >= since
        });
    }

    /// Creates that are open.
    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }
}

impl Create {
    fn can_end(&self) -> bool {
        !matches!(self.state, State::Committing)
    }
}

pub(super) fn fault(fault: Fault, why: &str) -> CallError {
    CallError::Fault(fault, why.to_owned())
}

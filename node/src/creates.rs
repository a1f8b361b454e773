//! The creates that are open, the session, and the tombstones: what rules 3
//! and 4 ask of a node. This module only decides; its callers act.

use crate::disk::meta::{CopyKey, Meta};
use crate::disk::stage::Staged;
use crate::fault::Failure;
use crate::kept::Kept;
use proto::FileName;
use proto::v1::Fault;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The most creates open at once.
pub const MAX_OPEN: usize = 4096;
/// The most tombstones of one session: 24 bytes each.
pub const MAX_TOMBSTONES: usize = 262_144;

/// What a Finish waits for: its record, and how it is answered.
pub struct Finish {
    /// The name that the file gets.
    pub name: FileName,
    /// The record.
    pub meta: Box<Meta>,
    /// Takes the leaf, or why not.
    pub done: crate::disk::Done<u32>,
    /// When Finish came.
    pub begun: Instant,
}

/// How far a create has come.
enum State {
    /// A thread writes its bytes, or a stream brings them.
    Writing(Option<Finish>),
    /// All bytes are there; Finish has not come.
    Staged(Box<Staged>),
    /// It failed; Finish is answered with the failure.
    Failed(Failure),
    /// A thread flushes it; it can still be ended.
    Sealing,
    /// The committer owns it: a later delete queues behind it.
    Committing,
}

struct Create {
    /// Distinguishes it from a later create of the same copy.
    number: u64,
    touched: Instant,
    state: State,
    /// Asks the stream that brings the bytes to put aside what has come.
    stop: Option<CancellationToken>,
}

/// A create whose bytes come in a stream.
pub struct Stream {
    /// The create's number.
    pub number: u64,
    /// What an earlier stream brought: this stream continues from there.
    pub staged: Option<Box<Staged>>,
    /// Cancelled when the sender asks to resume: what has come is then put aside.
    pub stop: CancellationToken,
}

/// Where to resume a copy whose stream broke off.
#[derive(Debug, PartialEq, Eq)]
pub enum Resume {
    /// Not yet: its stream was asked to end, or its Finish has come.
    Underway,
    /// This many bytes are kept.
    At(u64),
    /// Nothing is known of it.
    Nothing,
}

/// What a Finish found.
pub enum Finished {
    /// The file is staged: seal and commit it.
    Go(u64, Box<Staged>, Finish),
    /// Its bytes are still being written; their writer will seal and commit it.
    Later,
    /// The create is gone, failed, or finishing already: answer with the reason.
    Refused(Finish, Failure),
}

/// What became of a create while its bytes were written.
pub enum Written {
    /// Finish came meanwhile: seal and commit it.
    Go(Box<Staged>, Finish),
    /// Nothing to do now.
    Settled,
    /// Finish came meanwhile: answer it with the failure.
    Refused(Finish, Failure),
}

/// All of this state, to be held under one lock.
pub struct Creates {
    session: u64,
    next: u64,
    open: HashMap<CopyKey, Create>,
    kept: Kept<Box<Staged>>,
    tombstones: HashSet<CopyKey>,
    max_tombstones: usize,
    sealed: bool,
}

impl Creates {
    /// Begins a session; `max_tombstones` is [`MAX_TOMBSTONES`] except in tests.
    pub fn new(sealed: bool, max_tombstones: usize) -> Self {
        Self {
            session: fresh(),
            next: 0,
            open: HashMap::new(),
            kept: Kept::default(),
            tombstones: HashSet::new(),
            max_tombstones,
            sealed,
        }
    }

    /// The session that creates must carry.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Whether new creates are refused.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Creates that are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Opens a create and gives its number. The caller keeps a refusal for the Finish
    /// of a create that was sent as one message, which has no other answer.
    ///
    /// # Errors
    /// By rules 3, 4 and 15, or when too many are open.
    pub fn open(&mut self, key: CopyKey, session: u64) -> Result<u64, Failure> {
        self.admits(key, session)?;
        if self.open.contains_key(&key) {
            return Err(Failure::invalid(
                "that create is open already: it is sent once",
            ));
        }
        if self.open.len() >= MAX_OPEN {
            return Err(Failure::new(Fault::Busy, "too many creates are open"));
        }
        self.next += 1;
        let create = Create {
            number: self.next,
            touched: Instant::now(),
            state: State::Writing(None),
            stop: None,
        };
        self.open.insert(key, create);
        Ok(self.next)
    }

    fn admits(&self, key: CopyKey, session: u64) -> Result<(), Failure> {
        if session != self.session {
            return Err(self.wrong_session());
        }
        if self.is_doomed(key) {
            return Err(tombstone());
        }
        if self.sealed {
            return Err(sealed());
        }
        Ok(())
    }

    /// Opens a create whose bytes come in a stream. A stream that continues at an
    /// `offset` takes over the bytes that are kept up to there, so that only one stream
    /// ever writes them.
    ///
    /// # Errors
    /// As [`Self::open`], or where nothing is kept up to `offset`.
    pub fn open_stream(
        &mut self,
        key: CopyKey,
        session: u64,
        offset: Option<u64>,
    ) -> Result<Stream, Failure> {
        let number = self.open(key, session)?;
        let offset = offset.unwrap_or_default();
        let staged = self.kept.take(key, offset);
        if offset > 0 && staged.is_none() {
            self.end(key, number);
            let why = format!("no {offset} bytes are kept of that copy");
            return Err(Failure::new(Fault::NotFound, why));
        }
        let stop = CancellationToken::new();
        if let Some(create) = self.get(key, number) {
            create.stop = Some(stop.clone());
        }
        Ok(Stream {
            number,
            staged,
            stop,
        })
    }

    /// A stream ended before its Finish: what it brought is kept for the next one,
    /// unless the create was ended.
    pub fn put_aside(&mut self, key: CopyKey, number: u64, staged: Box<Staged>) {
        if self.get(key, number).is_some() {
            self.open.remove(&key);
            self.kept.put(key, staged.size(), staged, Instant::now());
        }
    }

    /// Where to resume a copy whose stream broke off. A stream that is still open is
    /// asked to end.
    ///
    /// # Errors
    /// By rules 3, 4 and 15.
    pub fn resume(&mut self, key: CopyKey, session: u64) -> Result<Resume, Failure> {
        self.admits(key, session)?;
        if let Some(create) = self.open.get(&key) {
            if let Some(stop) = &create.stop {
                stop.cancel();
            }
            return Ok(Resume::Underway);
        }
        let kept = self.kept.look(key, Instant::now());
        Ok(kept.map_or(Resume::Nothing, Resume::At))
    }

    fn wrong_session(&self) -> Failure {
        let mut failure = Failure::new(Fault::WrongSession, "the node has another session");
        failure.session = self.session;
        failure
    }

    /// Whether a copy that was listed in `session` may come back from quarantine. Where
    /// the caller names no session (0, as the previous release does), only the tombstones
    /// are checked.
    ///
    /// # Errors
    /// By rules 3 and 4: where the copy was deleted, or may have been and the tombstone
    /// went with its session.
    pub fn may_adopt(&self, key: CopyKey, session: u64) -> Result<(), Failure> {
        if self.is_doomed(key) {
            let why = "the copy was deleted: to adopt it all the same, restart its node first";
            return Err(Failure::new(Fault::Tombstone, why));
        }
        match session == 0 || session == self.session {
            true => Ok(()),
            false => Err(self.wrong_session()),
        }
    }

    /// Keeps a refusal for the Finish that will come. Bounded: past the bound
    /// Finish is answered that the create is unknown.
    pub fn keep_refusal(&mut self, key: CopyKey, failure: Failure) {
        if self.open.len() < 2 * MAX_OPEN && !self.open.contains_key(&key) {
            self.next += 1;
            let create = Create {
                number: self.next,
                touched: Instant::now(),
                state: State::Failed(failure),
                stop: None,
            };
            self.open.insert(key, create);
        }
    }

    fn get(&mut self, key: CopyKey, number: u64) -> Option<&mut Create> {
        self.open.get_mut(&key).filter(|c| c.number == number)
    }

    /// Notes that bytes arrive. False when the create was ended.
    pub fn touch(&mut self, key: CopyKey, number: u64) -> bool {
        match self.get(key, number) {
            Some(create) => {
                create.touched = Instant::now();
                true
            }
            None => false,
        }
    }

    /// The bytes are written, or failed to be.
    pub fn written(
        &mut self,
        key: CopyKey,
        number: u64,
        result: Result<Box<Staged>, Failure>,
    ) -> Written {
        let Some(create) = self.get(key, number) else {
            return Written::Settled;
        };
        create.touched = Instant::now();
        let State::Writing(finish) = &mut create.state else {
            return Written::Settled;
        };
        match (finish.take(), result) {
            (Some(finish), Ok(staged)) => {
                create.state = State::Sealing;
                Written::Go(staged, finish)
            }
            (Some(finish), Err(failure)) => {
                self.open.remove(&key);
                Written::Refused(finish, failure)
            }
            (None, Ok(staged)) => {
                create.state = State::Staged(staged);
                Written::Settled
            }
            (None, Err(failure)) => {
                create.state = State::Failed(failure);
                Written::Settled
            }
        }
    }

    /// Finish came for a create that was sent as one message.
    pub fn finish(&mut self, finish: Finish) -> Finished {
        let key = finish.meta.key;
        let why = self.why_gone(key);
        let Some(create) = self.open.get_mut(&key) else {
            return Finished::Refused(finish, why);
        };
        create.touched = Instant::now();
        let number = create.number;
        match std::mem::replace(&mut create.state, State::Sealing) {
            State::Staged(staged) => Finished::Go(number, staged, finish),
            State::Writing(None) => {
                create.state = State::Writing(Some(finish));
                Finished::Later
            }
            State::Failed(failure) => {
                self.open.remove(&key);
                Finished::Refused(finish, failure)
            }
            busy @ (State::Writing(Some(_)) | State::Sealing | State::Committing) => {
                create.state = busy;
                Finished::Refused(finish, Failure::invalid("finish is sent once"))
            }
        }
    }

    /// A stream that brought the bytes itself goes on to seal them. False when
    /// the create was ended.
    pub fn seal_stream(&mut self, key: CopyKey, number: u64) -> bool {
        match self.get(key, number) {
            Some(create) => {
                create.state = State::Sealing;
                true
            }
            None => false,
        }
    }

    /// The file is sealed. True if it may be linked: the caller must then hand it to
    /// the committer before it releases the lock, so that a later delete queues
    /// behind it.
    pub fn commit(&mut self, key: CopyKey, number: u64) -> bool {
        match self.get(key, number) {
            Some(create) => {
                create.state = State::Committing;
                true
            }
            None => false,
        }
    }

    /// The create has ended.
    pub fn end(&mut self, key: CopyKey, number: u64) {
        if self.get(key, number).is_some() {
            self.open.remove(&key);
        }
    }

    /// Whether a create's Finish has come and is not answered yet.
    pub fn is_finishing(&self, key: CopyKey) -> bool {
        self.open
            .get(&key)
            .is_some_and(|create| match create.state {
                State::Writing(Some(_)) | State::Sealing | State::Committing => true,
                State::Writing(None) | State::Staged(_) | State::Failed(_) => false,
            })
    }

    /// Ends a create that was not handed to the committer. A Finish that waits
    /// for its bytes is to be answered that nothing was linked.
    #[must_use]
    pub fn abort(&mut self, key: CopyKey) -> Option<Finish> {
        if self.open.get(&key).is_some_and(Create::can_end) {
            return self.open.remove(&key).and_then(Create::waiting);
        }
        None
    }

    /// A delete of that copy: ends an open create, drops what is kept of one, and
    /// leaves a tombstone if the copy was listed in this session (rule 3). Where the
    /// tombstones are full the node begins a new session (rule 4). A Finish that it
    /// returns is to be answered once the lock is released.
    #[must_use]
    pub fn doom(&mut self, key: CopyKey, session: u64) -> Option<Finish> {
        if session == self.session {
            if self.tombstones.len() >= self.max_tombstones {
                self.session = fresh();
                self.tombstones.clear();
                // Nothing of the previous session may be resumed.
                self.kept.clear();
            } else {
                self.tombstones.insert(key);
            }
        }
        self.kept.forget(key);
        if self.open.get(&key).is_some_and(Create::can_end) {
            return self.open.remove(&key).and_then(Create::waiting);
        }
        None
    }

    /// Whether a delete of that copy has come in this session.
    pub fn is_doomed(&self, key: CopyKey) -> bool {
        self.tombstones.contains(&key)
    }

    /// Why a create is not open.
    pub fn why_gone(&self, key: CopyKey) -> Failure {
        if self.is_doomed(key) {
            tombstone()
        } else if self.sealed {
            sealed()
        } else {
            Failure::new(Fault::NotFound, "no such create is open")
        }
    }

    /// Refuses creates from now on and ends the open ones, or accepts creates again
    /// (rule 15). Each Finish that it returns is to be answered.
    #[must_use]
    pub fn set_sealed(&mut self, sealed: bool) -> Vec<Finish> {
        self.sealed = sealed;
        if sealed {
            self.kept.clear();
            self.end_where(|_| true)
        } else {
            Vec::new()
        }
    }

    /// Ends creates for which nothing happened for `idle`, and drops what was kept
    /// for long enough.
    #[must_use]
    pub fn sweep(&mut self, idle: Duration) -> Vec<Finish> {
        self.kept.sweep(Instant::now());
        self.end_where(|create| {
            let waits = matches!(create.state, State::Staged(_) | State::Failed(_));
            waits && create.touched.elapsed() > idle
        })
    }

    fn end_where(&mut self, which: impl Fn(&Create) -> bool) -> Vec<Finish> {
        self.open
            .extract_if(|_, create| create.can_end() && which(create))
            .filter_map(|(_, create)| create.waiting())
            .collect()
    }
}

impl Create {
    fn can_end(&self) -> bool {
        !matches!(self.state, State::Committing)
    }

    /// The Finish that waits for its bytes.
    fn waiting(self) -> Option<Finish> {
        match self.state {
            State::Writing(finish) => finish,
            State::Staged(_) | State::Failed(_) | State::Sealing | State::Committing => None,
        }
    }
}

fn tombstone() -> Failure {
    Failure::new(
        Fault::Tombstone,
        "the copy was deleted before its create came",
    )
}

fn sealed() -> Failure {
    Failure::new(Fault::Sealed, "the node is sealed by a drain")
}

/// A session's number: random, and never 0, which stands for none.
fn fresh() -> u64 {
    rand::random::<u64>() | 1
}

#[cfg(test)]
#[path = "creates_tests.rs"]
mod tests;

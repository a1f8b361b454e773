//! The committer: one thread that owns both trees, so that check and act are
//! one step (rule 14), and that shares each directory flush among all that wait.
//!
//! Crash steps of a batch, and what a start finds after each:
//! 1. slots are reserved in memory: nothing;
//! 2. directories are made: empty ones, which the scan removes;
//! 3. sealed files are linked, doomed ones unlinked: whole files, or deletes, that
//!    no answer has confirmed: the manager asks again;
//! 4. emptied directories are removed: nothing to see;
//! 5. every directory that changed is flushed: what will be answered is durable;
//! 6. the index is updated, and the answers go out.

mod directories;
mod gone;

use super::dir_key::DirKey;
use super::lookup::Copy;
use super::meta::Meta;
use super::ops::{Done, Op};
use super::rename::rename;
use super::stage::Staged;
use super::tree::Tree;
use super::walk::{MAX_REASON, REASON_XATTR};
use super::{Place, Shared};
use crate::failpoints;
use crate::fault::Failure;
use crate::pool::Pool;
use crate::vital::Held;
use parking_lot::Mutex;
use proto::v1::Fault;
use proto::{FileName, LEVELS};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

/// The most operations of one batch.
const BATCH: usize = 1024;
/// Threads that flush directories beside the committer.
const FLUSHERS: usize = 8;
/// Files above this size are closed on another thread: freeing their blocks
/// takes long, and the committer must not wait for it.
const SLOW_CLOSE: u64 = 8 << 20;

/// Starts the committer. It ends when the queue is closed and empty; `held`
/// reports any other end of it.
pub(super) fn start(
    shared: Arc<Shared>,
    trees: Vec<Tree>,
    closer: Arc<Pool>,
    held: Held,
) -> std::io::Result<Running> {
    let committer = Committer {
        shared,
        trees,
        flushers: Pool::new("dir-flush", FLUSHERS)?,
        closer,
    };
    let (works, ended) = mpsc::channel::<()>();
    let thread = std::thread::Builder::new()
        .name("committer".to_owned())
        .spawn(move || {
            let _works = works;
            committer.run();
            held.release();
        })?;
    let ended = Mutex::new(ended);
    Ok(Running { thread, ended })
}

/// The committer's thread.
pub(super) struct Running {
    pub(super) thread: JoinHandle<()>,
    /// Closed when the thread ends, however it does.
    pub(super) ended: Mutex<mpsc::Receiver<()>>,
}

struct Committer {
    shared: Arc<Shared>,
    /// By [`Place`].
    trees: Vec<Tree>,
    flushers: Pool,
    closer: Arc<Pool>,
}

/// An answer that waits for what came before it.
type After = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// What was done but is not flushed yet.
#[derive(Default)]
struct Batch {
    names: HashSet<FileName>,
    /// Directories to flush.
    dirs: BTreeMap<DirKey, Arc<OwnedFd>>,
    /// Leaves that may have become empty.
    emptied: BTreeSet<(Place, u32)>,
    linked: Vec<Linked>,
    removed: Vec<Removed>,
    moved: Vec<Moved>,
    /// Answers that only wait for what came before them.
    after: Vec<After>,
}

struct Linked {
    staged: Box<Staged>,
    name: FileName,
    size: u64,
    leaf: u32,
    done: Done<u32>,
}

struct Removed {
    place: Place,
    size: u64,
    file: OwnedFd,
    done: Done<bool>,
}

struct Moved {
    to: Place,
    name: FileName,
    size: u64,
    leaf: u32,
    done: Done<Option<u32>>,
}

impl Committer {
    fn run(mut self) {
        while let Some(mut ops) = self.shared.queue.take() {
            while !ops.is_empty() {
                failpoints::panic_here(failpoints::COMMITTER_PANICS);
                self.batch(&mut ops);
            }
        }
    }

    /// Does operations from the front until one touches a name for the second
    /// time, flushes, and answers.
    fn batch(&mut self, ops: &mut VecDeque<Op>) {
        let mut batch = Batch::default();
        let mut count = 0;
        while let Some(op) = ops.pop_front() {
            let again = op.name().is_some_and(|name| batch.names.contains(name));
            if again || count == BATCH {
                ops.push_front(op);
                break;
            }
            count += 1;
            self.apply(&mut batch, op);
        }
        self.remove_emptied(&mut batch);
        let flushed = self.flush(&batch);
        match flushed {
            Ok(()) => self.confirm(batch),
            Err(failure) => self.undo(batch, &failure),
        }
    }

    fn apply(&mut self, batch: &mut Batch, op: Op) {
        if let Op::Gone { .. } = op {
            self.shared.looked_for.store(false, Ordering::Release);
        }
        if !matches!(op, Op::Barrier { .. })
            && let Err(refusal) = self.shared.health.check()
        {
            op.deny(refusal);
            return;
        }
        batch.names.extend(op.name().cloned());
        match op {
            Op::Link {
                staged,
                name,
                meta,
                done,
            } => self.link(batch, staged, name, &meta, done),
            Op::Remove { copy, done } => self.remove(batch, Place::Data, &copy, done),
            Op::Discard { copy, done } => self.remove(batch, Place::Quarantine, &copy, done),
            Op::Quarantine { copy, reason, done } => {
                self.transfer(batch, Place::Data, &copy, Some(&reason), done);
            }
            Op::Adopt { copy, done } => {
                self.transfer(batch, Place::Quarantine, &copy, None, done);
            }
            Op::Gone { place, copy } => self.forget(batch, place, &copy),
            Op::Barrier { done } => batch.after.push(done),
        }
    }

    fn link(
        &mut self,
        batch: &mut Batch,
        staged: Box<Staged>,
        name: FileName,
        meta: &Meta,
        done: Done<u32>,
    ) {
        let copy = Copy {
            name: name.clone(),
            key: meta.key,
            leaf: None,
            session: 0,
        };
        // The same copy again: it is there already, and flushed. Unread leaves can't hide
        // it, since its create came in a session of this process (rule 4).
        match self.shared.find_read(Place::Data, &copy) {
            Ok(None) => {}
            Ok(Some(found)) => return done(Ok(found.leaf)),
            Err(failure) => return done(Err(failure.before_link())),
        }
        let placed = self.place(batch, Place::Data, &copy, |dir| {
            failpoint::crash_here!("node::u2_before_link");
            staged.link(dir, &name)
        });
        let leaf = match placed {
            Ok(leaf) => leaf,
            Err(failure) => return done(Err(failure)),
        };
        failpoint::crash_here!("node::u3_linked");
        batch.linked.push(Linked {
            staged,
            name,
            size: meta.size,
            leaf,
            done,
        });
    }

    fn remove(&mut self, batch: &mut Batch, place: Place, copy: &Copy, done: Done<bool>) {
        let found = match self.shared.find(place, copy) {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.forget(batch, place, copy);
                let answer = |flushed: Result<(), Failure>| done(flushed.map(|()| false));
                return batch.after.push(Box::new(answer));
            }
            Err(failure) => return done(Err(failure)),
        };
        let dir = match self.dir_of(batch, DirKey::new(place, LEVELS, found.leaf)) {
            Ok(dir) => dir,
            Err(failure) => return done(Err(failure)),
        };
        failpoint::crash_here!("node::d1_before_unlink");
        // The index drops the file first, so that nobody is led to it while it goes.
        self.shared.leave(place, place, &copy.name, found.leaf);
        if let Err(error) = rustix::fs::unlinkat(&*dir, copy.name.as_str(), AtFlags::empty()) {
            self.shared.arrive(place, place, &copy.name, found.leaf);
            return done(Err(self.shared.health.at_link("unlink", error)));
        }
        failpoint::crash_here!("node::d1_unlinked");
        self.release(batch, place, found.leaf);
        batch.removed.push(Removed {
            place,
            size: found.meta.size,
            file: found.file,
            done,
        });
    }

    /// Moves a copy from one tree to the other. One rename: at no instant are
    /// there two, or none.
    fn transfer(
        &mut self,
        batch: &mut Batch,
        from: Place,
        copy: &Copy,
        reason: Option<&str>,
        done: Done<Option<u32>>,
    ) {
        match self.try_transfer(batch, from, copy, reason) {
            Ok(Some((to, leaf, size))) => batch.moved.push(Moved {
                to,
                name: copy.name.clone(),
                size,
                leaf,
                done,
            }),
            Ok(None) => {
                let answer = |flushed: Result<(), Failure>| done(flushed.map(|()| None));
                batch.after.push(Box::new(answer));
            }
            Err(failure) => done(Err(failure)),
        }
    }

    fn try_transfer(
        &mut self,
        batch: &mut Batch,
        from: Place,
        copy: &Copy,
        reason: Option<&str>,
    ) -> Result<Option<(Place, u32, u64)>, Failure> {
        let to = match from {
            Place::Data => Place::Quarantine,
            Place::Quarantine => Place::Data,
        };
        let found = self.shared.find(from, copy);
        let Some(found) = found.map_err(Failure::before_link)? else {
            return Ok(None);
        };
        if let Some(reason) = reason {
            let text = &reason.as_bytes()[..reason.len().min(MAX_REASON)];
            rustix::fs::fsetxattr(&found.file, REASON_XATTR, text, XattrFlags::empty())
                .and_then(|()| rustix::fs::fsync(&found.file))
                .map_err(|e| self.shared.health.before_link("write the reason", e))?;
        }
        let old = self.dir_of(batch, DirKey::new(from, LEVELS, found.leaf))?;
        let (name, plain) = (copy.name.as_str(), self.shared.plain_rename);
        self.shared.leave(from, to, &copy.name, found.leaf);
        let placed = self.place(batch, to, copy, |new| rename(&*old, name, new, name, plain));
        let leaf = placed.inspect_err(|_| {
            self.shared.arrive(from, to, &copy.name, found.leaf);
        })?;
        self.release(batch, from, found.leaf);
        Ok(Some((to, leaf, found.meta.size)))
    }

    /// Flushes every directory that changed, several at once.
    fn flush(&self, batch: &Batch) -> Result<(), Failure> {
        if batch.dirs.is_empty() || failpoints::wanted(failpoints::SKIP_DIR_FLUSH) {
            return Ok(());
        }
        if failpoints::wanted(failpoints::FAIL_DIR_FLUSH) {
            return Err(Failure::io("flush a directory", Errno::IO));
        }
        let begun = Instant::now();
        let _beat = self.shared.health.flushes.begin();
        let mut dirs = batch.dirs.values();
        let own = dirs.next().expect("at least one directory changed");
        let (send, receive) = mpsc::channel();
        for dir in dirs {
            let (dir, send) = (Arc::clone(dir), send.clone());
            self.flushers.run(move || {
                // Fails only where the committer has panicked meanwhile.
                let _ = send.send(rustix::fs::fsync(&*dir));
            });
        }
        drop(send);
        let mut flushed = rustix::fs::fsync(&**own);
        // A flusher that panicked sends no answer, which counts as a failed flush.
        for _ in 1..batch.dirs.len() {
            flushed = flushed.and(receive.recv().unwrap_or(Err(Errno::IO)));
        }
        let metrics = &self.shared.metrics;
        metrics.dir_flush.observe(begun.elapsed().as_secs_f64());
        let changes = batch.linked.len() + batch.removed.len() + batch.moved.len();
        metrics.batch.observe(changes as f64);
        failpoint::crash_here!("node::u4_flushed");
        flushed.map_err(|e| Failure::io("flush a directory", e))
    }

    /// The batch is durable: updates the index, then answers those who wait.
    fn confirm(&self, batch: Batch) {
        let shared = &self.shared;
        if !batch.linked.is_empty() {
            let mut index = shared.index_mut(Place::Data);
            for linked in &batch.linked {
                index.insert(&linked.name, linked.leaf);
            }
        }
        failpoint::crash_here!("node::u4_before_reply");
        for linked in batch.linked {
            shared.bytes.fetch_add(linked.size, Ordering::Relaxed);
            linked.staged.settle();
            (linked.done)(Ok(linked.leaf));
        }
        if !batch.removed.is_empty() {
            failpoint::crash_here!("node::d2_flushed");
        }
        for removed in batch.removed {
            shared.space.removed(removed.size);
            shared.settled(removed.place);
            if removed.place == Place::Data {
                shared.shrinks(removed.size);
            }
            if removed.size > SLOW_CLOSE {
                let file = removed.file;
                self.closer.run(move || drop(file));
            }
            (removed.done)(Ok(true));
        }
        for moved in batch.moved {
            shared.arrive(moved.to, moved.to, &moved.name, moved.leaf);
            match moved.to {
                Place::Data => {
                    shared.bytes.fetch_add(moved.size, Ordering::Relaxed);
                }
                Place::Quarantine => shared.shrinks(moved.size),
            }
            (moved.done)(Ok(Some(moved.leaf)));
        }
        for after in batch.after {
            after(Ok(()));
        }
    }

    /// A flush failed: the files that the batch linked are unlinked, all its operations
    /// are denied, and no write is taken until a restart (rule 5).
    fn undo(&mut self, batch: Batch, failure: &Failure) {
        self.shared.health.refuse(failure.message.clone());
        let denied = Failure::new(Fault::Io, failure.message.clone());
        for linked in batch.linked {
            let dir = &batch.dirs[&DirKey::new(Place::Data, LEVELS, linked.leaf)];
            match rustix::fs::unlinkat(&**dir, linked.name.as_str(), AtFlags::empty()) {
                Ok(()) => self.trees[Place::Data as usize].release(linked.leaf),
                Err(error) => tracing::error!(%error, name = %linked.name, "could not be undone"),
            }
            (linked.done)(Err(denied.clone()));
        }
        for removed in batch.removed {
            (removed.done)(Err(denied.clone()));
        }
        for moved in batch.moved {
            (moved.done)(Err(denied.clone()));
        }
        for after in batch.after {
            after(Err(denied.clone()));
        }
    }
}

//! The committer: one thread that owns both trees, so that check and act are
//! one step (rule 14), and that shares each directory flush among all that wait.
//!
//! Crash steps of a batch, and what a start finds after each:
//! 1. slots are reserved in memory: nothing;
//! 2. directories are made: empty ones, which the scan removes;
//! 3. sealed files are linked, doomed ones unlinked: whole files that nobody was
//!    told of, or files whose delete nobody was told of: the manager asks again;
//! 4. emptied directories are removed: nothing to see;
//! 5. every directory that changed is flushed: what will be answered is so;
//! 6. the index learns it, and the answers go out.

use super::dir_key::DirKey;
use super::lookup::Copy;
use super::meta::Meta;
use super::ops::{Done, Op};
use super::stage::{DIR_MODE, Staged};
use super::tree::Tree;
use super::walk::{MAX_REASON, REASON_XATTR};
use super::{Place, Shared};
use crate::failpoints;
use crate::fault::Failure;
use crate::pool::Pool;
use proto::v1::Fault;
use proto::{FileName, LEVELS};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, XattrFlags};
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

/// Starts the committer. It ends when the queue is closed and empty.
pub(super) fn start(shared: Arc<Shared>, trees: Vec<Tree>) -> JoinHandle<()> {
    let committer = Committer {
        shared,
        trees,
        flushers: Pool::new("dir-flush", FLUSHERS),
        closer: Pool::new("close", 1),
    };
    std::thread::Builder::new()
        .name("committer".to_owned())
        .spawn(move || committer.run())
        .expect("a thread can be started at the start")
}

struct Committer {
    shared: Arc<Shared>,
    /// By [`Place`].
    trees: Vec<Tree>,
    flushers: Pool,
    closer: Pool,
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
        if self.shared.read_only.load(Ordering::Acquire) && !matches!(op, Op::Barrier { .. }) {
            op.deny(Failure::read_only());
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
        };
        // The same copy again: it is there already, and flushed.
        match self.shared.find(Place::Data, &copy) {
            Ok(None) => {}
            Ok(Some(found)) => return done(Ok(found.leaf)),
            Err(failure) => return done(Err(failure)),
        }
        let made = self.slot(batch, Place::Data, &copy);
        let (leaf, dir) = match made {
            Ok(made) => made,
            Err(failure) => return done(Err(failure)),
        };
        kit::crash_here!("node::before_link");
        if let Err(error) = staged.link(&dir, &name) {
            self.release(batch, Place::Data, leaf);
            return done(Err(Failure::io("link", error)));
        }
        kit::crash_here!("node::after_link");
        batch.linked.push(Linked {
            staged,
            name,
            size: meta.size,
            leaf,
            done,
        });
    }

    /// Reserves a slot in a leaf that has no file of that name, and makes the
    /// leaf's directories. All that changes is noted for the flush.
    fn slot(
        &mut self,
        batch: &mut Batch,
        place: Place,
        copy: &Copy,
    ) -> Result<(u32, Arc<OwnedFd>), Failure> {
        let taken = copy.candidates(&self.shared, place);
        let slot = self.trees[place as usize]
            .reserve(&taken)
            .ok_or_else(|| Failure::new(Fault::NoSpace, "every directory is full"))?;
        let made = self.make_dirs(batch, place, slot.made, slot.leaf);
        match made {
            Ok(dir) => Ok((slot.leaf, dir)),
            Err(failure) => {
                self.release(batch, place, slot.leaf);
                Err(failure)
            }
        }
    }

    fn make_dirs(
        &self,
        batch: &mut Batch,
        place: Place,
        made: usize,
        leaf: u32,
    ) -> Result<Arc<OwnedFd>, Failure> {
        for level in made + 1..=LEVELS {
            let path = DirKey::new(place, level, leaf).path();
            match rustix::fs::mkdirat(self.shared.root(place), path, DIR_MODE) {
                // There: left over from a removal that failed; flushed as if new.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(Failure::io("make a directory", error)),
            }
            // No answer from a leaf whose whole chain isn't flushed (rule 5).
            self.dir(batch, DirKey::new(place, level - 1, leaf))?;
        }
        self.dir(batch, DirKey::new(place, LEVELS, leaf))
    }

    /// Opens a directory that changes, and notes it for the flush.
    fn dir(&self, batch: &mut Batch, key: DirKey) -> Result<Arc<OwnedFd>, Failure> {
        if let Some(dir) = batch.dirs.get(&key) {
            return Ok(Arc::clone(dir));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = self.shared.root(key.place);
        let dir = rustix::fs::openat(root, key.path(), flags, Mode::empty())
            .map_err(|e| Failure::io("open a directory", e))?;
        let dir = Arc::new(dir);
        batch.dirs.insert(key, Arc::clone(&dir));
        Ok(dir)
    }

    fn release(&mut self, batch: &mut Batch, place: Place, leaf: u32) {
        self.trees[place as usize].release(leaf);
        batch.emptied.insert((place, leaf));
    }

    fn remove(&mut self, batch: &mut Batch, place: Place, copy: &Copy, done: Done<bool>) {
        let found = match self.shared.find(place, copy) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let answer = |flushed: Result<(), Failure>| done(flushed.map(|()| false));
                return batch.after.push(Box::new(answer));
            }
            Err(failure) => return done(Err(failure)),
        };
        let dir = match self.dir(batch, DirKey::new(place, LEVELS, found.leaf)) {
            Ok(dir) => dir,
            Err(failure) => return done(Err(failure)),
        };
        kit::crash_here!("node::delete_before_unlink");
        // Nobody is told of the file any more before it goes.
        self.shared.index_mut(place).remove(&copy.name, found.leaf);
        if let Err(error) = rustix::fs::unlinkat(&*dir, copy.name.as_str(), AtFlags::empty()) {
            self.shared.index_mut(place).insert(&copy.name, found.leaf);
            return done(Err(Failure::io("unlink", error)));
        }
        kit::crash_here!("node::delete_after_unlink");
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
        let Some(found) = self.shared.find(from, copy)? else {
            return Ok(None);
        };
        if let Some(reason) = reason {
            let text = &reason.as_bytes()[..reason.len().min(MAX_REASON)];
            rustix::fs::fsetxattr(&found.file, REASON_XATTR, text, XattrFlags::empty())
                .and_then(|()| rustix::fs::fsync(&found.file))
                .map_err(|e| Failure::io("write the reason", e))?;
        }
        let old = self.dir(batch, DirKey::new(from, LEVELS, found.leaf))?;
        let (leaf, new) = self.slot(batch, to, copy)?;
        let name = copy.name.as_str();
        self.shared.index_mut(from).remove(&copy.name, found.leaf);
        let renamed = rustix::fs::renameat_with(&*old, name, &*new, name, RenameFlags::NOREPLACE);
        if let Err(error) = renamed {
            self.shared.index_mut(from).insert(&copy.name, found.leaf);
            self.release(batch, to, leaf);
            return Err(Failure::io("rename", error));
        }
        self.release(batch, from, found.leaf);
        Ok(Some((to, leaf, found.meta.size)))
    }

    /// Removes directories that hold nothing any more, from the leaf upwards.
    fn remove_emptied(&self, batch: &mut Batch) {
        for (place, leaf) in std::mem::take(&mut batch.emptied) {
            let tree = &self.trees[place as usize];
            for level in (1..=LEVELS).rev() {
                let key = DirKey::new(place, level, leaf);
                if !tree.is_empty(level, leaf) {
                    break;
                }
                let root = self.shared.root(place);
                match rustix::fs::unlinkat(root, key.path(), AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    // Something foreign is in it: it stays.
                    Err(_) => break,
                }
                batch.dirs.remove(&key);
                // Its parent's flush makes the removal, and with it the
                // unlinks below, durable. If it can't be opened, the flush of
                // the whole volume at the next start stands in for it.
                if let Err(failure) = self.dir(batch, DirKey::new(place, level - 1, leaf)) {
                    tracing::warn!(%failure, "the parent of an emptied directory");
                }
            }
        }
    }

    /// Flushes every directory that changed, several at once.
    fn flush(&self, batch: &Batch) -> Result<(), Failure> {
        if batch.dirs.is_empty() || failpoints::skips(failpoints::SKIP_DIR_FLUSH) {
            return Ok(());
        }
        let begun = Instant::now();
        let mut dirs = batch.dirs.values();
        let own = dirs.next().expect("at least one directory changed");
        let (send, receive) = mpsc::channel();
        for dir in dirs {
            let (dir, send) = (Arc::clone(dir), send.clone());
            self.flushers.run(move || {
                // Nobody waits where another flush failed first.
                let _ = send.send(rustix::fs::fsync(&*dir));
            });
        }
        drop(send);
        let mut flushed = rustix::fs::fsync(&**own);
        // A flusher that panicked is a missing answer: a failed flush.
        for _ in 1..batch.dirs.len() {
            flushed = flushed.and(receive.recv().unwrap_or(Err(Errno::IO)));
        }
        let metrics = &self.shared.metrics;
        metrics.dir_flush.observe(begun.elapsed().as_secs_f64());
        let changes = batch.linked.len() + batch.removed.len() + batch.moved.len();
        metrics.batch.observe(changes as f64);
        kit::crash_here!("node::after_dir_flush");
        flushed.map_err(|e| Failure::io("flush a directory", e))
    }

    /// The batch is durable: tells the index, then those who wait.
    fn confirm(&self, batch: Batch) {
        let shared = &self.shared;
        if !batch.linked.is_empty() {
            let mut index = shared.index_mut(Place::Data);
            for linked in &batch.linked {
                index.insert(&linked.name, linked.leaf);
            }
        }
        kit::crash_here!("node::before_reply");
        for linked in batch.linked {
            shared.bytes.fetch_add(linked.size, Ordering::Relaxed);
            drop(linked.staged.settle());
            (linked.done)(Ok(linked.leaf));
        }
        if !batch.removed.is_empty() {
            kit::crash_here!("node::delete_after_flush");
        }
        for removed in batch.removed {
            shared.space.removed(removed.size);
            if removed.place == Place::Data {
                shared.bytes.fetch_sub(removed.size, Ordering::Relaxed);
            }
            if removed.size > SLOW_CLOSE {
                let file = removed.file;
                self.closer.run(move || drop(file));
            }
            (removed.done)(Ok(true));
        }
        for moved in batch.moved {
            shared.index_mut(moved.to).insert(&moved.name, moved.leaf);
            match moved.to {
                Place::Data => shared.bytes.fetch_add(moved.size, Ordering::Relaxed),
                Place::Quarantine => shared.bytes.fetch_sub(moved.size, Ordering::Relaxed),
            };
            (moved.done)(Ok(Some(moved.leaf)));
        }
        for after in batch.after {
            after(Ok(()));
        }
    }

    /// A flush failed: the batch's files go again, all of it is denied, and no
    /// write is taken until a restart (rule 5).
    fn undo(&mut self, batch: Batch, failure: &Failure) {
        tracing::error!(%failure, "a directory's flush failed: no more writes until a restart");
        self.shared.read_only.store(true, Ordering::Release);
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

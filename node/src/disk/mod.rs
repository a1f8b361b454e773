//! The files of one volume: `data/` and `quarantine/`, two trees of the same
//! shape, and everything that touches them.

mod choice;
mod commit;
mod dir_key;
pub mod health;
pub mod index;
mod lookup;
pub mod meta;
mod ops;
mod rename;
mod scan;
pub mod space;
pub mod stage;
pub mod tree;
pub mod troubles;
mod walk;

pub use lookup::{Copy, Found};
pub use ops::{Done, Op};
pub use walk::Listed;

use crate::fault::Failure;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::vital::Held;
use choice::Choice;
use health::Health;
use index::Index;
use ops::Queue;
use parking_lot::RwLock;
use proto::FileName;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use scan::Scan;
use space::{Claim, Space};
use stage::Staged;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tree::{Shape, Tree};
use troubles::Troubles;

/// How long closing waits for the committer.
const CLOSE: Duration = Duration::from_secs(5);

/// One of the two trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `data/`: what is served.
    Data = 0,
    /// `quarantine/`: what no record lists; never served (rule 11).
    Quarantine = 1,
}

impl Place {
    /// The tree's directory below the volume.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Quarantine => "quarantine",
        }
    }
}

/// How to open a volume's trees.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Bytes of the filesystem that uploads never use.
    pub reserve: u64,
    /// The most bytes that files may take.
    pub capacity: Option<u64>,
    /// Stage under names even where the filesystem has unnamed files.
    pub no_tmpfile: bool,
    /// Rename without the no-replace flag, as on filesystems that lack it.
    pub plain_rename: bool,
}

/// Why a volume's trees can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A call failed.
    #[error("{doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        #[source]
        source: Errno,
    },
    /// The filesystem lacks what records need.
    #[error("the filesystem of {0} keeps no extended attributes (user.*), which the node needs")]
    NoAttributes(String),
    /// The system gives no thread.
    #[error("no thread can be started: raise the limit of threads (RLIMIT_NPROC, pids.max)")]
    NoThread(#[source] std::io::Error),
    /// Something foreign takes the places of directories.
    #[error("{0} holds foreign entries beside 36 of the tree's own: move them away")]
    Overfull(String),
}

/// The open trees. Dropping it first lets the committer end what is queued, for a
/// bounded time.
pub struct Disk {
    shared: Arc<Shared>,
    committer: commit::Running,
}

/// What readers and the committer share.
pub(crate) struct Shared {
    roots: [OwnedFd; 2],
    index: [RwLock<Index>; 2],
    /// By place: files on their way into the tree or out of it, which are in no index
    /// until that is flushed. They count, so that no node seems empty too early
    /// (invariant 7).
    between: [AtomicU64; 2],
    /// Whether the committer is to find out if a file is gone.
    looked_for: AtomicBool,
    bytes: AtomicU64,
    troubles: Troubles,
    /// By place: leaves that could not be read at the start. What they hold is not
    /// known, and not denied.
    unread: [Vec<Range<u32>>; 2],
    /// The current session: every copy that was listed in it was seen when it came.
    session: AtomicU64,
    plain_rename: bool,
    health: Arc<Health>,
    space: Arc<Space>,
    choice: Choice,
    queue: Queue,
    metrics: Arc<Metrics>,
}

impl Disk {
    /// Opens the trees below `dir`, which the caller holds locked: flushes the
    /// volume (rule 5), wipes what was staged, and scans what is there.
    ///
    /// `committer` is held by the thread of that name for as long as it works.
    ///
    /// # Errors
    /// When the filesystem can't be used; no file of the trees is changed then.
    pub fn open(
        dir: &Path,
        options: Options,
        metrics: Arc<Metrics>,
        committer: Held,
    ) -> Result<Self, OpenError> {
        let volume = directory(dir)?;
        rustix::fs::syncfs(&volume).map_err(io_error("flush", dir))?;
        let watched = volume.try_clone().map_err(io_error_of("open", dir))?;
        let space = Space::new(watched, options.reserve, options.capacity)
            .map_err(io_error("ask the free space of", dir))?;
        let staging_dir = dir.join("staging");
        let troubles = Troubles::default();
        let mut scans = Vec::new();
        for place in [Place::Data, Place::Quarantine] {
            let path = dir.join(place.directory());
            make(&path)?;
            scans.push(Scan::run(
                directory(&path)?,
                place.directory(),
                space.blocks(1),
                &troubles,
            )?);
        }
        let quarantine = scans.pop().expect("two trees were scanned");
        let data = scans.pop().expect("two trees were scanned");
        let health = Arc::new(Health::default());
        let closer = Arc::new(Pool::new("close", 1).map_err(OpenError::NoThread)?);
        let no_tmpfile = options.no_tmpfile;
        let choice = Choice::new(staging_dir, &data.root, no_tmpfile, &health, &closer)?;
        // The three directories themselves must outlive a power cut.
        rustix::fs::fsync(&volume).map_err(io_error("flush", dir))?;
        space.stored(data.blocks + quarantine.blocks);
        let trees = [data.counts, quarantine.counts]
            .into_iter()
            .zip([data.blocked, quarantine.blocked])
            .map(|(counts, blocked)| Tree::new(Shape::REAL, counts, blocked));
        let trees: Vec<Tree> = trees.collect();
        let shared = Arc::new(Shared {
            roots: [data.root, quarantine.root],
            index: [RwLock::new(data.index), RwLock::new(quarantine.index)],
            between: Default::default(),
            looked_for: AtomicBool::new(false),
            bytes: AtomicU64::new(data.bytes),
            troubles,
            unread: [data.unread, quarantine.unread],
            session: AtomicU64::new(0),
            plain_rename: options.plain_rename,
            health,
            space: Arc::new(space),
            choice,
            queue: Queue::default(),
            metrics,
        });
        let committer = commit::start(Arc::clone(&shared), trees, closer, committer)
            .map_err(OpenError::NoThread)?;
        Ok(Self { shared, committer })
    }

    /// Begins a file of `size` bytes, or of any size if that is not known.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, or the filesystem's error.
    pub fn stage(&self, size: Option<u64>) -> Result<Staged, Failure> {
        let claim = self.claim(size)?;
        self.stage_claimed(claim)
    }

    /// Compares what a client announces with the room there is.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`.
    pub fn claim(&self, size: Option<u64>) -> Result<Claim, Failure> {
        self.shared.health.check()?;
        self.shared.space.claim(size.unwrap_or(0))
    }

    /// Begins a file that was claimed.
    ///
    /// # Errors
    /// The filesystem's error.
    pub fn stage_claimed(&self, claim: Claim) -> Result<Staged, Failure> {
        failpoint::crash_here!("node::u1_before_stage");
        self.shared.choice.get()?.create(claim)
    }

    /// Hands an operation to the committer, which answers through its `done`.
    pub fn submit(&self, op: Op) {
        self.shared.queue.push(op);
    }

    /// Files in `data/` that are flushed, those on their way out included.
    pub fn files(&self) -> u64 {
        self.counts().0
    }

    /// Files in quarantine, those on their way there included.
    pub fn quarantined(&self) -> u64 {
        self.counts().1
    }

    /// Both as they are at one instant: a file that goes from one tree to the other
    /// is in one of the counts (invariant 7).
    pub fn counts(&self) -> (u64, u64) {
        self.shared.counts()
    }

    /// The parts of the trees that can't be used.
    pub fn troubles(&self) -> &Troubles {
        &self.shared.troubles
    }

    /// Bytes of the files in `data/`.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Whether the disk takes writes (rule 5), and whether it answers.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// The volume's room.
    pub fn space(&self) -> &Space {
        &self.shared.space
    }

    /// Keeps the disk's figures up to date: asks for its free space, and whether it
    /// takes a file. Blocks for as long as the disk does not answer.
    pub fn watch(&self) {
        self.shared.space.refresh();
        if self.shared.health.refusal().is_none()
            && let Ok(staging) = self.shared.choice.get()
        {
            staging.probe();
        }
    }

    /// Operations that wait for the committer.
    pub fn waiting(&self) -> usize {
        self.shared.queue.len()
    }

    /// Notes that a session begins: copies that are listed in it were not there before.
    pub fn begin_session(&self, session: u64) {
        self.shared.session.store(session, Ordering::Release);
    }

    /// Looks for a copy among the flushed files, in the hinted leaf first.
    ///
    /// # Errors
    /// When a candidate can't be read, or the copy may lie in a directory that could
    /// not be read at the start.
    pub fn find(&self, place: Place, copy: &Copy) -> Result<Option<Found>, Failure> {
        self.shared.find(place, copy)
    }

    /// Walks a tree in the order of its leaves, from leaf `from` on, and gives
    /// every flushed file to `each`, until it returns false.
    ///
    /// # Errors
    /// When a directory can't be read.
    pub fn walk(
        &self,
        place: Place,
        from: u32,
        each: &mut dyn FnMut(Listed) -> bool,
    ) -> Result<(), Failure> {
        self.shared.walk(place, from, each)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.queue.close();
        // The last owner may be an answer, which runs on the committer's own thread.
        if self.committer.thread.thread().id() != std::thread::current().id() {
            // Waits for the committer, but not for ever where the disk does not
            // answer: nothing that was answered depends on what is queued.
            let ended = self.committer.ended.get_mut();
            let _ = ended.recv_timeout(CLOSE);
        }
    }
}

impl Shared {
    fn root(&self, place: Place) -> &OwnedFd {
        &self.roots[place as usize]
    }

    fn index(&self, place: Place) -> parking_lot::RwLockReadGuard<'_, Index> {
        self.index[place as usize].read()
    }

    fn counts(&self) -> (u64, u64) {
        // Nothing leaves an index or comes into it while both are held.
        let (data, quarantine) = (self.index(Place::Data), self.index(Place::Quarantine));
        let between = |place| self.between[place as usize].load(Ordering::Acquire);
        (
            data.count() as u64 + between(Place::Data),
            quarantine.count() as u64 + between(Place::Quarantine),
        )
    }

    /// Has the committer find out whether a file is gone. One at a time: whoever comes
    /// meanwhile finds it missing later.
    fn look_for(&self, place: Place, copy: &Copy) {
        if !self.looked_for.swap(true, Ordering::AcqRel) {
            let copy = copy.clone();
            self.queue.push(Op::Gone { place, copy });
        }
    }

    /// Counts the bytes of a file no more. They are what its record says, and what was counted
    /// when the node started is what the file had: one that was cut short had fewer.
    fn shrinks(&self, bytes: u64) {
        let less = |all: u64| Some(all.saturating_sub(bytes));
        let _ = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// A file leaves the index of `from`, and counts as one of `to` until it is
    /// [settled](Self::settled).
    fn leave(&self, from: Place, to: Place, name: &FileName, leaf: u32) {
        // Counted twice for a moment rather than not at all.
        self.between[to as usize].fetch_add(1, Ordering::AcqRel);
        self.index_mut(from).remove(name, leaf);
    }

    /// A file that counted as one of `to` is in the index of `place`.
    fn arrive(&self, place: Place, to: Place, name: &FileName, leaf: u32) {
        self.index_mut(place).insert(name, leaf);
        self.settled(to);
    }

    /// A file that counted as one of `to` is in an index, or gone for good.
    fn settled(&self, to: Place) {
        self.between[to as usize].fetch_sub(1, Ordering::AcqRel);
    }

    fn index_mut(&self, place: Place) -> parking_lot::RwLockWriteGuard<'_, Index> {
        self.index[place as usize].write()
    }
}

/// The path of a file below its tree's root.
fn file_path(leaf: u32, name: &FileName) -> String {
    let mut path = proto::leaf_path(leaf);
    path.push('/');
    path.push_str(name.as_str());
    path
}

fn io_error_of(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let failed = io_error(doing, path);
    move |error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(Errno) -> OpenError {
    let path = path.display().to_string();
    move |source| OpenError::Io {
        doing,
        path,
        source,
    }
}

/// Opens a directory.
fn directory(path: &Path) -> Result<OwnedFd, OpenError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(io_error("open", path))
}

/// Makes a directory where there is none.
fn make(path: &Path) -> Result<(), OpenError> {
    match rustix::fs::mkdirat(CWD, path, stage::DIR_MODE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(io_error("make", path)(error)),
    }
}

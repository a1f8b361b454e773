//! The files of one volume: `data/` and `quarantine/`, two trees of the same
//! shape, and everything that touches them.

mod commit;
mod dir_key;
pub mod index;
mod lookup;
pub mod meta;
mod ops;
mod scan;
pub mod space;
pub mod stage;
pub mod tree;
mod walk;

pub use lookup::{Copy, Found};
pub use ops::{Done, Op};
pub use walk::Listed;

use crate::fault::Failure;
use crate::metrics::Metrics;
use index::Index;
use ops::Queue;
use proto::FileName;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use scan::Scan;
use space::{Claim, Space};
use stage::{Staged, Staging};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use tree::{Shape, Tree};

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
    /// Something foreign takes the places of directories.
    #[error("{0} holds foreign entries beside 36 of the tree's own: move them away")]
    Overfull(String),
}

/// The open trees. Closing (dropping) it ends what is queued first.
pub struct Disk {
    shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
}

/// What readers and the committer share.
pub(crate) struct Shared {
    roots: [OwnedFd; 2],
    index: [RwLock<Index>; 2],
    bytes: AtomicU64,
    read_only: AtomicBool,
    space: Arc<Space>,
    queue: Queue,
    metrics: Arc<Metrics>,
}

impl Disk {
    /// Opens the trees below `dir`, which the caller holds locked: flushes the
    /// volume (rule 5), wipes what was staged, and scans what is there.
    ///
    /// # Errors
    /// When the filesystem can't be used; nothing is changed then.
    pub fn open(dir: &Path, options: Options, metrics: Arc<Metrics>) -> Result<Self, OpenError> {
        let volume = directory(dir)?;
        rustix::fs::syncfs(&volume).map_err(io_error("flush", dir))?;
        let staging_dir = dir.join("staging");
        wipe(&staging_dir).map_err(|source| OpenError::Io {
            doing: "wipe",
            path: staging_dir.display().to_string(),
            source,
        })?;
        let mut scans = Vec::new();
        for place in [Place::Data, Place::Quarantine] {
            let path = dir.join(place.directory());
            make(&path)?;
            scans.push(Scan::run(directory(&path)?, place.directory())?);
        }
        make(&staging_dir)?;
        // The three directories themselves must outlive a power cut.
        rustix::fs::fsync(&volume).map_err(io_error("flush", dir))?;
        let quarantine = scans.pop().expect("two trees were scanned");
        let data = scans.pop().expect("two trees were scanned");
        let staging = staging(&staging_dir, &data.root, options.no_tmpfile)?;
        let space = Space::new(volume, options.reserve, options.capacity)
            .map_err(io_error("ask the free space of", dir))?;
        space.stored(data.bytes + quarantine.bytes);
        let trees = [data.counts, quarantine.counts]
            .into_iter()
            .zip([data.blocked, quarantine.blocked])
            .map(|(counts, blocked)| Tree::new(Shape::REAL, counts, blocked));
        let trees: Vec<Tree> = trees.collect();
        let shared = Arc::new(Shared {
            roots: [data.root, quarantine.root],
            index: [RwLock::new(data.index), RwLock::new(quarantine.index)],
            bytes: AtomicU64::new(data.bytes),
            read_only: AtomicBool::new(false),
            space: Arc::new(space),
            queue: Queue::new(staging),
            metrics,
        });
        let committer = commit::start(Arc::clone(&shared), trees);
        Ok(Self {
            shared,
            committer: Some(committer),
        })
    }

    /// Begins a file of `size` bytes, or of any size if that is not known.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`, or the filesystem's error.
    pub fn stage(&self, size: Option<u64>) -> Result<Staged, Failure> {
        let claim = self.claim(size)?;
        self.stage_claimed(claim)
    }

    /// Promises room for a file, before its bytes are there.
    ///
    /// # Errors
    /// `NoSpace`, `ReadOnly`.
    pub fn claim(&self, size: Option<u64>) -> Result<Claim, Failure> {
        if self.is_read_only() {
            return Err(Failure::read_only());
        }
        self.shared.space.claim(size.unwrap_or(0))
    }

    /// Begins a file for which room is promised.
    ///
    /// # Errors
    /// The filesystem's error.
    pub fn stage_claimed(&self, claim: Claim) -> Result<Staged, Failure> {
        kit::crash_here!("node::before_stage");
        self.shared.queue.staging().create(claim)
    }

    /// Hands an operation to the committer, which answers through its `done`.
    pub fn submit(&self, op: Op) {
        self.shared.queue.push(op);
    }

    /// Files in `data/` that are flushed.
    pub fn files(&self) -> u64 {
        self.shared.index(Place::Data).count() as u64
    }

    /// Files in quarantine.
    pub fn quarantined(&self) -> u64 {
        self.shared.index(Place::Quarantine).count() as u64
    }

    /// Bytes of the files in `data/`.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Whether a flush failed since the start (rule 5).
    pub fn is_read_only(&self) -> bool {
        self.shared.read_only.load(Ordering::Acquire)
    }

    /// The volume's room.
    pub fn space(&self) -> &Space {
        &self.shared.space
    }

    /// Operations that wait for the committer.
    pub fn waiting(&self) -> usize {
        self.shared.queue.len()
    }

    /// Looks for a copy among the flushed files; with a hint at its leaf that
    /// is looked at first.
    ///
    /// # Errors
    /// When a candidate can't be read.
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
        let Some(committer) = self.committer.take() else {
            return;
        };
        // The last owner may be an answer that the committer itself gives.
        if committer.thread().id() != std::thread::current().id() {
            // A committer that panicked has said so already.
            let _ = committer.join();
        }
    }
}

impl Shared {
    fn root(&self, place: Place) -> &OwnedFd {
        &self.roots[place as usize]
    }

    fn index(&self, place: Place) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index[place as usize]
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn index_mut(&self, place: Place) -> std::sync::RwLockWriteGuard<'_, Index> {
        self.index[place as usize]
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The path of a file below its tree's root.
fn file_path(leaf: u32, name: &FileName) -> String {
    let mut path = proto::leaf_path(leaf);
    path.push('/');
    path.push_str(name.as_str());
    path
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

/// Removes the staging tree: what was staged at a crash was never acknowledged.
fn wipe(path: &Path) -> Result<(), Errno> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}

/// Chooses how to stage: unnamed files where the filesystem has them and they
/// can be linked, which is tried out beside the tree, never in it.
fn staging(dir: &Path, data: &OwnedFd, no_tmpfile: bool) -> Result<Staging, OpenError> {
    let root = directory(dir)?;
    let probe = "probe";
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let named = rustix::fs::openat(&root, probe, flags | OFlags::CREATE, stage::FILE_MODE)
        .map_err(io_error("write to", dir))?;
    let attributes = rustix::fs::fsetxattr(
        &named,
        meta::XATTR,
        b"probe",
        rustix::fs::XattrFlags::empty(),
    );
    let none = rustix::fs::AtFlags::empty();
    rustix::fs::unlinkat(&root, probe, none).map_err(io_error("write to", dir))?;
    match attributes {
        Ok(()) => {}
        Err(Errno::OPNOTSUPP) => return Err(OpenError::NoAttributes(dir.display().to_string())),
        Err(error) => return Err(io_error("write an attribute in", dir)(error)),
    }
    let unnamed = rustix::fs::openat(&root, ".", flags | OFlags::TMPFILE, stage::FILE_MODE)
        .and_then(|file| {
            use rustix::fd::AsRawFd;
            let from = format!("/proc/self/fd/{}", file.as_raw_fd());
            let follow = rustix::fs::AtFlags::SYMLINK_FOLLOW;
            rustix::fs::linkat(CWD, from, &root, probe, follow)?;
            rustix::fs::unlinkat(&root, probe, none)
        });
    match unnamed {
        Ok(()) if !no_tmpfile => {
            let dir = data.try_clone().map_err(|e| {
                io_error("open", dir)(Errno::from_io_error(&e).unwrap_or(Errno::IO))
            })?;
            Ok(Staging::Unnamed(Arc::new(dir)))
        }
        Ok(()) => Ok(Staging::named(root)),
        Err(error) => {
            tracing::info!(%error, "no unnamed files here: staging under names");
            Ok(Staging::named(root))
        }
    }
}

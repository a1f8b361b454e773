//! Who a volume belongs to: kept beside the tree, written durably before
//! anything rests on it.

use crate::durable::replace;
use parking_lot::Mutex;
use proto::NodeId;
use rustix::fd::AsFd;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The format of volumes that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

const FILE: &str = "volume.json";
const LOCK: &str = "lock";

/// What is kept of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The format of all that lies beside this file.
    pub format: u32,
    /// Chosen at random when the volume was formatted.
    pub volume_id: Uuid,
    /// The node that formatted it.
    pub node_id: String,
    /// The cluster it belongs to, once it has joined one.
    pub cluster_id: Option<Uuid>,
    /// The highest leader number seen (rule 10).
    pub leader: u64,
    /// Sealed by a drain (rule 15).
    pub sealed: bool,
    /// The highest generation of a copy that the volume ever took (rule 17);
    /// volumes of earlier versions don't have it.
    #[serde(default)]
    pub generation: u32,
}

/// Why a volume is refused. It is left untouched.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// Another process holds it.
    #[error("--data {path}: is in use by another node{holder}")]
    Locked {
        /// The volume.
        path: PathBuf,
        /// Its process, where that is known.
        holder: String,
    },
    /// Written by a newer version.
    #[error(
        "--data {path}: has format {found}, this version knows up to {FORMAT}; nothing was changed"
    )]
    Newer {
        /// The volume.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// Another node's volume.
    #[error(
        "--data {path}: belongs to node {found:?}, not to {wanted:?} (--id); nothing was changed"
    )]
    OtherNode {
        /// The volume.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who asked for it.
        wanted: String,
    },
    /// No mount, where one is required.
    #[error(
        "--data {0}: neither it nor its parent is a mount point (--require-mount); nothing was changed"
    )]
    NoMount(PathBuf),
    /// The identity can't be understood.
    #[error("--data {path}: {FILE} can't be understood; nothing was changed")]
    Damaged {
        /// The volume.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A file tree without an identity.
    #[error("--data {0}: has files in data/ but no {FILE}; nothing was changed")]
    NoIdentity(PathBuf),
    /// A call failed.
    #[error("--data {path}: {doing}")]
    Io {
        /// The volume.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

/// A volume's identity, locked for this process for as long as this lives.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    /// Replaced whole, after it is on disk: never half changed.
    identity: Mutex<Identity>,
    /// Held while the identity is written, which may take long.
    writing: Mutex<()>,
    /// Holds the lock; the kernel gives it back however the process ends.
    _lock: File,
}

impl Volume {
    /// Locks a volume, and formats it if it is new.
    ///
    /// # Errors
    /// When it is another node's, newer, in use, or can't be read.
    pub fn open(path: &Path, node: &NodeId, require_mount: bool) -> Result<Self, VolumeError> {
        if require_mount && !is_mounted(path) {
            return Err(VolumeError::NoMount(path.to_owned()));
        }
        let failed = |doing| {
            move |source| VolumeError::Io {
                path: path.to_owned(),
                doing,
                source,
            }
        };
        std::fs::create_dir_all(path).map_err(failed("make the directory"))?;
        let lock = take_lock(path)?;
        let identity = match read(path)? {
            Some(identity) if identity.node_id == node.as_str() => identity,
            Some(identity) => {
                return Err(VolumeError::OtherNode {
                    path: path.to_owned(),
                    found: identity.node_id,
                    wanted: node.as_str().to_owned(),
                });
            }
            None => {
                let data = path.join("data");
                if std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some()) {
                    return Err(VolumeError::NoIdentity(path.to_owned()));
                }
                let fresh = Identity {
                    format: FORMAT,
                    volume_id: Uuid::new_v4(),
                    node_id: node.as_str().to_owned(),
                    cluster_id: None,
                    leader: 0,
                    sealed: false,
                    generation: 0,
                };
                replace(path, FILE, &fresh).map_err(failed("write volume.json"))?;
                fresh
            }
        };
        Ok(Self {
            path: path.to_owned(),
            identity: Mutex::new(identity),
            writing: Mutex::default(),
            _lock: lock,
        })
    }

    /// The identity as it is on disk now.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// The volume's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes the identity, durably before anybody sees it. Blocks.
    fn change(&self, change: impl FnOnce(&mut Identity)) -> std::io::Result<()> {
        let _one_at_a_time = self.writing.lock();
        let before = self.identity();
        let mut next = before.clone();
        change(&mut next);
        if next != before {
            replace(&self.path, FILE, &next)?;
            *self.identity.lock() = next;
        }
        Ok(())
    }

    /// Joins the volume to a cluster, if it belongs to none yet. False when it
    /// belongs to another. Blocks.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn adopt_cluster(&self, cluster: Uuid) -> std::io::Result<bool> {
        self.change(|identity| {
            identity.cluster_id.get_or_insert(cluster);
        })?;
        Ok(self.identity.lock().cluster_id == Some(cluster))
    }

    /// Notes a leader's number before it is obeyed (rule 10). A number below the highest
    /// is refused, and the highest returned. Blocks.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn observe_leader(&self, leader: u64) -> std::io::Result<Result<(), u64>> {
        let highest = self.identity.lock().leader;
        if leader < highest {
            return Ok(Err(highest));
        }
        self.change(|identity| identity.leader = identity.leader.max(leader))?;
        Ok(Ok(()))
    }

    /// Whether a generation is above all that the volume ever took.
    pub fn is_new_generation(&self, generation: u32) -> bool {
        generation > self.identity.lock().generation
    }

    /// Notes a generation before a copy of it can appear (rule 17). Blocks where
    /// it is a new one, which is rare.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn observe_generation(&self, generation: u32) -> std::io::Result<()> {
        if !self.is_new_generation(generation) {
            return Ok(());
        }
        self.change(|identity| identity.generation = identity.generation.max(generation))
    }

    /// Seals the volume, or opens it again. Blocks.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn set_sealed(&self, sealed: bool) -> std::io::Result<()> {
        self.change(|identity| identity.sealed = sealed)
    }
}

/// Takes the exclusive lock, or says who holds it.
fn take_lock(path: &Path) -> Result<File, VolumeError> {
    let failed = |source| VolumeError::Io {
        path: path.to_owned(),
        doing: "lock the volume",
        source,
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = match options.open(path.join(LOCK)) {
        // A disk that turned read-only is still served from.
        Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
            File::open(path.join(LOCK))
        }
        opened => opened,
    }
    .map_err(failed)?;
    match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            // Only for the message.
            let _ = file.read_to_string(&mut text);
            let holder = match text.trim() {
                "" => String::new(),
                pid => format!(" (process {pid})"),
            };
            return Err(VolumeError::Locked {
                path: path.to_owned(),
                holder,
            });
        }
        Err(error) => return Err(failed(error.into())),
    }
    // Only for the message to others: a full disk has no room for it.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn read(path: &Path) -> Result<Option<Identity>, VolumeError> {
    let text = match std::fs::read(path.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(VolumeError::Io {
                path: path.to_owned(),
                doing: "read volume.json",
                source,
            });
        }
    };
    let damaged = |source| VolumeError::Damaged {
        path: path.to_owned(),
        source,
    };
    // The format first: a newer one may have other fields.
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
    let found = value.get("format").and_then(serde_json::Value::as_u64);
    if let Some(found) = found.filter(|found| *found > u64::from(FORMAT)) {
        return Err(VolumeError::Newer {
            path: path.to_owned(),
            found,
        });
    }
    serde_json::from_value(value).map(Some).map_err(damaged)
}

/// Whether a path or its parent is the root of a mount.
fn is_mounted(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let is_root = |path: &Path| {
        statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
            .is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    };
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    is_root(path) || parent.is_some_and(|parent| parent != Path::new("/") && is_root(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str) -> NodeId {
        NodeId::new(id).expect("a good id")
    }

    #[test]
    fn a_volume_keeps_who_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let cluster = Uuid::new_v4();
        let first = Volume::open(dir.path(), &node("n1"), false).expect("new");
        assert!(first.adopt_cluster(cluster).expect("written"));
        assert!(!first.adopt_cluster(Uuid::new_v4()).expect("read"));
        assert_eq!(first.observe_leader(7).expect("written"), Ok(()));
        assert_eq!(first.observe_leader(6).expect("read"), Err(7));
        first.set_sealed(true).expect("written");
        first.observe_generation(3).expect("written");
        first.observe_generation(2).expect("read");
        let before = first.identity();
        drop(first);
        let again = Volume::open(dir.path(), &node("n1"), false).expect("the same node");
        assert_eq!(again.identity(), before);
        assert_eq!(before.cluster_id, Some(cluster));
        assert!(before.sealed);
        assert!(again.is_new_generation(4) && !again.is_new_generation(3));
    }

    #[test]
    fn other_nodes_and_newer_formats_are_refused_untouched() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(Volume::open(dir.path(), &node("n1"), false).expect("new"));
        let text = std::fs::read(dir.path().join(FILE)).expect("there");
        let error = Volume::open(dir.path(), &node("n2"), false).expect_err("another's");
        assert!(error.to_string().contains("belongs to node \"n1\""));
        assert_eq!(std::fs::read(dir.path().join(FILE)).expect("there"), text);
        std::fs::write(dir.path().join(FILE), r#"{"format": 2, "new": true}"#).expect("written");
        let error = Volume::open(dir.path(), &node("n1"), false).expect_err("newer");
        assert!(error.to_string().contains("format 2"));
    }

    #[test]
    fn a_second_process_is_told_who_holds_the_volume() {
        let dir = tempfile::tempdir().expect("a directory");
        let _held = Volume::open(dir.path(), &node("n1"), false).expect("new");
        let error = Volume::open(dir.path(), &node("n1"), false).expect_err("held");
        assert!(error.to_string().contains(&std::process::id().to_string()));
    }

    #[test]
    fn a_tree_without_its_identity_and_a_path_without_mount_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("data/0")).expect("made");
        let error = Volume::open(dir.path(), &node("n1"), false).expect_err("no identity");
        assert!(matches!(error, VolumeError::NoIdentity(_)));
        let deep = dir.path().join("a/b");
        let error = Volume::open(&deep, &node("n1"), true).expect_err("no mount");
        assert!(matches!(error, VolumeError::NoMount(_)));
        assert!(!deep.exists());
    }
}

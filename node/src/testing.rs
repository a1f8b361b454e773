//! A node on a fresh volume, for tests.

use crate::creates::MAX_TOMBSTONES;
use crate::disk::meta::{CopyKey, Meta};
use crate::disk::{Copy, Disk, Op, Options};
use crate::identity::Volume;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::scrub::{Pace, Scrub};
use crate::vital::Vital;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use proto::{FileId, FileName, NodeId};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A node, and its directory.
pub(crate) fn node() -> (Arc<Node>, TempDir) {
    node_with(MAX_TOMBSTONES)
}

/// The same, with room for so many tombstones.
pub(crate) fn node_with(max_tombstones: usize) -> (Arc<Node>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let id = NodeId::new("n1").expect("a node id");
    let volume = Volume::open(dir.path(), &id, false).expect("a volume");
    let (metrics, leaving) = (Arc::new(Metrics::default()), CancellationToken::new());
    let vital = Vital::new(leaving.clone());
    let committer = vital.hold("the committer");
    let disk = Disk::open(
        dir.path(),
        Options::default(),
        Arc::clone(&metrics),
        committer,
    );
    let pace = Pace {
        bytes_per_second: 0,
        every: Duration::from_secs(1),
    };
    let scrub = Scrub::open(dir.path(), pace).expect("a scrub");
    let disk = disk.expect("a disk");
    let node = Node::new(volume, disk, scrub, metrics, leaving, max_tombstones);
    (node.expect("threads"), dir)
}

/// A file on a node.
pub(crate) async fn store(node: &Node, name: &str, data: &'static [u8]) -> Copy {
    let name = FileName::new(name).expect("a file name");
    let data = Bytes::from_static(data);
    let key = CopyKey {
        id: FileId::random(),
        generation: 1,
    };
    let meta = Meta {
        key,
        size: data.len() as u64,
        crc64: checksum(CrcAlgorithm::Crc64Nvme, &data),
        sha256: None,
        created_ms: 0,
        content_type: String::new(),
        idempotency_key: String::new(),
    };
    let mut staged = Box::new(node.disk.stage(Some(meta.size)).expect("staged"));
    staged.append(&[data]).expect("written");
    staged.seal(meta.clone()).expect("sealed");
    let linked = node.ask(|done| Op::Link {
        staged,
        name: name.clone(),
        meta: Box::new(meta),
        done,
    });
    let leaf = Some(linked.await.expect("linked"));
    Copy {
        name,
        key,
        leaf,
        session: 0,
    }
}

//! The table of joined nodes.

use super::call_error::CallError;
use super::node::Node;
use super::refused::Refused;
use crate::placement::{Candidate, Unplaced, choose};
use crate::world::World;
use messages::NodeId;
use messages::v1::RefusedFor;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Every node whose join stream is open.
pub struct Nodes {
    world: World,
    joined: RwLock<BTreeMap<NodeId, Arc<Node>>>,
    /// Makes choosing a node and counting the upload one step.
    placing: Mutex<()>,
    changes: watch::Sender<u64>,
    refused: Refused,
}

/// Why no node could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoNode {
    /// No node takes files now.
    NoneAvailable,
    /// None has room.
    NoRoom,
}

/// A node chosen for a file. The file is counted there until this is dropped: once the
/// node has answered, its own count includes the file.
pub(crate) struct Placement {
    /// The node.
    pub node: Arc<Node>,
    /// Its session when it was chosen (rule 4).
    pub session: u64,
    /// Bytes of a move.
    moving: u64,
}

impl Drop for Placement {
    fn drop(&mut self) {
        self.node.end(self.moving);
    }
}

impl Nodes {
    /// None has joined yet.
    pub fn new(world: World) -> Self {
        Self {
            world,
            joined: RwLock::default(),
            placing: Mutex::default(),
            changes: watch::Sender::new(0),
            refused: Refused::default(),
        }
    }

    /// Adds a node, in place of an earlier one of the same id.
    pub fn insert(&self, node: Arc<Node>) {
        self.refused.forget(&node.id);
        let mut joined = self.joined.write();
        if let Some(earlier) = joined.insert(node.id.clone(), node) {
            earlier.closed.cancel();
        }
        drop(joined);
        self.changes.send_modify(|n| *n += 1);
    }

    /// Takes a node out, unless another took its place.
    pub fn remove(&self, node: &Arc<Node>) {
        node.closed.cancel();
        let mut joined = self.joined.write();
        if joined
            .get(&node.id)
            .is_some_and(|held| Arc::ptr_eq(held, node))
        {
            joined.remove(&node.id);
        }
        drop(joined);
        self.changes.send_modify(|n| *n += 1);
    }

    /// Notes why a node that came under this id was refused.
    pub(crate) fn note_refused(&self, id: &NodeId, pool: &str, why: String, about: RefusedFor) {
        self.refused.note(self.world.now(), id, pool, why, about);
    }

    /// A node of a pool, or of any, whose volume is of another cluster and that was
    /// refused lately.
    pub(crate) fn foreign(&self, pool: &str) -> Option<NodeId> {
        self.refused.foreign(self.world.now(), pool)
    }

    /// Which nodes of a pool, or of any, were refused lately, and why.
    pub fn refused_of(&self, pool: &str) -> Vec<(NodeId, String, RefusedFor)> {
        self.refused.of(self.world.now(), pool)
    }

    /// Why a node that came under this id was refused lately.
    pub fn refused(&self, id: &NodeId) -> Option<(String, RefusedFor)> {
        self.refused.why(self.world.now(), id)
    }

    /// How often nodes have joined, left or changed their role.
    pub(crate) fn joins(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Changes whenever a node joins or leaves.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Informs the watchers that a node's role changed.
    pub fn touched(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    /// The node, if it is available.
    pub fn available(&self, id: &NodeId) -> Option<Arc<Node>> {
        self.joined(id).filter(|node| node.is_available())
    }

    /// The node, to be called.
    ///
    /// # Errors
    /// When it is not available.
    pub(crate) fn reach(&self, id: &NodeId) -> Result<Arc<Node>, CallError> {
        let out = || CallError::NotSent(format!("node {id} is unavailable"));
        self.available(id).ok_or_else(out)
    }

    /// The node, if its stream is open.
    pub fn joined(&self, id: &NodeId) -> Option<Arc<Node>> {
        self.joined.read().get(id).cloned()
    }

    /// Every node whose stream is open, in order of ids.
    pub fn all(&self) -> Vec<Arc<Node>> {
        self.joined.read().values().cloned().collect()
    }

    /// Every available node, in order of ids.
    pub fn all_available(&self) -> Vec<Arc<Node>> {
        let mut nodes = self.all();
        nodes.retain(|node| node.is_available());
        nodes
    }

    /// Chooses a node for a file and counts it there.
    ///
    /// # Errors
    /// Distinguishes having no node from having no room.
    pub(crate) fn place(&self, size: Option<u64>, tried: &[NodeId]) -> Result<Placement, NoNode> {
        let mut nodes = self.all_available();
        nodes.retain(|node| !tried.contains(&node.id));
        let _one_at_a_time = self.placing.lock();
        let candidates: Vec<Candidate> = nodes.iter().map(|node| candidate(node)).collect();
        match choose(&candidates, size) {
            Ok(chosen) => Ok(count_on(nodes.swap_remove(chosen), 0)),
            Err(Unplaced::NoneAvailable) => Err(NoNode::NoneAvailable),
            Err(Unplaced::NoRoom) => Err(NoNode::NoRoom),
        }
    }

    /// Counts a file that is moved to a node.
    pub(crate) fn place_on(&self, node: Arc<Node>, size: u64) -> Placement {
        let _one_at_a_time = self.placing.lock();
        count_on(node, size)
    }
}

fn candidate(node: &Node) -> Candidate {
    let report = node.report();
    Candidate {
        files: node.count(),
        free: node.free(),
        free_inodes: report.free_inodes,
        writable: node.takes_files(),
    }
}

fn count_on(node: Arc<Node>, moving: u64) -> Placement {
    node.begin(moving);
    Placement {
        session: node.session(),
        node,
        moving,
    }
}

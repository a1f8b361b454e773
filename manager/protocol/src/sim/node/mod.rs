//! A node in memory. It keeps the real node's rules (3, 4, 5, 14 and 15 of
//! ARCHITECTURE.md): it denies nothing before all that it was asked earlier is flushed, and
//! what was not flushed when it is killed may be there afterwards, or not.
//!
//! It knows what its disk spoils only of files that were read again: by a call, after a
//! transfer that was refused for its bytes, or where a test has it scrub.
//!
//! Left out: a scrub of its own, disks that fail, are full or silent, leaves that can't be read, and transfers
//! that go on where they broke off (rule 4), which are worth it for large files alone.

mod commit;
mod creates;
mod peers;
mod streams;
mod transfer;
mod tree;
mod verbs;

pub(in crate::sim) use peers::{Peers, ticket};
pub use tree::{CopyKey, Held};

use super::dooms::Dooms;
use super::process::Process;
use crate::nodes::CallError;
use crate::world::Runtime;
use bytes::Bytes;
use commit::Committer;
use creates::Creates;
use messages::v1::{Counted, Hello, IdentifyReply, Report};
use messages::{PROTOCOL, PROTOCOL_MIN};
use names::NodeId;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tree::{Op, Trees};
use uuid::Uuid;

/// After how long a create that waits for its Finish is ended.
const IDLE: Duration = Duration::from_secs(60);
/// How often that is looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// Room that a node reports.
const FREE: u64 = 1 << 40;

/// One node and its volume.
pub struct MemoryNode {
    /// Its id.
    pub id: NodeId,
    /// Where it is reached.
    pub endpoint: String,
    volume_id: Uuid,
    world: Process,
    state: Mutex<State>,
}

/// A process on the volume; every start begins another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) struct Life(u64);

/// All of a node, to be held under one lock, and over no wait.
struct State {
    life: Life,
    out: bool,
    creates: Creates,
    committer: Arc<Committer>,
    /// What is written and not flushed: a kill decides whether it is there.
    unflushed: Option<Op>,
    trees: Trees,
    /// Durable, as the trees are.
    identity: Identity,
    beat: (u64, u64),
    counted: u64,
}

/// What a node keeps beside its files.
#[derive(Default)]
struct Identity {
    cluster: Option<Uuid>,
    leader: u64,
    generation: u32,
}

impl MemoryNode {
    /// A fresh volume and a node that runs on it. `max_tombstones` is small, so that
    /// sessions end by that as well (rule 4). What it removes is held against `dooms`.
    pub fn start(world: &Process, id: NodeId, max_tombstones: usize, dooms: Dooms) -> Arc<Self> {
        let node = Arc::new(Self {
            endpoint: format!("{id}:1"),
            id,
            volume_id: Uuid::from_u64_pair(world.random(), world.random()),
            world: world.clone(),
            state: Mutex::new(State {
                life: Life(1),
                out: false,
                creates: Creates::new(session(world), max_tombstones),
                committer: Arc::default(),
                unflushed: None,
                trees: Trees::new(dooms),
                identity: Identity::default(),
                beat: (0, 0),
                counted: 0,
            }),
        });
        world.run(Arc::clone(&node).sweep());
        node
    }

    /// Kills the node and starts it again: another session, nothing open, and of what was
    /// not flushed the seed decides whether it is there.
    pub fn restart(&self) {
        let kept = self.world.one_in(2);
        let session = session(&self.world);
        let mut state = self.state.lock();
        state.life.0 += 1;
        state.beat = (0, 0);
        state.creates.restart(session);
        state.committer = Arc::default();
        if let Some(op) = state.unflushed.take().filter(|_| kept) {
            state.trees.apply(op);
        }
    }

    /// Nothing reaches the node from now on, or everything does again.
    pub fn set_out(&self, out: bool) {
        self.state.lock().out = out;
    }

    /// Whether nothing reaches it.
    pub fn is_out(&self) -> bool {
        self.state.lock().out
    }

    /// The process that runs on the volume now.
    pub(in crate::sim) fn life(&self) -> Life {
        self.state.lock().life
    }

    /// Its files.
    pub fn files(&self) -> Vec<(CopyKey, Held)> {
        self.copies(false)
    }

    /// What is in quarantine.
    pub fn quarantined(&self) -> Vec<(CopyKey, Held)> {
        self.copies(true)
    }

    /// It reads a copy again, as its scrub does with all in turn.
    pub fn scrub(&self, key: CopyKey) {
        self.state.lock().trees.judge(key);
    }

    /// Its disk loses a file, or spoils its bytes, which the node does not notice.
    pub fn damage(&self, key: CopyKey, spoilt: bool) {
        self.state.lock().trees.damage(key, spoilt);
    }

    fn copies(&self, quarantine: bool) -> Vec<(CopyKey, Held)> {
        let state = self.state.lock();
        let copies = state.trees.all(quarantine).iter();
        copies.map(|(key, held)| (*key, held.clone())).collect()
    }

    /// How many creates are open.
    pub fn open_creates(&self) -> usize {
        self.state.lock().creates.open_count()
    }

    /// The call's answer where the process that was asked does not live any more.
    ///
    /// # Errors
    /// `Lost`.
    fn lives(&self, life: Life) -> Result<(), CallError> {
        match self.life() == life {
            true => Ok(()),
            false => Err(CallError::Lost("the node was killed".to_owned())),
        }
    }

    /// Lets a message in, or an answer out.
    ///
    /// # Errors
    /// `Lost`, where the node is out.
    pub(super) fn reach(&self) -> Result<(), CallError> {
        match self.is_out() {
            false => Ok(()),
            true => Err(CallError::Lost("the node is out".to_owned())),
        }
    }

    /// How it introduces itself to a manager.
    pub(super) fn hello(&self) -> Hello {
        let state = self.state.lock();
        let cluster = state.identity.cluster;
        Hello {
            node_id: self.id.to_string(),
            volume_id: self.volume_id.as_bytes().to_vec().into(),
            session: state.creates.session,
            pool: "sim".to_owned(),
            cluster_id: cluster
                .map_or_else(Vec::new, |id| id.as_bytes().to_vec())
                .into(),
            endpoint: self.endpoint.clone(),
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL,
            leader_seen: state.identity.leader,
            version: String::new(),
            beat_seen: state.beat.0,
            generation_seen: state.identity.generation,
            term_seen: state.beat.1,
            ticket_key: Bytes::new(),
        }
    }

    /// It was admitted to a cluster.
    pub(super) fn welcome(&self, cluster: Uuid) {
        self.state.lock().identity.cluster.get_or_insert(cluster);
    }

    /// Remembers the beat that a manager reports.
    pub(super) fn hear_beat(&self, beat: (u64, u64)) {
        // A manager that has just started has not read the lease yet.
        if beat.0 > 0 {
            self.state.lock().beat = beat;
        }
    }

    /// Who serves at its address.
    pub(super) fn identify(&self) -> IdentifyReply {
        IdentifyReply {
            node_id: self.id.to_string(),
            volume_id: self.volume_id.as_bytes().to_vec().into(),
            session: self.state.lock().creates.session,
        }
    }

    /// The count of files now, numbered.
    pub(super) fn counted(&self) -> Counted {
        let mut state = self.state.lock();
        state.counted += 1;
        Counted {
            number: state.counted,
            files: state.trees.all(false).len() as u64,
        }
    }

    /// What it reports to managers.
    pub(super) fn report(&self) -> Report {
        let counted = self.counted();
        let state = self.state.lock();
        let held = state.trees.all(false).values();
        Report {
            session: state.creates.session,
            files: counted.files,
            counted: counted.number,
            bytes: held.map(|held| held.bytes.len() as u64).sum(),
            free: FREE,
            capacity: FREE,
            quarantined: state.trees.all(true).len() as u64,
            sealed: state.creates.sealed,
            free_inodes: FREE,
            ..Report::default()
        }
    }

    /// Ends creates that nobody finishes.
    async fn sweep(self: Arc<Self>) {
        loop {
            self.world.sleep(SWEEP).await;
            let since = self.world.elapsed().saturating_sub(IDLE);
            self.state.lock().creates.sweep(since);
        }
    }
}

/// A session's number: never 0, which stands for none.
fn session(world: &Process) -> u64 {
    world.random() | 1
}

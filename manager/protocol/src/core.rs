//! What every module of the manager works with: the store, the nodes, the limits.

use crate::cache::RecordCache;
use crate::counts::Counts;
use crate::nodes::{Network, Nodes};
use crate::settings::Settings;
use crate::state::{Missing, Moves, Restoring, SetBack, StoreHealth, Unfinished};
use crate::store::{Lease, Record, Store, StoreError};
use crate::world::World;
use messages::FileId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// The manager's state, shared by all that it does.
pub struct Core {
    /// The records.
    pub store: Arc<dyn Store>,
    /// The joined nodes.
    pub nodes: Nodes,
    /// Time, tasks and chance.
    pub world: World,
    /// Asks who answers at an address.
    pub(crate) network: Box<dyn Network>,
    /// Balance and drain: what is under way.
    pub moves: Moves,
    /// Records whose bytes a node denied.
    pub missing: Missing,
    /// Records that were read lately.
    pub(crate) cache: RecordCache,
    /// How many records there are, as they were last counted.
    pub counts: Arc<Counts>,
    /// Whether the store answers.
    pub store_health: StoreHealth,
    /// Files that this process works on, which its own janitor leaves alone, and how
    /// many of its requests and moves work on each.
    busy: Mutex<HashMap<FileId, usize>>,
    /// The cluster that store and nodes belong to.
    cluster_id: Mutex<Uuid>,
    known_nodes: OnceLock<usize>,
    /// A rebuild takes the cluster id from the first node that has one.
    rebuilding: bool,
    leader: AtomicU64,
    /// Merges that were broken off.
    pub(crate) unfinished: Unfinished,
    /// Whether a rebuild still goes on.
    pub(crate) restoring: Restoring,
    /// Whether the store was set back to an earlier state.
    pub set_back: SetBack,
    /// The lease's counter and term as they were last read.
    beat: Mutex<(u64, u64)>,
    /// The highest leader number that a node has seen.
    leader_floor: AtomicU64,
}

impl Core {
    /// Puts the parts together. A store that is being rebuilt takes over the
    /// nodes' cluster id.
    pub fn new(
        store: Arc<dyn Store>,
        cluster_id: Uuid,
        settings: &Settings,
        world: World,
        network: impl Network,
        rebuilding: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            nodes: Nodes::new(world.clone()),
            world,
            network: Box::new(network),
            cluster_id: Mutex::new(cluster_id),
            known_nodes: OnceLock::new(),
            rebuilding,
            moves: Moves::new(settings),
            cache: RecordCache::new(settings.cached_files),
            counts: Arc::default(),
            store_health: StoreHealth::default(),
            missing: Missing::default(),
            busy: Mutex::default(),
            leader: AtomicU64::new(0),
            unfinished: Unfinished::default(),
            restoring: Restoring::default(),
            set_back: SetBack::default(),
            beat: Mutex::default(),
            leader_floor: AtomicU64::new(0),
        })
    }

    /// The cluster that store and nodes belong to.
    pub fn cluster_id(&self) -> Uuid {
        *self.cluster_id.lock()
    }

    /// Takes over a node's cluster id, which only a rebuild does, and only before its
    /// store holds a record. Returns whether it did.
    ///
    /// # Errors
    /// When the store fails or holds records.
    pub async fn take_over_cluster(&self, id: Uuid) -> Result<bool, StoreError> {
        if !self.rebuilding {
            return Ok(false);
        }
        self.store.set_cluster_id(id).await?;
        *self.cluster_id.lock() = id;
        Ok(true)
    }

    /// How many nodes the store knew when this manager started.
    pub fn known_nodes(&self) -> Option<usize> {
        self.known_nodes.get().copied()
    }

    /// Looks up how many nodes the store knows, for readiness.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn count_known_nodes(&self) -> Result<(), StoreError> {
        let known = self.store.nodes().await?.len();
        self.known_nodes.get_or_init(|| known);
        Ok(())
    }

    /// Marks a file as being worked on until the guard is dropped.
    pub fn busy(self: &Arc<Self>, id: FileId) -> Busy {
        *self.busy.lock().entry(id).or_default() += 1;
        Busy {
            core: self.clone(),
            id,
        }
    }

    /// Whether some request or move of this process works on the file.
    pub fn is_busy(&self, id: &FileId) -> bool {
        self.busy.lock().contains_key(id)
    }

    /// The number of the lease held, 0 where none is (rule 10).
    pub fn leader(&self) -> u64 {
        self.leader.load(Ordering::Relaxed)
    }

    /// The highest leader number that any node has seen: a lease must lie above
    /// it for nodes to obey, which matters once a store was lost or set back.
    pub fn leader_floor(&self) -> u64 {
        self.leader_floor.load(Ordering::Relaxed)
    }

    /// The leader's number that goes to a node with a person's order, or with a merge:
    /// that of the own lease, or of the manager that leads. It makes nodes refuse older
    /// orders that come late (rule 10).
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn order_number(&self) -> Result<u64, StoreError> {
        match self.leader() {
            0 => Ok(self.store.lease().await?.map_or(0, |lease| lease.number)),
            own => Ok(own),
        }
    }

    /// Notes the highest leader number that a node has seen.
    pub fn seen_leader(&self, number: u64) {
        if number > self.leader() {
            self.leader_floor.fetch_max(number, Ordering::Relaxed);
        }
    }

    /// The lease's counter and term as they were last read; the counter only rises
    /// while the store is not set back.
    pub fn beat(&self) -> (u64, u64) {
        *self.beat.lock()
    }

    /// Notes the lease; returns whether its history lacks what was read before: then
    /// the store was set back.
    pub(crate) fn note_beat(&self, lease: Option<&Lease>) -> bool {
        let now = lease.map_or((0, 0), |lease| (lease.counter, lease.term));
        let mut beat = self.beat.lock();
        let (counter, term) = std::mem::replace(&mut *beat, now);
        Lease::lacks(lease, counter, term)
    }

    /// Whether a rebuild restores the records of a lost store.
    pub(crate) fn is_rebuilding(&self) -> bool {
        self.rebuilding
    }

    /// The record's next revision, ready to be changed and swapped in (rule 1).
    pub(crate) fn next_rev(&self, record: &Record) -> Record {
        let mut next = record.clone();
        next.rev += 1;
        next.token = self.world.random();
        next
    }

    /// Notes which lease is held.
    pub fn set_leader(&self, number: u64) {
        self.leader.store(number, Ordering::Relaxed);
    }
}

/// A file that this process works on.
pub struct Busy {
    core: Arc<Core>,
    id: FileId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self.core.busy.lock();
        if let Some(users) = busy.get_mut(&self.id) {
            *users -= 1;
            if *users == 0 {
                busy.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_file_is_busy_until_the_last_who_works_on_it_has_ended() {
        let core = testing::core();
        let (file, other) = (FileId::random(), FileId::random());
        let moving = core.busy(file);
        let deleting = core.busy(file);
        assert!(core.is_busy(&file) && !core.is_busy(&other));
        drop(deleting);
        assert!(core.is_busy(&file), "it is still being moved");
        drop(moving);
        assert!(!core.is_busy(&file));
        assert!(core.busy.lock().is_empty());
    }
}

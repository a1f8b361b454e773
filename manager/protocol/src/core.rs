//! What all rooms work with: the store, the nodes, the world, what is known.

use crate::lead::Lead;
use crate::nodes::{Network, Nodes};
use crate::settings::Settings;
use crate::state::Known;
use crate::store::{Record, Store, StoreError};
use crate::world::World;
use messages::FileId;
use parking_lot::Mutex;
use std::collections::HashMap;
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
    /// Who answers at an address, and tickets.
    pub(crate) network: Box<dyn Network>,
    /// The lease of the leader, as this process knows it.
    pub lead: Lead,
    /// What this process remembers.
    pub known: Known,
    /// Files that this process works on, which its own janitor leaves alone, and how
    /// many of its requests and moves work on each.
    busy: Mutex<HashMap<FileId, usize>>,
    /// Held by an order of drains from when it weighs what is drained until that is written:
    /// of two at once the second one counts what the first one drains.
    pub(crate) drains: tokio::sync::Mutex<()>,
    /// The cluster that store and nodes belong to.
    cluster_id: Mutex<Uuid>,
    known_nodes: OnceLock<usize>,
    /// A rebuild takes the cluster id from the first node that has one.
    rebuilding: bool,
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
            lead: Lead::default(),
            known: Known::new(settings),
            busy: Mutex::default(),
            drains: tokio::sync::Mutex::default(),
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
    pub(crate) async fn take_over_cluster(&self, id: Uuid) -> Result<bool, StoreError> {
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
    pub(crate) fn busy(self: &Arc<Self>, id: FileId) -> Busy {
        *self.busy.lock().entry(id).or_default() += 1;
        Busy {
            core: self.clone(),
            id,
        }
    }

    /// Whether some request or move of this process works on the file.
    pub(crate) fn is_busy(&self, id: &FileId) -> bool {
        self.busy.lock().contains_key(id)
    }

    /// The leader's number that goes to a node with a person's order, or with a merge:
    /// that of the own lease, or of the manager that leads. It makes nodes refuse older
    /// orders that come late (rule 10).
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn order_number(&self) -> Result<u64, StoreError> {
        match self.lead.number() {
            0 => Ok(self.store.lease().await?.map_or(0, |lease| lease.number)),
            own => Ok(own),
        }
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
}

/// A file that this process works on.
pub(crate) struct Busy {
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

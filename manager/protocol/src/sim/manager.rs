//! A manager in a simulated world: the protocol's state and the tasks that it lives by, as
//! the real one runs them. It dies at once and whole.

use super::joins::Joins;
use super::network::SimNetwork;
use super::node::{MemoryNode, Peers};
use super::process::Process;
use super::wire::Wire;
use crate::cluster::{leader, store_health};
use crate::core::Core;
use crate::settings::Settings;
use crate::store::Store;
use crate::upkeep::{drain, moves, settle, trouble};
use crate::world::World;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One process of a manager.
#[derive(Clone)]
pub struct SimManager {
    /// The protocol's state.
    pub core: Arc<Core>,
    /// Its tasks. Requests run in it as well, and end with it.
    pub process: Process,
}

/// What managers are started on.
#[derive(Clone)]
pub struct Ground {
    /// The process that outlives managers.
    pub outside: Process,
    /// The cluster of the store.
    pub cluster: Uuid,
    /// The store as managers reach it.
    pub store: Arc<dyn Store>,
    /// The nodes.
    pub nodes: Vec<Arc<MemoryNode>>,
    /// The messages.
    pub wire: Wire,
}

impl SimManager {
    /// Starts a manager under a name that no process had before.
    pub fn start(ground: &Ground, name: &str) -> Self {
        let process = ground.outside.another();
        let peers = Peers::new(&ground.nodes);
        let network = SimNetwork {
            peers: peers.clone(),
            wire: ground.wire.clone(),
        };
        let core = Core::new(
            ground.store.clone(),
            ground.cluster,
            &Settings::default(),
            World::new(process.clone()),
            network,
            false,
        );
        let stop = CancellationToken::new();
        process.run(leader::run(core.clone(), name.to_owned(), stop.clone()));
        process.run(moves::run(core.clone(), stop));
        process.run(settle::run(core.clone()));
        process.run(trouble::watch(core.clone()));
        process.run(drain::keep(core.clone()));
        process.run(store_health::watch(core.clone()));
        for node in &ground.nodes {
            let joins = Joins {
                core: core.clone(),
                node: node.clone(),
                peers: peers.clone(),
                wire: ground.wire.clone(),
                process: process.clone(),
            };
            process.run(joins.run());
        }
        Self { core, process }
    }

    /// Ends it as `kill -9` does. What it has sent arrives all the same.
    pub fn kill(&self) {
        self.process.kill();
    }
}

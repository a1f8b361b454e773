//! What every look at a pool shares, and what is remembered between them. Nothing
//! that is remembered is needed for safety: a restart forgets it all.

use crate::apply::Applier;
use crate::managers::Managers;
use crate::metrics::Metrics;
use crate::names::PoolName;
use crate::plan::autoscale::Window;
use crate::release::Release;
use kube::Client;
use kube::runtime::events::{Event, Recorder, Reporter};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is remembered of a pool.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// When its status was last written.
    pub told: Option<Instant>,
    /// Autoscaling's window.
    pub window: Window,
    /// Which pod template was written last.
    pub template: Option<u64>,
    /// Looks that failed, one after the other.
    pub failures: u32,
}

/// Shared by all looks.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The release.
    pub release: Release,
    /// The managers.
    pub managers: Managers,
    /// Writes objects.
    pub applier: Applier,
    /// What Prometheus sees.
    pub metrics: Arc<Metrics>,
    reporter: Reporter,
    pools: Mutex<HashMap<PoolName, Memory>>,
    /// The pool whose nodes are restarted.
    turn: Mutex<Option<PoolName>>,
}

impl Context {
    /// Puts the parts together.
    ///
    /// # Errors
    /// Where the managers' address is none.
    pub fn new(
        client: Client,
        release: Release,
        identity: String,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let reporter = Reporter {
            controller: crate::names::FIELD_MANAGER.to_owned(),
            instance: Some(identity),
        };
        Ok(Self {
            managers: Managers::at(&release.manager)?,
            applier: Applier::new(client.clone()),
            reporter,
            client,
            release,
            metrics,
            pools: Mutex::default(),
            turn: Mutex::default(),
        })
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<PoolName, Memory>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a pool.
    pub fn recall(&self, name: &PoolName) -> Memory {
        self.pools().get(name).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of a pool.
    pub fn remember<T>(&self, name: &PoolName, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(self.pools().entry(name.clone()).or_default())
    }

    /// Takes the turn to restart nodes, or answers who has it.
    pub fn take_turn(&self, name: &PoolName) -> Option<PoolName> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = turn.get_or_insert_with(|| name.clone());
        (holder != name).then(|| holder.clone())
    }

    /// Gives the turn back.
    pub fn end_turn(&self, name: &PoolName) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        turn.take_if(|holder| holder == name);
    }

    /// Forgets a pool that is gone.
    pub fn forget(&self, name: &PoolName) {
        self.end_turn(name);
        self.pools().remove(name);
        self.applier.forget(&name.namespace, &name.nodes());
    }

    /// Publishes an event; one that can't be is logged, and no more.
    pub async fn publish(&self, pool: &crds::FileServerPool, event: Event) {
        use kube::Resource;
        let reference = pool.object_ref(&());
        // A recorder takes events of one reason for one, and keeps the first note.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        if let Err(error) = recorder.publish(&event, &reference).await {
            tracing::warn!(%error, reason = event.reason, "an event could not be published");
        }
    }
}

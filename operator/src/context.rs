//! What all reconciles share, and what is remembered between them. Nothing that is
//! remembered is needed for safety: a restart loses it all.

use crate::apply::{Applier, Judged};
use crate::cache::Cache;
use crate::issued::Found;
use crate::lately::Lately;
use crate::managers::Managers;
use crate::metrics::Metrics;
use crate::names::PoolName;
use crate::obstacle::{Obstacle, Warnings};
use crate::plan::autoscale::Window;
use crate::release::Release;
use crate::secured::Secured;
use crds::FileServerPool;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, Recorder, Reporter};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long keys and certificates that were read stay valid.
const KEYS: Duration = Duration::from_secs(30);
/// How long the cluster's warnings about objects of a namespace stay valid.
const WARNINGS: Duration = Duration::from_secs(10);

/// What is remembered of a pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// When its status was last written.
    pub(crate) told: Option<Instant>,
    /// Autoscaling's window.
    pub(crate) window: Window,
    /// The pod template that was applied last.
    pub(crate) template: Option<Judged>,
    /// Reconciles that failed, one after the other.
    pub(crate) failures: u32,
    /// Whether the last reconcile found nothing to do: then the next one begins with
    /// what watches have shown.
    pub(crate) rests: bool,
    /// The cluster's warning about a pod or a volume that does not come.
    pub(crate) obstacle: Option<Obstacle>,
}

/// What watches have shown, by namespace.
#[derive(Debug, Default)]
pub(crate) struct Caches(Mutex<HashMap<String, Arc<Cache>>>);

impl Caches {
    /// Adds a namespace.
    pub(crate) fn add(&self, namespace: &str, cache: Cache) {
        let mut caches = self.0.lock();
        caches.insert(namespace.to_owned(), Arc::new(cache));
    }

    /// What is known of a namespace.
    pub(crate) fn of(&self, namespace: &str) -> Option<Arc<Cache>> {
        let caches = self.0.lock();
        caches.get(namespace).cloned()
    }
}

/// Counts reconciles that are under way, so that a shutdown waits for them and for
/// nothing else.
#[derive(Debug, Clone)]
pub(crate) struct UnderWay(watch::Sender<usize>);

impl Default for UnderWay {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// Counts one reconcile until it is dropped.
#[derive(Debug)]
pub(crate) struct Begun(watch::Sender<usize>);

impl UnderWay {
    /// One more begins.
    pub(crate) fn begin(&self) -> Begun {
        self.0.send_modify(|looks| *looks += 1);
        Begun(self.0.clone())
    }

    /// Waits until none is under way.
    pub(crate) async fn none(&self) {
        let mut looks = self.0.subscribe();
        // It can't fail: the sender is held here.
        let _ = looks.wait_for(|looks| *looks == 0).await;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.send_modify(|looks| *looks -= 1);
    }
}

/// Shared by all reconciles.
pub(crate) struct Context {
    /// The API server.
    pub(crate) client: Client,
    /// The release.
    pub(crate) release: Release,
    /// The managers.
    pub(crate) managers: Managers,
    /// The certificates of the inner ports, where they have TLS.
    pub(crate) secured: Option<Secured>,
    /// Writes objects.
    pub(crate) applier: Applier,
    /// What Prometheus sees.
    pub(crate) metrics: Arc<Metrics>,
    /// What watches have shown.
    pub(crate) caches: Caches,
    /// Whether a namespace is being deleted.
    pub(crate) terminating: Lately<String, bool>,
    /// Whether volumes of a class may grow.
    pub(crate) expands: Lately<String, Option<bool>>,
    /// The release's token.
    pub(crate) token: Lately<(), String>,
    /// The cluster's warnings about the objects of a namespace.
    pub(crate) warnings: Lately<String, Arc<Warnings>>,
    /// The keys of a namespace's pools.
    pub(crate) keys: Lately<String, Arc<Secret>>,
    /// The Certificates of a namespace's pools, where cert-manager issues them.
    pub(crate) issued: Lately<String, Found>,
    /// Reconciles that have begun and not ended.
    pub(crate) under_way: UnderWay,
    reporter: Reporter,
    pools: Mutex<HashMap<PoolName, Memory>>,
    /// The generation of each pool that can't be read.
    unreadable: Mutex<HashMap<PoolName, Option<i64>>>,
    /// The pool whose nodes are restarted.
    turn: Mutex<Option<PoolName>>,
}

impl Context {
    /// Puts the parts together.
    ///
    /// # Errors
    /// Where the managers' address is none.
    pub(crate) fn new(
        client: Client,
        release: Release,
        identity: String,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let reporter = Reporter {
            controller: crate::names::FIELD_MANAGER.to_owned(),
            instance: Some(identity),
        };
        let secured = Secured::of(&release, metrics.certificates_failing.clone());
        let own = secured.as_ref().map(|secured| secured.own().clone());
        Ok(Self {
            managers: Managers::at(&release.manager, own)?,
            secured,
            applier: Applier::new(client.clone()),
            reporter,
            client,
            release,
            metrics,
            caches: Caches::default(),
            terminating: Lately::default(),
            expands: Lately::default(),
            token: Lately::default(),
            warnings: Lately::holding(WARNINGS),
            keys: Lately::holding(KEYS),
            issued: Lately::holding(KEYS),
            under_way: UnderWay::default(),
            pools: Mutex::default(),
            unreadable: Mutex::default(),
            turn: Mutex::default(),
        })
    }

    /// What is remembered of a pool.
    pub(crate) fn recall(&self, name: &PoolName) -> Memory {
        self.pools.lock().get(name).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of a pool.
    pub(crate) fn remember<T>(&self, name: &PoolName, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(self.pools.lock().entry(name.clone()).or_default())
    }

    /// Takes the turn to restart nodes, or returns the pool that has it.
    pub(crate) fn take_turn(&self, name: &PoolName) -> Option<PoolName> {
        let mut turn = self.turn.lock();
        let holder = turn.get_or_insert_with(|| name.clone());
        (holder != name).then(|| holder.clone())
    }

    /// Gives the turn back.
    pub(crate) fn end_turn(&self, name: &PoolName) {
        let mut turn = self.turn.lock();
        turn.take_if(|holder| holder == name);
    }

    /// Drops what is remembered of a pool that is gone.
    pub(crate) fn forget(&self, name: &PoolName) {
        self.end_turn(name);
        self.pools.lock().remove(name);
        self.applier.forget(&name.namespace, &name.nodes());
        self.note_readable(name);
    }

    /// Drops the pools of a namespace except these: a pool that is gone is not reconciled
    /// any more, and what was counted of it would be counted for ever.
    pub(crate) fn keep_only(&self, namespace: &str, names: &BTreeSet<String>) {
        let mut known: BTreeSet<PoolName> = self.pools.lock().keys().cloned().collect();
        known.extend(self.unreadable.lock().keys().cloned());
        let gone = |pool: &&PoolName| pool.namespace == namespace && !names.contains(&pool.name);
        known.iter().filter(gone).for_each(|name| self.forget(name));
    }

    /// Notes that a pool can't be read; returns whether that is new.
    pub(crate) fn note_unreadable(&self, name: &PoolName, generation: Option<i64>) -> bool {
        let mut unreadable = self.unreadable.lock();
        let before = unreadable.insert(name.clone(), generation);
        self.metrics.count_unreadable(unreadable.len());
        before != Some(generation)
    }

    /// Notes that a pool can be read, or is gone.
    pub(crate) fn note_readable(&self, name: &PoolName) {
        let mut unreadable = self.unreadable.lock();
        unreadable.remove(name);
        self.metrics.count_unreadable(unreadable.len());
    }

    /// Writes annotations of a pool; those without a value are removed.
    ///
    /// # Errors
    /// Where the API server refuses, or does not answer.
    pub(crate) async fn annotate(
        &self,
        name: &PoolName,
        changes: &[(&str, Option<&str>)],
    ) -> kube::Result<()> {
        let changes: BTreeMap<_, _> = changes.iter().copied().collect();
        let patch = Patch::Merge(json!({ "metadata": { "annotations": changes } }));
        let pools: Api<FileServerPool> = Api::namespaced(self.client.clone(), &name.namespace);
        let params = PatchParams::default();
        pools.patch(&name.name, &params, &patch).await.map(drop)
    }

    /// Publishes an event about a pool; if that fails, it is only logged.
    pub(crate) async fn publish(&self, reference: &ObjectReference, event: Event) {
        // A new recorder each time: one recorder would take events of one reason for the
        // same event, and keep the first note.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        if let Err(error) = recorder.publish(&event, reference).await {
            tracing::warn!(%error, reason = event.reason, "an event could not be published");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::played::Played;

    #[tokio::test]
    async fn a_pool_that_is_gone_is_counted_no_more() {
        let client = Played::new(Vec::new()).await.client();
        let metrics = Arc::new(Metrics::default());
        let release = Release::sample();
        let context = Context::new(client, release, "me".to_owned(), metrics.clone());
        let context = context.expect("the managers' address is one");
        let pool = |namespace: &str, name: &str| PoolName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let all = [pool("a", "p"), pool("a", "q"), pool("b", "p")];
        for name in &all {
            context.note_unreadable(name, Some(1));
            context.remember(name, |memory| memory.failures = 3);
        }
        assert_eq!(metrics.unreadable.get(), 3);
        context.keep_only("a", &["q".to_owned()].into());
        assert_eq!(metrics.unreadable.get(), 2);
        let failures = all.map(|name| context.recall(&name).failures);
        assert_eq!(failures, [0, 3, 3], "of another namespace nothing was said");
    }
}

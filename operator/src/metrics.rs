//! What Prometheus sees of the operator.

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The operator's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// All of them, for the ops port.
    pub(crate) registry: Arc<Mutex<Registry>>,
    /// Reconciles of pools.
    pub(crate) reconciles: Counter,
    /// Those that failed.
    pub(crate) errors: Counter,
    /// 1 while this process leads.
    pub(crate) leader: Gauge,
    /// Pools that can't be read, and are left as they are.
    pub(crate) unreadable: Gauge,
    /// 1 while certificates of the inner ports can't be renewed.
    pub(crate) certificates_failing: Gauge,
}

impl Metrics {
    /// Sets the gauge of pools that can't be read.
    pub(crate) fn count_unreadable(&self, pools: usize) {
        self.unreadable
            .set(i64::try_from(pools).unwrap_or(i64::MAX));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("dfs_operator");
        let (reconciles, errors) = (Counter::default(), Counter::default());
        let (leader, unreadable) = (Gauge::default(), Gauge::default());
        let certificates_failing = Gauge::default();
        registry.register("reconciles", "Passes over a pool", reconciles.clone());
        registry.register(
            "reconcile_errors",
            "Passes over a pool that failed",
            errors.clone(),
        );
        registry.register("leader", "1 while this process leads", leader.clone());
        registry.register(
            "unreadable_pools",
            "Pools that this operator can't read and leaves as they are",
            unreadable.clone(),
        );
        registry.register(
            "certificates_failing",
            "1 while certificates of the inner ports can't be renewed",
            certificates_failing.clone(),
        );
        Self {
            registry: Arc::new(Mutex::new(registry)),
            reconciles,
            errors,
            leader,
            unreadable,
            certificates_failing,
        }
    }
}

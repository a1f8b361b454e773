//! What Prometheus sees of the operator.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex};

/// The operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    /// All of them, for the ops port.
    pub registry: Arc<Mutex<Registry>>,
    /// Looks at a pool.
    pub reconciles: Counter,
    /// Those that failed.
    pub errors: Counter,
    /// 1 while this process leads.
    pub leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("dfs_operator");
        let (reconciles, errors) = (Counter::default(), Counter::default());
        let leader = Gauge::default();
        registry.register("reconciles", "Looks at a pool", reconciles.clone());
        registry.register(
            "reconcile_errors",
            "Looks at a pool that failed",
            errors.clone(),
        );
        registry.register("leader", "1 while this process leads", leader.clone());
        Self {
            registry: Arc::new(Mutex::new(registry)),
            reconciles,
            errors,
            leader,
        }
    }
}

//! Metrics of one kind, registered from a list.

use prometheus_client::registry::{Metric, Registry};

/// A metric with its name and what it says.
pub type Named<'a, M> = (&'static str, &'static str, &'a M);

/// Registers all of them.
pub fn register<M: Metric + Clone>(registry: &mut Registry, metrics: &[Named<'_, M>]) {
    for (name, help, metric) in metrics {
        registry.register(*name, *help, (*metric).clone());
    }
}

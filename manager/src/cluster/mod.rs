//! Who belongs to the cluster: nodes that join, the manager that leads, the store.

pub(crate) mod admission;
pub(crate) mod leader;
pub(crate) mod registry;
pub(crate) mod store_health;

//! Who belongs to the cluster: nodes that join, the manager that leads, the store.

pub mod admission;
pub mod leader;
pub mod store_health;

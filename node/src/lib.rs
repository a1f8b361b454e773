//! One file-server: the tree on its disk, the Storage service on its port, and
//! its registration with the managers.

pub mod config;
pub mod creates;
pub mod disk;
mod durable;
pub mod failpoints;
pub mod fault;
pub mod identity;
pub mod join;
pub mod kept;
pub mod metrics;
pub mod node;
pub mod pool;
mod run;
pub mod scrub;
pub mod service;
#[cfg(test)]
mod testing;
pub mod uploads;
pub mod vital;

pub use config::Config;
pub use run::{Ready, run};

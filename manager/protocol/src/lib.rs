//! The protocol of the manager: how files are placed, stored, moved, deleted and
//! recovered (ARCHITECTURE.md has its rules and invariants).
//!
//! It works over traits: [`store::Store`], a node's [`nodes::Calls`], [`nodes::Network`]
//! for who answers at an address, and [`world::Runtime`], through which every wait, task
//! and random number goes. It knows no network and no disk, so that a test can be all of
//! them.

pub mod cluster;
pub mod core;
pub mod failpoints;
pub mod failure;
pub mod files;
pub mod fit;
pub mod lead;
pub mod nodes;
pub mod recovery;
pub mod settings;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod state;
pub mod store;
pub mod trace;
pub mod upkeep;
pub mod waiters;
pub mod world;

mod node_rows;
mod placement;
mod swap;
mod tasks;
#[cfg(test)]
mod testing;

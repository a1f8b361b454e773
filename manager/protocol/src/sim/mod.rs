//! A world in memory, for tests: a store, nodes, managers, a clock and chance, all of which
//! come from one seed, and what goes wrong between them.

pub mod sample;

mod calls;
mod chance;
mod dooms;
mod events;
mod joins;
mod link;
mod manager;
mod network;
mod node;
mod process;
mod remote;
mod runtime;
mod store;
mod streams;
mod timers;
mod wire;

pub use dooms::Dooms;
pub use manager::{Ground, SimManager};
pub use node::{CopyKey, Held, MemoryNode};
pub use process::Process;
pub use remote::Remote;
pub use runtime::Simulation;
pub use store::Memory;
pub use wire::{Odds, Wire};

//! A world in memory, for tests: a store, and what else the protocol needs.

pub mod sample;
mod store;

pub use store::Memory;

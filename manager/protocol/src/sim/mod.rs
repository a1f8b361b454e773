//! A world in memory, for tests: a store, and what else the protocol needs.

mod store;

pub use store::Memory;

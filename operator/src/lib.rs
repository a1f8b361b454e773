//! The operator: turns FileServerPool resources into nodes, and drains before it
//! shrinks. `plan`, `build` and `report` decide and touch nothing; `observe`,
//! `apply`, `managers` and `reconcile` act and decide nothing.

pub mod abandon;
pub mod adopt;
pub mod annotations;
pub mod apply;
pub mod build;
pub mod cache;
pub mod config;
pub mod conflict;
pub mod context;
pub mod definition;
pub mod delete;
pub mod differs;
pub mod drain;
pub mod events;
pub mod keys;
pub mod lately;
pub mod leave;
pub mod managers;
pub mod mark;
pub mod metrics;
pub mod names;
pub mod observe;
pub mod obstacle;
pub mod plan;
#[cfg(test)]
mod played;
pub mod prepare;
pub mod prune;
pub mod quantity;
pub mod raw;
pub mod reconcile;
pub mod release;
pub mod released;
pub mod report;
pub mod run;
pub mod token;
pub mod turn;
pub mod unserved;

//! The operator: turns FileServerPool resources into nodes, and drains before it
//! shrinks. `validate`, `plan`, `build` and `report` decide and touch nothing; `observe`,
//! `apply`, `managers` and `reconcile` act and decide nothing.

mod abandon;
mod adopt;
mod annotations;
mod apply;
mod build;
mod cache;
mod certificates;
pub mod config;
mod conflict;
mod context;
pub mod definition;
mod delete;
mod differs;
mod drain;
mod egress;
mod events;
mod issued;
mod kept;
mod keys;
mod lately;
pub mod leave;
mod managers;
mod mark;
mod metrics;
mod names;
mod observe;
mod obstacle;
mod own;
mod plan;
#[cfg(test)]
mod played;
pub mod prepare;
mod prune;
mod quantity;
mod raw;
mod reconcile;
mod release;
mod released;
mod report;
mod requested;
pub mod run;
mod secured;
mod token;
mod trouble;
mod turn;
mod unserved;
mod validate;

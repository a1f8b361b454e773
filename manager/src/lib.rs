//! The manager: serves the REST API, decides which node holds each file,
//! keeps the nodes in balance, and remembers where every file is.

mod admin;
mod cache;
mod cluster;
pub mod commands;
pub mod config;
mod core;
mod counts;
mod essential;
pub mod failpoints;
mod failure;
mod files;
mod fit;
mod format;
mod gauges;
mod limits;
mod metrics;
mod node_rows;
mod nodes;
mod placement;
mod recovery;
mod rest;
pub mod serve;
mod state;
mod status;
mod swap;
#[cfg(test)]
mod testing;
mod trace;
mod upkeep;
mod waiters;

pub(crate) use failure::Failure;

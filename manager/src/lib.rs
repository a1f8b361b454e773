//! The manager: serves the REST API, decides which node holds each file,
//! keeps the nodes in balance, and remembers where every file is.

mod abandon;
mod admin;
mod admission;
mod adopt;
mod cache;
pub mod check;
pub mod config;
mod copies;
mod core;
mod counts;
mod delete;
mod download;
mod drain;
mod essential;
pub mod failpoints;
mod failure;
mod fit;
mod format;
mod fsck;
mod gauges;
mod leader;
mod limits;
mod listed;
mod merge;
mod metrics;
mod missing;
mod moves;
mod node_rows;
mod nodes;
mod placement;
mod quarantine;
mod rebuild;
pub mod recover;
mod registry;
pub mod remote;
mod rest;
pub mod serve;
mod set_back;
mod settle;
#[cfg(feature = "standalone")]
pub mod standalone;
mod state;
mod status;
mod store_health;
mod swap;
#[cfg(test)]
mod testing;
mod trace;
mod unsettled;
mod upload;
mod waiters;

pub(crate) use failure::Failure;

//! The manager: serves the REST API and the inner ports, reaches nodes and store, and
//! runs the protocol (`manager-protocol`) over them.

mod admin;
pub mod callers;
pub mod commands;
pub mod config;
mod essential;
mod format;
mod gauges;
mod leadership;
mod limits;
mod lines;
mod metrics;
mod nodes;
mod registry;
mod rest;
pub mod serve;
mod status;
mod status_of;
mod traced;
mod world;

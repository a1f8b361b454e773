//! The library `client` and the command `dfs`, with the real service.
#![allow(clippy::unwrap_used)]

mod api_server;
mod behind;
mod calls;
mod command;
mod dfs;
mod downloads;
mod folders;
mod hints;
mod interrupted;
mod kube;
mod mirror;
mod operate;
mod orders;
mod places;
mod tokens;
mod uploads;

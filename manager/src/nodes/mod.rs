//! The nodes that are joined: how they are reached, and how many files they hold.

mod call_error;
mod connect;
mod counted;
mod exchange;
mod in_time;
mod link;
mod node;
mod pace;
mod refused;
mod shares;
mod steps;
mod table;

pub(crate) use call_error::CallError;
pub(crate) use connect::{Expected, identify};
pub(crate) use link::Link;
pub(crate) use node::{Node, NodeReport, SILENCE, copy_ref, home_ref, listed_ref};
pub(crate) use shares::{NodeShares, Share};
pub(crate) use table::{NoNode, Nodes, Placement};

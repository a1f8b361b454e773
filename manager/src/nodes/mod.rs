//! The nodes that are joined: how they are reached, and how many files they hold.

mod counted;
mod exchange;
mod link;
mod node;
mod pace;
mod refused;
mod table;

pub(crate) use exchange::CallError;
pub(crate) use link::{Link, identify};
pub(crate) use node::{Node, NodeReport, copy_ref, home_ref, listed_ref};
pub(crate) use table::{NoNode, Nodes, Placement};

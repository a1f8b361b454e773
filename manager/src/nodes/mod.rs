//! The nodes that are joined: how they are reached, and how many files they hold.

mod exchange;
mod link;
mod node;
mod table;

pub use exchange::CallError;
pub use link::{Link, identify};
pub use node::{Node, copy_ref, home_ref, listed_ref};
pub use table::{NoNode, Nodes, Placement};

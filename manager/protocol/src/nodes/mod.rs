//! The nodes that are joined: the calls to them, what they report, and how many files
//! they hold.

mod address;
mod call_error;
mod calls;
mod counted;
mod expected;
mod finish;
mod node;
mod pace;
mod refused;
mod shares;
mod table;

pub use address::Address;
pub use call_error::CallError;
pub use calls::{Calls, Inventory, Outcome, Parts};
pub use counted::NodeCount;
pub use expected::{Another, Expected, Network};
pub use node::{Node, NodeReport, SILENCE};
pub(crate) use node::{copy_ref, home_ref, listed_ref};
pub use shares::{NodeShares, Share};
pub use table::Nodes;
pub(crate) use table::{NoNode, Placement};

//! What goes on without a request: balance, nodes that leave, and what was left
//! half done.

pub mod abandon;
pub mod drain;
pub mod moves;
pub mod settle;
pub mod sums;
pub mod trouble;

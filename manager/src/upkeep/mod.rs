//! What goes on without a request: balance, nodes that leave, and what was left
//! half done.

pub(crate) mod abandon;
pub(crate) mod drain;
pub(crate) mod missing;
pub(crate) mod moves;
pub(crate) mod settle;

//! Spans of what a request does: each call of the store, and each call to a node. What goes
//! on without a request is not traced, except for moves.

mod calls;
mod store;

pub(crate) use calls::calls;
pub(crate) use store::store;

//! The network of the nodes: the connections to each, and its calls over gRPC.

mod connect;
mod exchange;
mod in_time;
mod link;
mod steps;
mod verdict;

pub(crate) use connect::NodeNetwork;
pub(crate) use link::Link;

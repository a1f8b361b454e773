//! The nodes that a simulated node, or a manager, finds at their addresses.

use super::MemoryNode;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The nodes, by their addresses.
pub(in crate::sim) struct Peers(BTreeMap<String, Arc<MemoryNode>>);

impl Peers {
    /// These nodes.
    pub(in crate::sim) fn new(nodes: &[Arc<MemoryNode>]) -> Arc<Self> {
        let by_address = nodes
            .iter()
            .map(|node| (node.endpoint.clone(), node.clone()));
        Arc::new(Self(by_address.collect()))
    }

    /// The node at an address.
    pub(in crate::sim) fn at(&self, address: &str) -> Option<Arc<MemoryNode>> {
        self.0.get(address).cloned()
    }
}

/// What admits one copy to a node.
pub(in crate::sim) fn ticket(id: &[u8], generation: u32, session: u64) -> Bytes {
    format!("{id:?}/{generation}/{session}").into()
}

//! The network of simulated nodes: who is at which address.

use super::node::MemoryNode;
use super::wire::Wire;
use crate::nodes::Network;
use crate::world::World;
use async_trait::async_trait;
use bytes::Bytes;
use messages::v1::IdentifyReply;
use names::FileId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The nodes, by their addresses.
pub(super) struct Peers(BTreeMap<String, Arc<MemoryNode>>);

impl Peers {
    /// These nodes.
    pub(super) fn new(nodes: &[Arc<MemoryNode>]) -> Arc<Self> {
        let by_address = nodes
            .iter()
            .map(|node| (node.endpoint.clone(), node.clone()));
        Arc::new(Self(by_address.collect()))
    }

    /// The node at an address.
    pub(super) fn at(&self, address: &str) -> Option<Arc<MemoryNode>> {
        self.0.get(address).cloned()
    }
}

/// The network as one manager reaches it.
pub(super) struct SimNetwork {
    pub(super) peers: Arc<Peers>,
    pub(super) wire: Wire,
}

#[async_trait]
impl Network for SimNetwork {
    async fn identify(&self, address: &str, _: &str, time: Duration) -> Option<IdentifyReply> {
        let node = self.peers.at(address)?;
        let answer = self.wire.send("a question who is there", None, async move {
            node.reach().ok().map(|()| node.identify())
        });
        let world = World::new(self.wire.outside().clone());
        world.timeout(time, answer).await.ok()?.ok()?
    }

    fn ticket(&self, _: &str, id: FileId, generation: u32, session: u64) -> Bytes {
        ticket(id.as_bytes(), generation, session)
    }
}

/// What admits one copy to a node.
pub(super) fn ticket(id: &[u8], generation: u32, session: u64) -> Bytes {
    format!("{id:?}/{generation}/{session}").into()
}

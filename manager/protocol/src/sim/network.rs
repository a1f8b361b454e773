//! The network of simulated nodes, as a manager reaches it.

use super::node::{Peers, ticket};
use super::wire::Wire;
use crate::nodes::{Address, Network, Node};
use crate::world::World;
use async_trait::async_trait;
use bytes::Bytes;
use messages::v1::IdentifyReply;
use names::FileId;
use std::sync::Arc;
use std::time::Duration;

/// The network as one manager reaches it.
pub(super) struct SimNetwork {
    pub(super) peers: Arc<Peers>,
    pub(super) wire: Wire,
}

#[async_trait]
impl Network for SimNetwork {
    async fn identify(&self, at: Address<'_>, time: Duration) -> Option<IdentifyReply> {
        let node = self.peers.at(at.endpoint)?;
        let answer = self.wire.send("a question who is there", None, async move {
            node.reach().ok().map(|()| node.identify())
        });
        let world = World::new(self.wire.outside().clone());
        world.timeout(time, answer).await.ok()?.ok()?
    }

    fn ticket(&self, _: &Node, id: FileId, generation: u32, session: u64) -> Bytes {
        ticket(id.as_bytes(), generation, session)
    }
}

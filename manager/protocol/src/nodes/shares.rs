//! One client's share of the streams that each node has for large files: a client that
//! opens many, or is slow, leaves the other clients theirs (invariant 9).

use super::CallError;
use crate::waiters::Waiters;
use crate::world::World;
use messages::NodeId;
use messages::v1::Fault;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The shares of one client, one for each node that it has used.
pub struct NodeShares {
    client: u64,
    world: World,
    places: usize,
    wait: Duration,
    nodes: Mutex<HashMap<NodeId, Arc<Semaphore>>>,
}

impl NodeShares {
    /// Those of the client of this number: `places` at each node; a request that finds none
    /// free waits for one, at most for `wait`.
    pub fn new(client: u64, world: &World, places: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            client,
            world: world.clone(),
            places,
            wait,
            nodes: Mutex::default(),
        })
    }

    /// The number of the client.
    pub fn client(&self) -> u64 {
        self.client
    }

    /// Takes a place for one stream to or from a node, until it is dropped.
    ///
    /// # Errors
    /// `Busy`, when none comes free in time, or when no further stream may wait.
    pub async fn enter(
        &self,
        node: &NodeId,
        waiters: &Waiters,
    ) -> Result<OwnedSemaphorePermit, CallError> {
        let taken = waiters
            .take(&self.world, &self.of(node), 1, self.wait)
            .await;
        taken.map_err(|none| {
            let why = format!(
                "--client-share of this client of the streams of node {node} is in use{none}"
            );
            CallError::Fault(Fault::Busy, why)
        })
    }

    fn of(&self, node: &NodeId) -> Arc<Semaphore> {
        let mut nodes = self.nodes.lock();
        let of_node = nodes.entry(node.clone());
        Arc::clone(of_node.or_insert_with(|| Arc::new(Semaphore::new(self.places))))
    }
}

/// What an upload may use of its client's shares.
#[derive(Clone)]
pub struct Share {
    /// The client's share of each node's streams.
    pub streams: Arc<NodeShares>,
    /// The room that its connection has for uploads that wait.
    pub waiters: Waiters,
}

impl Share {
    /// Takes a place at a node.
    ///
    /// # Errors
    /// As [`NodeShares::enter`].
    pub async fn enter(&self, node: &NodeId) -> Result<OwnedSemaphorePermit, CallError> {
        self.streams.enter(node, &self.waiters).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world;

    fn busy(entered: Result<OwnedSemaphorePermit, CallError>) -> String {
        match entered {
            Err(CallError::Fault(Fault::Busy, why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_not_wait_is_refused_at_once() {
        let begun = tokio::time::Instant::now();
        let shares = Share {
            streams: NodeShares::new(0, &world(), 1, Duration::from_secs(10)),
            waiters: Waiters::at_most(0),
        };
        let node = NodeId::new("n1").expect("an id");
        let _place = shares.enter(&node).await.expect("a place");
        let why = busy(shares.enter(&node).await);
        assert!(why.contains("of this HTTP/2 connection wait"), "{why}");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_node_has_so_many_places_for_a_client_and_others_have_theirs() {
        let shares = Share {
            streams: NodeShares::new(0, &world(), 2, Duration::from_secs(10)),
            waiters: Waiters::UNBOUNDED,
        };
        let [one, other] = ["n1", "n2"].map(|id| NodeId::new(id).expect("an id"));
        let first = shares.enter(&one).await.expect("a place");
        let _second = shares.enter(&one).await.expect("a place");
        let why = busy(shares.enter(&one).await);
        assert!(why.ends_with("is in use"), "{why}");
        assert!(shares.enter(&other).await.is_ok());
        let (entered, ()) = tokio::join!(shares.enter(&one), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(first);
        });
        assert!(entered.is_ok(), "one that comes free in time is taken");
    }
}

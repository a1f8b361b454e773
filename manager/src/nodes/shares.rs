//! One client's share of the streams that each node has for large files: who takes or
//! brings many, or does so slowly, leaves the others theirs (invariant 9).

use super::CallError;
use parking_lot::Mutex;
use proto::NodeId;
use proto::v1::Fault;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The shares of one client, one for each node that it had to do with.
#[derive(Debug)]
pub(crate) struct NodeShares {
    places: usize,
    wait: Duration,
    nodes: Mutex<HashMap<NodeId, Arc<Semaphore>>>,
}

impl NodeShares {
    /// So many places at each node; who finds none waits so long for one.
    pub(crate) fn new(places: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            places,
            wait,
            nodes: Mutex::default(),
        })
    }

    /// Takes a place for one stream to or from a node, until it is dropped.
    ///
    /// # Errors
    /// `Busy`, when none comes free in time.
    pub(crate) async fn enter(&self, node: &NodeId) -> Result<OwnedSemaphorePermit, CallError> {
        let waiting = self.of(node).acquire_owned();
        match tokio::time::timeout(self.wait, waiting).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => {
                let why = format!(
                    "--client-share of this client of the streams of node {node} is in use"
                );
                Err(CallError::Fault(Fault::Busy, why))
            }
        }
    }

    fn of(&self, node: &NodeId) -> Arc<Semaphore> {
        let mut nodes = self.nodes.lock();
        let of_node = nodes.entry(node.clone());
        Arc::clone(of_node.or_insert_with(|| Arc::new(Semaphore::new(self.places))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_node_has_so_many_places_for_a_client_and_others_have_theirs() {
        let shares = NodeShares::new(2, Duration::from_secs(10));
        let [one, other] = ["n1", "n2"].map(|id| NodeId::new(id).expect("an id"));
        let first = shares.enter(&one).await.expect("a place");
        let _second = shares.enter(&one).await.expect("a place");
        let refused = shares.enter(&one).await.expect_err("there are two");
        assert!(matches!(refused, CallError::Fault(Fault::Busy, _)));
        assert!(shares.enter(&other).await.is_ok());
        let (entered, ()) = tokio::join!(shares.enter(&one), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(first);
        });
        assert!(entered.is_ok(), "one that comes free in time is taken");
    }
}

//! A manager's calls to a simulated node, as its link to a real one makes them: bounded in
//! time, small ones in order, and what may be done twice sent again where a connection
//! broke.

use super::node::{MemoryNode, Peers};
use super::process::Process;
use super::wire::{Lane, Wire};
use crate::nodes::{CallError, NodeCount};
use crate::world::World;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The deadline of a call that only touches one small file.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// The pause before a call is sent again.
const AGAIN: Duration = Duration::from_millis(100);
/// How often what may be done twice is sent.
const SENDS: u32 = 3;

/// A manager's link to a node.
pub(super) struct Link {
    pub(super) node: Arc<MemoryNode>,
    pub(super) peers: Arc<Peers>,
    pub(super) wire: Wire,
    pub(super) closed: CancellationToken,
    /// The manager's own process.
    pub(super) process: Process,
    lane: Lane,
    pub(super) count: Arc<NodeCount>,
    pub(super) late: Mutex<Option<Instant>>,
}

/// One call on the node's side.
pub(super) type Call<T> = BoxFuture<'static, Result<T, CallError>>;

/// Whether a call may be sent again where its connection broke.
#[derive(Clone, Copy)]
pub(super) enum Sent {
    Once,
    Again,
}

impl Link {
    /// The link of a manager's process.
    pub(super) fn new(
        node: &Arc<MemoryNode>,
        peers: &Arc<Peers>,
        wire: &Wire,
        closed: &CancellationToken,
        process: &Process,
    ) -> Self {
        Self {
            node: node.clone(),
            peers: peers.clone(),
            wire: wire.clone(),
            closed: closed.clone(),
            process: process.clone(),
            lane: Lane::default(),
            count: Arc::default(),
            late: Mutex::default(),
        }
    }

    /// Makes a call and waits for its answer until the deadline.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        sent: Sent,
        time: Duration,
        call: impl Fn(Arc<MemoryNode>) -> Call<T> + Sync,
    ) -> Result<T, CallError> {
        if self.closed.is_cancelled() {
            return Err(CallError::NotSent("the node has left".to_owned()));
        }
        let world = World::new(self.process.clone());
        let answered = async {
            for _ in 1..SENDS {
                match (self.send(what, &call).await, sent) {
                    (Err(CallError::Lost(_)), Sent::Again) => world.sleep(AGAIN).await,
                    (answer, _) => return answer,
                }
            }
            self.send(what, &call).await
        };
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(CallError::Lost("the node has left".to_owned())),
            answer = world.timeout(time, answered) => answer.unwrap_or_else(|_| {
                *self.late.lock() = Some(world.now());
                Err(CallError::Lost(format!("no answer within {time:?}")))
            }),
        }
    }

    async fn send<T: Send + 'static>(
        &self,
        what: &'static str,
        call: impl Fn(Arc<MemoryNode>) -> Call<T>,
    ) -> Result<T, CallError> {
        let (node, made) = (self.node.clone(), call(self.node.clone()));
        let answer = self.wire.send(what, Some(&self.lane), async move {
            node.reach()?;
            let result = made.await;
            node.reach()?;
            Ok::<_, CallError>((result, node.counted()))
        });
        let broke = || CallError::Lost("the connection broke".to_owned());
        let (result, counted) = answer.await.map_err(|_| broke())??;
        self.count.take(counted);
        result
    }

    /// Tells the node something that has no answer of its own.
    pub(super) fn tell(&self, what: &'static str, tell: impl Fn(&MemoryNode) + Send + 'static) {
        let node = self.node.clone();
        drop(self.wire.send(what, Some(&self.lane), async move {
            if node.reach().is_ok() {
                tell(&node);
            }
        }));
    }
}

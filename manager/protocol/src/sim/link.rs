//! A manager's calls to a simulated node, as its link to a real one makes them: bounded in
//! time, small ones in order, what may be done twice sent again where a connection broke,
//! and a Finish without an answer asked after.

use super::network::Peers;
use super::node::MemoryNode;
use super::runtime::Process;
use super::streams::{incoming, outgoing};
use super::wire::{Lane, Wire};
use crate::nodes::{CallError, Calls, Inventory, NodeCount, Outcome, Parts};
use crate::world::{Runtime, World};
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use messages::v1::{
    CopyRef, CopyState, DeleteRequest, Fault, FileMeta, Open, QuarantineRequest, ReadRequest,
    SealReply, TransferRequest, UploadPart,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The deadline of a call that only touches one small file.
const CALL: Duration = Duration::from_secs(10);
/// The deadline of a call that asks about many files.
const LONG_CALL: Duration = Duration::from_secs(60);
/// How long a transfer may stand still.
const TRANSFER: Duration = Duration::from_secs(120);
/// The pause before a Finish without an answer is asked after again.
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
    count: Arc<NodeCount>,
    late: Mutex<Option<Instant>>,
}

/// One call on the node's side.
type Call<T> = BoxFuture<'static, Result<T, CallError>>;

/// Whether a call may be sent again where its connection broke.
#[derive(Clone, Copy)]
enum Sent {
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
    async fn call<T: Send + 'static>(
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
    fn tell(&self, what: &'static str, tell: impl Fn(&MemoryNode) + Send + 'static) {
        let node = self.node.clone();
        drop(self.wire.send(what, Some(&self.lane), async move {
            if node.reach().is_ok() {
                tell(&node);
            }
        }));
    }

    async fn finish_once(&self, meta: &FileMeta, time: Duration) -> Result<u32, CallError> {
        self.call("a finish", Sent::Once, time, |node| {
            let meta = meta.clone();
            async move { node.finish(meta).await }.boxed()
        })
        .await
    }

    /// Asks whether a finish without an answer linked the file, and sends it once more if
    /// it did not: its refusal says nothing about the first one.
    async fn linked_by(
        &self,
        until: Instant,
        trace: u64,
        meta: FileMeta,
        why: String,
    ) -> Result<u32, CallError> {
        let world = World::new(self.process.clone());
        let copy = CopyRef {
            id: meta.id.clone(),
            generation: meta.generation,
            name: meta.name.clone(),
            leaf: None,
            session: 0,
        };
        let mut again = Some(meta);
        while world.now() + AGAIN < until {
            let left = until.saturating_duration_since(world.now());
            match world.timeout(left, self.stat(trace, copy.clone())).await {
                Ok(Ok(state)) if state.held && !state.corrupt => return Ok(state.leaf),
                Ok(Ok(state)) if state.underway => world.sleep(AGAIN).await,
                Ok(Ok(_) | Err(CallError::Fault(Fault::Io, _))) => match again.take() {
                    Some(meta) => {
                        if let Ok(leaf) = self.finish_once(&meta, left).await {
                            return Ok(leaf);
                        }
                    }
                    None => break,
                },
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Err(CallError::Lost(why))
    }
}

#[async_trait]
impl Calls for Link {
    fn count(&self) -> &NodeCount {
        &self.count
    }

    fn queued(&self) -> usize {
        0
    }

    fn late(&self) -> Option<Instant> {
        *self.late.lock()
    }

    async fn stage(&self, open: Open, data: Bytes, _: FileMeta) -> Result<(), CallError> {
        if self.closed.is_cancelled() {
            return Err(CallError::NotSent("the node has left".to_owned()));
        }
        self.tell("a create", move |node| node.stage(&open, data.clone()));
        Ok(())
    }

    async fn finish(&self, trace: u64, meta: FileMeta) -> Result<u32, CallError> {
        let until = self.process.now() + CALL;
        match self.finish_once(&meta, CALL).await {
            Err(CallError::Lost(why)) => self.linked_by(until, trace, meta, why).await,
            done => done,
        }
    }

    async fn abort(&self, _: u64, id: Bytes, generation: u32) {
        self.tell("an abort", move |node| node.abort(&id, generation));
    }

    async fn read(&self, read: ReadRequest) -> Result<Bytes, CallError> {
        self.call("a read", Sent::Again, CALL, |node| {
            let read = read.clone();
            async move { node.read(&read) }.boxed()
        })
        .await
    }

    async fn stat(&self, _: u64, copy: CopyRef) -> Result<CopyState, CallError> {
        self.call("a stat", Sent::Again, CALL, |node| {
            let copy = copy.clone();
            async move { node.stat(copy).await }.boxed()
        })
        .await
    }

    async fn delete(&self, delete: DeleteRequest) -> Result<bool, CallError> {
        self.call("a delete", Sent::Again, CALL, |node| {
            let delete = delete.clone();
            async move { node.delete(delete).await }.boxed()
        })
        .await
    }

    fn upload(&self) -> (mpsc::Sender<UploadPart>, Outcome) {
        outgoing(
            &self.node,
            &self.wire,
            &self.closed,
            &self.process,
            &self.count,
        )
    }

    async fn download(&self, read: ReadRequest) -> Result<Parts, CallError> {
        let opened = self.call("a download", Sent::Again, CALL, |node| {
            let read = read.clone();
            async move { node.open_range(&read) }.boxed()
        });
        let (life, bytes) = opened.await?;
        let node = self.node.clone();
        Ok(incoming(&self.wire, |out| node.download(life, bytes, out)))
    }

    async fn transfer(&self, transfer: TransferRequest, _: u64) -> Result<u32, CallError> {
        self.call("a transfer", Sent::Once, TRANSFER, |node| {
            let (transfer, peers) = (transfer.clone(), self.peers.clone());
            let wire = self.wire.clone();
            async move { node.transfer(transfer, peers, wire).await }.boxed()
        })
        .await
    }

    async fn inventory(&self, quarantine: bool, from_leaf: u32) -> Result<Inventory, CallError> {
        let begun = self.call("an inventory", Sent::Again, CALL, |node| {
            async move { Ok(node.life()) }.boxed()
        });
        let (life, node) = (begun.await?, self.node.clone());
        Ok(incoming(&self.wire, |out| {
            node.inventory(life, quarantine, from_leaf, out)
        }))
    }

    async fn inspect(&self, copies: Vec<CopyRef>) -> Result<Vec<CopyState>, CallError> {
        self.call("an inspection", Sent::Again, LONG_CALL, |node| {
            let copies = copies.clone();
            async move { node.inspect(copies).await }.boxed()
        })
        .await
    }

    async fn quarantine(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        self.call("an order of quarantine", Sent::Once, CALL, |node| {
            let request = request.clone();
            async move { node.quarantine(request).await }.boxed()
        })
        .await
    }

    async fn adopt(&self, request: QuarantineRequest) -> Result<Option<u32>, CallError> {
        self.call("an adoption", Sent::Once, CALL, |node| {
            let request = request.clone();
            async move { node.adopt(request).await }.boxed()
        })
        .await
    }

    async fn discard(&self, request: QuarantineRequest) -> Result<bool, CallError> {
        self.call("a removal from quarantine", Sent::Once, CALL, |node| {
            let request = request.clone();
            async move { node.discard(request).await }.boxed()
        })
        .await
    }

    async fn verify(&self, copy: CopyRef, _: u64) -> Result<bool, CallError> {
        self.call("a look at the bytes", Sent::Once, LONG_CALL, |node| {
            let copy = copy.clone();
            async move { node.verify(&copy) }.boxed()
        })
        .await
    }

    async fn list_corrupt(&self) -> Result<Vec<CopyRef>, CallError> {
        // No disk of this world spoils what it holds.
        Ok(Vec::new())
    }

    async fn seal(&self, sealed: bool, leader: u64) -> Result<SealReply, CallError> {
        self.call("a seal", Sent::Once, CALL, |node| {
            async move { node.seal(sealed, leader).await }.boxed()
        })
        .await
    }
}

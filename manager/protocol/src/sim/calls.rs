//! The calls of the protocol, over a link to a simulated node.

use super::link::{CALL, Link, Sent};
use super::streams::{incoming, outgoing};
use crate::nodes::{CallError, Calls, Inventory, NodeCount, Outcome, Parts};
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use messages::v1::{
    CopyRef, CopyState, DeleteRequest, FileMeta, Open, QuarantineRequest, ReadRequest, SealReply,
    TransferRequest, UploadPart,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The deadline of a call that asks about many files.
const LONG_CALL: Duration = Duration::from_secs(60);
/// How long a transfer may stand still.
const TRANSFER: Duration = Duration::from_secs(120);

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

    async fn finish(&self, _: u64, meta: FileMeta, time: Duration) -> Result<u32, CallError> {
        self.call("a finish", Sent::Once, time, |node| {
            let meta = meta.clone();
            async move { node.finish(meta).await }.boxed()
        })
        .await
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

    fn upload(&self, _: u64) -> (mpsc::Sender<UploadPart>, Outcome) {
        outgoing(
            &self.node,
            &self.wire,
            &self.closed,
            &self.process,
            &self.count,
        )
    }

    async fn download(&self, _: u64, read: ReadRequest) -> Result<Parts, CallError> {
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
        self.call(
            "a question what is corrupt",
            Sent::Again,
            LONG_CALL,
            |node| async move { Ok(node.list_corrupt()) }.boxed(),
        )
        .await
    }

    async fn seal(&self, sealed: bool, leader: u64) -> Result<SealReply, CallError> {
        self.call("a seal", Sent::Once, CALL, |node| {
            async move { node.seal(sealed, leader).await }.boxed()
        })
        .await
    }
}

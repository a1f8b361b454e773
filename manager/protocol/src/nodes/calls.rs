//! The calls to one node, as the protocol makes them. Whoever implements them bounds
//! each in time, and a node that has left ends it. An [`Outcome`] and [`Parts`] take as
//! long as a file does: the protocol bounds those, by their progress.

use super::call_error::CallError;
use super::counted::NodeCount;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use messages::v1::{
    CopyRef, CopyState, DeleteRequest, FileMeta, InventoryBatch, Open, QuarantineRequest,
    ReadRequest, SealReply, TransferRequest, UploadPart,
};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How an upload with a stream of its own ended: the leaf of the linked file. Dropped
/// before, it ends the stream.
pub type Outcome = Pin<Box<dyn Future<Output = Result<u32, CallError>> + Send + Sync>>;

/// The bytes of a file as they come. A stream that breaks off ends with an error.
pub type Parts = BoxStream<'static, Result<Bytes, CallError>>;

/// What a node holds, as it comes. A stream that breaks off or stalls ends with an error.
pub type Inventory = BoxStream<'static, Result<InventoryBatch, CallError>>;

/// The calls to one node. All fail as [`CallError`] describes; of a change,
/// [`CallError::certainly_not_done`] says whether it may have happened.
#[async_trait]
pub trait Calls: Send + Sync + 'static {
    /// Files on the node, by its own last count.
    fn count(&self) -> &NodeCount;
    /// How many small operations wait to be sent.
    fn queued(&self) -> usize;
    /// When the node last let the deadline of a small operation pass.
    fn late(&self) -> Option<Instant>;

    /// Stages a small file; [`Self::finish`] reports how it went.
    async fn stage(&self, open: Open, data: Bytes, meta: FileMeta) -> Result<(), CallError>;
    /// Permits the link of a staged file (rule 6), once; returns its leaf. Waits for so
    /// long at the most.
    async fn finish(&self, trace: u64, meta: FileMeta, time: Duration) -> Result<u32, CallError>;
    /// Drops a staged file, unless its link has begun.
    async fn abort(&self, trace: u64, id: Bytes, generation: u32);
    /// Reads a small range in one message; NOT_FOUND when the node does not hold that copy.
    async fn read(&self, read: ReadRequest) -> Result<Bytes, CallError>;
    /// Asks whether the node holds a copy.
    async fn stat(&self, trace: u64, copy: CopyRef) -> Result<CopyState, CallError>;
    /// Removes exactly one copy (rule 3); returns whether it was there.
    async fn delete(&self, delete: DeleteRequest) -> Result<bool, CallError>;

    /// Opens an upload stream for the client of this number; its parts go into the sender.
    fn upload(&self, client: u64) -> (mpsc::Sender<UploadPart>, Outcome);
    /// Opens a download stream for the client of this number; NOT_FOUND when the node does
    /// not hold that copy.
    async fn download(&self, client: u64, read: ReadRequest) -> Result<Parts, CallError>;
    /// Has the node send its copy, of `size` bytes, to another node; returns the leaf
    /// there. It may take as long as it likes, but must not stand still.
    async fn transfer(&self, transfer: TransferRequest, size: u64) -> Result<u32, CallError>;

    /// Streams what the node holds, from disk, from a leaf on.
    async fn inventory(&self, quarantine: bool, from_leaf: u32) -> Result<Inventory, CallError>;
    /// Asks about many copies at once; the answers are in their order.
    async fn inspect(&self, copies: Vec<CopyRef>) -> Result<Vec<CopyState>, CallError>;
    /// Moves a copy into quarantine; returns whether it was there.
    async fn quarantine(&self, request: QuarantineRequest) -> Result<bool, CallError>;
    /// Moves a copy back from quarantine; returns its leaf if it was there.
    async fn adopt(&self, request: QuarantineRequest) -> Result<Option<u32>, CallError>;
    /// Removes a copy from quarantine; returns whether it was there.
    async fn discard(&self, request: QuarantineRequest) -> Result<bool, CallError>;
    /// Has the node re-read a copy of `size` bytes; returns whether it is intact. The
    /// node no longer serves a copy that is not.
    async fn verify(&self, copy: CopyRef, size: u64) -> Result<bool, CallError>;
    /// Every copy that the node knows to be corrupt.
    async fn list_corrupt(&self) -> Result<Vec<CopyRef>, CallError>;
    /// Seals the node, or opens it again (rule 15).
    async fn seal(&self, sealed: bool, leader: u64) -> Result<SealReply, CallError>;
}

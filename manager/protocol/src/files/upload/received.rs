//! An upload whose body has ended.

use super::{Kept, Stream};
use crate::core::Core;
use crate::nodes::Share;
use crate::trace::Trace;
use bytes::Bytes;
use messages::{FileId, NodeId};
use std::sync::Arc;

/// An upload whose body has ended, with the checksums of what arrived.
pub struct Received {
    pub(super) core: Arc<Core>,
    pub(super) trace: Trace,
    pub(super) share: Share,
    pub(super) id: FileId,
    pub(super) bytes: Bytes,
    pub(super) stream: Option<Stream>,
    pub(super) kept: Kept,
    pub(super) tried: Vec<NodeId>,
    /// Bytes received.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    pub(super) crc64: u64,
}

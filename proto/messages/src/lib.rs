//! The messages of the gRPC contracts, their bounds, and what each outcome means: all
//! that the parts say to each other, without the network that carries it.

mod batch;
mod outcome;
/// The messages, generated from `proto/dfs/v1` and committed; the crate `proto` makes
/// them anew in its tests and compares.
#[allow(missing_docs, clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod v1 {
    include!("generated/dfs.v1.rs");
}

pub use batch::{BATCH_BYTES, Batch, MESSAGE_BYTES, Refused, TEXT_BYTES, batches, clip};
pub use names::*;
pub use outcome::{Change, CodeMeaning, FaultMeaning, Grpc, Retry};

/// The protocol version that this build speaks.
pub const PROTOCOL: u32 = 1;
/// The oldest protocol version that this build still understands.
pub const PROTOCOL_MIN: u32 = 1;
/// Bytes of file data in one message of a stream, well under tonic's 4 MiB.
pub const CHUNK: usize = 256 * 1024;
/// Downloads, and uploads, with a stream of their own that a node serves at once.
pub const STREAMS: u32 = 256;
/// A node whose disk has not answered for this long takes no new files until it does.
pub const DISK_SILENT: std::time::Duration = std::time::Duration::from_secs(3);
/// A file of at most this many bytes travels as one message of an exchange.
pub const SMALL: usize = 64 * 1024;

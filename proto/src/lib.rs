//! What the parts of the file server share on the wire: the gRPC services, the identities,
//! keys and tickets that open them, and with them the crates `messages` and `names`.
//! `operator`, `manager` and `node` meet only here.

pub mod identity;
pub mod keys;
mod status;
pub mod ticket;
/// The gRPC contracts. The services are generated from `proto/dfs/v1` and committed;
/// `tests/generated.rs` makes them anew and compares.
#[allow(missing_docs, clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod v1 {
    pub use messages::v1::*;
    include!("generated/dfs.v1.rs");
}

pub use messages::{
    BATCH_BYTES, Batch, CHUNK, Change, CodeMeaning, DISK_SILENT, FaultMeaning, MESSAGE_BYTES,
    PROTOCOL, PROTOCOL_MIN, Refused, Retry, SMALL, STREAMS, TEXT_BYTES, batches, clip,
};
pub use names::*;
pub use status::grpc;

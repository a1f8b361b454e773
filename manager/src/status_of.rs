//! The statuses with which the protocol's errors are answered over gRPC.

use manager_protocol::cluster::admission::Refusal;
use manager_protocol::failure::Failure;
use proto::CodeMeaning;
use tonic::Status;

/// The status of a failed request.
pub(crate) fn failure(failure: impl Into<Failure>) -> Status {
    let failure = failure.into();
    let status = CodeMeaning::of(failure.code).grpc;
    Status::new(proto::grpc(status), failure.to_string())
}

/// The status of a refused node.
pub(crate) fn refusal(refusal: Refusal) -> Status {
    Status::new(proto::grpc(refusal.status), refusal.why)
}

//! The statuses of the table of outcomes, as tonic has them.

use messages::Grpc;
use tonic::Code;

/// A status of the table of outcomes, as tonic has it.
pub fn grpc(status: Grpc) -> Code {
    match status {
        Grpc::InvalidArgument => Code::InvalidArgument,
        Grpc::NotFound => Code::NotFound,
        Grpc::AlreadyExists => Code::AlreadyExists,
        Grpc::PermissionDenied => Code::PermissionDenied,
        Grpc::ResourceExhausted => Code::ResourceExhausted,
        Grpc::FailedPrecondition => Code::FailedPrecondition,
        Grpc::Aborted => Code::Aborted,
        Grpc::Internal => Code::Internal,
        Grpc::Unavailable => Code::Unavailable,
        Grpc::DataLoss => Code::DataLoss,
    }
}

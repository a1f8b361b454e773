//! What each fault of a node and each result code means, in one table each: what a
//! fault says of the change that was asked for, how it is answered over HTTP and gRPC,
//! and whether another try makes sense. A fault of a newer version is none of these: its
//! outcome is unknown.

use crate::Code;
use crate::v1::Fault;

/// What a fault says of the change that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It certainly did not happen, and never will for this request.
    NotMade,
    /// It may have happened.
    Unknown,
}

/// Whether another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// By the same node, as a new create.
    Anew,
    /// By the same node, a little later.
    Later,
    /// Not by this node.
    Elsewhere,
    /// Not before it is known what became of this one.
    OnceKnown,
}

/// What a fault means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultMeaning {
    /// What it says of the change.
    pub change: Change,
    /// What the client of an upload is answered that ends with it.
    pub upload: Code,
    /// The status of a call that ends with it. The fault itself is in the details.
    pub grpc: tonic::Code,
    /// Whether another try makes sense.
    pub retry: Retry,
}

/// What a result code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeMeaning {
    /// The status of an HTTP answer.
    pub http: u16,
    /// The status of a gRPC answer.
    pub grpc: tonic::Code,
    /// After how many seconds another try makes sense.
    pub retry_after: Option<u32>,
}

impl Fault {
    /// What it means.
    pub fn meaning(self) -> FaultMeaning {
        use Change::{NotMade, Unknown};
        use Code::{InsufficientStorage, Internal, ServersUnavailable, TooManyRequests};
        use Retry::{Anew, Elsewhere, Later, OnceKnown};
        use tonic::Code as Grpc;
        let (change, upload, grpc, retry) = match self {
            // Refused before anything was written.
            Self::WrongSession => (NotMade, ServersUnavailable, Grpc::FailedPrecondition, Anew),
            Self::Sealed | Self::ReadOnly | Self::Tombstone | Self::StaleLeader => (
                NotMade,
                ServersUnavailable,
                Grpc::FailedPrecondition,
                Elsewhere,
            ),
            Self::Busy => (NotMade, TooManyRequests, Grpc::ResourceExhausted, Later),
            Self::Invalid => (NotMade, Internal, Grpc::InvalidArgument, Elsewhere),
            // Written at the most to a file without a name, and dropped.
            Self::NoSpace => (
                NotMade,
                InsufficientStorage,
                Grpc::ResourceExhausted,
                Elsewhere,
            ),
            Self::Checksum => (NotMade, ServersUnavailable, Grpc::DataLoss, Elsewhere),
            Self::Disk => (NotMade, ServersUnavailable, Grpc::Internal, Elsewhere),
            // No create that a first Finish could link, now or later.
            Self::NotFound => (NotMade, ServersUnavailable, Grpc::NotFound, Anew),
            // The link, or its flush, may have happened.
            Self::Io | Self::Unspecified => {
                (Unknown, ServersUnavailable, Grpc::Internal, OnceKnown)
            }
        };
        FaultMeaning {
            change,
            upload,
            grpc,
            retry,
        }
    }
}

impl Code {
    /// What it means. [`Code::NotAuthorized`] is 401 where the caller is unknown, and 403
    /// where a known caller may not do what it asks for: here it is the former.
    pub fn meaning(self) -> CodeMeaning {
        use tonic::Code as Grpc;
        let (http, grpc, retry_after) = match self {
            Self::ServersUnavailable | Self::FileUnavailable => (503, Grpc::Unavailable, Some(1)),
            Self::FileDoesNotExist => (404, Grpc::NotFound, None),
            Self::FileNameExists => (409, Grpc::AlreadyExists, None),
            Self::Internal => (500, Grpc::Internal, None),
            Self::InvalidRequest => (400, Grpc::InvalidArgument, None),
            Self::NotAuthorized => (401, Grpc::PermissionDenied, None),
            Self::InsufficientStorage => (507, Grpc::ResourceExhausted, None),
            Self::TooManyRequests => (429, Grpc::ResourceExhausted, Some(1)),
        };
        CodeMeaning {
            http,
            grpc,
            retry_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number that is a fault of this version.
    fn known() -> impl Iterator<Item = Fault> {
        (0..1000).filter_map(|number| Fault::try_from(number).ok())
    }

    #[test]
    fn a_record_is_withdrawn_only_after_a_fault_before_the_link() {
        let unknown: Vec<Fault> = known()
            .filter(|fault| fault.meaning().change == Change::Unknown)
            .collect();
        assert_eq!(unknown, [Fault::Unspecified, Fault::Io]);
    }

    #[test]
    fn nothing_is_tried_again_before_its_outcome_is_known() {
        for fault in known() {
            let meaning = fault.meaning();
            let unknown = meaning.change == Change::Unknown;
            assert_eq!(unknown, meaning.retry == Retry::OnceKnown, "{fault:?}");
        }
    }

    #[test]
    fn codes_have_the_statuses_of_the_contract() {
        let http = Code::ALL.map(|code| code.meaning().http);
        assert_eq!(http, [503, 404, 409, 503, 500, 400, 401, 507, 429]);
        let retried = Code::ALL.map(|code| code.meaning().retry_after.is_some());
        let wanted = [true, false, false, true, false, false, false, false, true];
        assert_eq!(retried, wanted);
    }
}

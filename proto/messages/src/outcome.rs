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
    /// By the same node, as a new create: a small upload does so once.
    Anew,
    /// By the same node, a little later: a transfer does so. An upload, whose client
    /// waits, goes to another node.
    Later,
    /// Not by this node: an upload whose bytes are kept goes to another one.
    Elsewhere,
    /// Not before it is known what became of this one (rule 9).
    OnceKnown,
}

/// A status of gRPC, by its name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Grpc {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    Internal,
    Unavailable,
    DataLoss,
}

/// What a fault means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultMeaning {
    /// What it says of the change.
    pub change: Change,
    /// What the client of an upload is answered that ends with it.
    pub upload: Code,
    /// The status of a call that ends with it. The fault itself is in the details.
    pub grpc: Grpc,
    /// Whether another try makes sense.
    pub retry: Retry,
}

/// What a result code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeMeaning {
    /// The status of an HTTP answer.
    pub http: u16,
    /// The status of a gRPC answer.
    pub grpc: Grpc,
    /// After how many seconds another try makes sense.
    pub retry_after: Option<u32>,
}

impl FaultMeaning {
    /// What a fault means.
    pub fn of(fault: Fault) -> Self {
        use Change::{NotMade, Unknown};
        use Code::{InsufficientStorage, Internal, ServersUnavailable, TooManyRequests};
        use Retry::{Anew, Elsewhere, Later, OnceKnown};
        let (change, upload, grpc, retry) = match fault {
            // Refused before anything was written.
            Fault::WrongSession => (NotMade, ServersUnavailable, Grpc::FailedPrecondition, Anew),
            Fault::Sealed | Fault::ReadOnly | Fault::Tombstone | Fault::StaleLeader => (
                NotMade,
                ServersUnavailable,
                Grpc::FailedPrecondition,
                Elsewhere,
            ),
            Fault::Busy => (NotMade, TooManyRequests, Grpc::ResourceExhausted, Later),
            Fault::Invalid => (NotMade, Internal, Grpc::InvalidArgument, Elsewhere),
            // Written at the most to a file without a name, and dropped.
            Fault::NoSpace => (
                NotMade,
                InsufficientStorage,
                Grpc::ResourceExhausted,
                Elsewhere,
            ),
            Fault::Checksum => (NotMade, ServersUnavailable, Grpc::DataLoss, Elsewhere),
            Fault::Disk => (NotMade, ServersUnavailable, Grpc::Internal, Elsewhere),
            // No create that a first Finish could link, now or later.
            Fault::NotFound => (NotMade, ServersUnavailable, Grpc::NotFound, Anew),
            // The link, or its flush, may have happened.
            Fault::Io | Fault::Unspecified => {
                (Unknown, ServersUnavailable, Grpc::Internal, OnceKnown)
            }
        };
        Self {
            change,
            upload,
            grpc,
            retry,
        }
    }
}

impl CodeMeaning {
    /// What a code means. [`Code::NotAuthorized`] is 401 where the caller is unknown, and 403
    /// where a known caller may not do what it asks for: here it is the former.
    pub fn of(code: Code) -> Self {
        let (http, grpc, retry_after) = match code {
            Code::ServersUnavailable | Code::FileUnavailable => (503, Grpc::Unavailable, Some(1)),
            Code::FileDoesNotExist => (404, Grpc::NotFound, None),
            Code::FileNameExists => (409, Grpc::AlreadyExists, None),
            Code::Internal => (500, Grpc::Internal, None),
            Code::InvalidRequest => (400, Grpc::InvalidArgument, None),
            Code::NotAuthorized => (401, Grpc::PermissionDenied, None),
            Code::InsufficientStorage => (507, Grpc::ResourceExhausted, None),
            Code::TooManyRequests => (429, Grpc::ResourceExhausted, Some(1)),
        };
        Self {
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
            .filter(|fault| FaultMeaning::of(*fault).change == Change::Unknown)
            .collect();
        assert_eq!(unknown, [Fault::Unspecified, Fault::Io]);
    }

    #[test]
    fn nothing_is_tried_again_before_its_outcome_is_known() {
        for fault in known() {
            let meaning = FaultMeaning::of(fault);
            let unknown = meaning.change == Change::Unknown;
            assert_eq!(unknown, meaning.retry == Retry::OnceKnown, "{fault:?}");
        }
    }

    #[test]
    fn codes_have_the_statuses_of_the_contract() {
        let http = Code::ALL.map(|code| CodeMeaning::of(code).http);
        assert_eq!(http, [503, 404, 409, 503, 500, 400, 401, 507, 429]);
        let retried = Code::ALL.map(|code| CodeMeaning::of(code).retry_after.is_some());
        let wanted = [true, false, false, true, false, false, false, false, true];
        assert_eq!(retried, wanted);
    }
}

//! Why the node did not do what it was asked to.

use proto::v1::{self, Fault};
use rustix::io::Errno;
use std::fmt;

/// A refusal or a failure, as the contract names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind, on which callers decide.
    pub fault: Fault,
    /// The reason, for logs.
    pub message: String,
    /// With `WrongSession`: the session that is.
    pub session: u64,
}

impl Failure {
    /// A failure of a kind, with its reason.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            session: 0,
        }
    }

    /// A request that makes no sense.
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::new(Fault::Invalid, message.to_string())
    }

    /// A refusal by rule 5.
    pub fn read_only() -> Self {
        Self::new(
            Fault::ReadOnly,
            "a flush failed: the node takes no writes until it is restarted",
        )
    }

    /// What a failed call means: a full disk is told apart from the rest.
    pub fn io(doing: &str, error: Errno) -> Self {
        let fault = match error {
            Errno::NOSPC | Errno::DQUOT => Fault::NoSpace,
            _ => Fault::Io,
        };
        Self::new(fault, format!("{doing}: {error}"))
    }

    /// The failure as a message.
    pub fn to_wire(&self) -> v1::Failure {
        v1::Failure {
            fault: self.fault as i32,
            message: proto::clip(self.message.clone()),
            session: self.session,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault.as_str_name(), self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for tonic::Status {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match failure.fault {
            Fault::NotFound => Self::not_found(text),
            Fault::Invalid => Self::invalid_argument(text),
            Fault::NoSpace | Fault::Busy => Self::resource_exhausted(text),
            Fault::Checksum => Self::data_loss(text),
            Fault::WrongSession
            | Fault::Sealed
            | Fault::ReadOnly
            | Fault::Tombstone
            | Fault::StaleLeader => Self::failed_precondition(text),
            Fault::Io | Fault::Unspecified => Self::internal(text),
        }
    }
}

//! Why the node did not do what it was asked to.

use prost::Message;
use proto::FaultMeaning;
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
    /// With `WrongSession`: the node's current session.
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

    /// The same failure where nothing can be linked yet: what was asked for certainly did
    /// not happen.
    #[must_use]
    pub fn before_link(mut self) -> Self {
        if self.fault == Fault::Io {
            self.fault = Fault::Disk;
        }
        self
    }

    /// What a failed call means where what was asked for may have happened.
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
    /// The failure itself is in the details, so that callers can distinguish a node's
    /// answer from an error of the transport; the code is for people and for the
    /// previous release.
    fn from(failure: Failure) -> Self {
        let code = proto::grpc(FaultMeaning::of(failure.fault).grpc);
        let details = failure.to_wire().encode_to_vec();
        Self::with_details(code, proto::clip(failure.to_string()), details.into())
    }
}

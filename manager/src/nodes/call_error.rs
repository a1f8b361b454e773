//! Why a call to a node has no result, and what that says of the change that was
//! asked for (rules 2 and 6: a record is withdrawn only where nothing can appear).

use proto::v1::{Failure, Fault};
use proto::{Change, FaultMeaning};
use tonic::Code;

/// Why a call to a node has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The node's own verdict.
    #[error("the node refused: {0:?}: {1}")]
    Fault(Fault, String),
    /// It never left this process.
    #[error("the node was not asked: {0}")]
    NotSent(String),
    /// No answer, or one that this version does not understand: the change may or may
    /// not have happened.
    #[error("the node did not answer: {0}")]
    Lost(String),
}

impl CallError {
    /// Whether the asked-for change certainly did not happen.
    pub fn certainly_not_done(&self) -> bool {
        match self {
            Self::Fault(fault, _) => FaultMeaning::of(*fault).change == Change::NotMade,
            Self::NotSent(_) => true,
            Self::Lost(_) => false,
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match Fault::try_from(failure.fault) {
            Ok(Fault::Unspecified) => {
                Self::Lost(format!("a failure of no kind: {}", failure.message))
            }
            Ok(fault) => Self::Fault(fault, failure.message),
            // From a newer node.
            Err(_) => Self::Lost(format!(
                "a failure of an unknown kind, {}: {}",
                failure.fault, failure.message
            )),
        }
    }
}

impl From<tonic::Status> for CallError {
    /// A node's verdict is in the status's details. A status without them comes from
    /// the transport, except for two codes that only nodes use, among them nodes of the
    /// release before.
    fn from(status: tonic::Status) -> Self {
        let message = || status.message().to_owned();
        match (verdict(status.details()), status.code()) {
            (Some(failure), _) => failure.into(),
            (None, Code::NotFound) => Self::Fault(Fault::NotFound, message()),
            (None, Code::DataLoss) => Self::Fault(Fault::Checksum, message()),
            (None, _) => Self::Lost(status.to_string()),
        }
    }
}

fn verdict(details: &[u8]) -> Option<Failure> {
    let failure: Failure = prost::Message::decode(details).ok()?;
    (failure.fault != 0).then_some(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number that is a fault of this version.
    fn known() -> impl Iterator<Item = Fault> {
        (0..1000).filter_map(|number| Fault::try_from(number).ok())
    }

    #[test]
    fn a_fault_of_a_newer_node_is_uncertain() {
        for fault in [0, 999, -1] {
            let failure = Failure {
                fault,
                message: "new".to_owned(),
                session: 0,
            };
            let error = CallError::from(failure);
            assert!(matches!(error, CallError::Lost(_)), "{error:?}");
            assert!(!error.certainly_not_done());
        }
    }

    #[test]
    fn only_what_a_node_says_is_a_verdict() {
        use prost::Message;
        for fault in known().filter(|fault| *fault != Fault::Unspecified) {
            let failure = Failure {
                fault: fault.into(),
                message: "why".to_owned(),
                session: 0,
            };
            let details = failure.encode_to_vec().into();
            // Whatever the code: the details decide.
            let status = tonic::Status::with_details(Code::Internal, "text", details);
            let wanted = CallError::Fault(fault, "why".to_owned());
            assert_eq!(CallError::from(status), wanted);
        }
        // As when HTTP/2 ends a connection that was too busy for it, and other errors.
        for code in (0..17).map(Code::from_i32) {
            let error = CallError::from(tonic::Status::new(code, "h2 protocol error"));
            let verdict = matches!(code, Code::NotFound | Code::DataLoss);
            let lost = matches!(error, CallError::Lost(_));
            assert_eq!(lost, !verdict, "{code:?}: {error:?}");
        }
    }
}

//! Why a call to a node has no result, and what that says of the change that was
//! asked for (rules 2 and 6: a record is withdrawn only where nothing can appear).

use messages::v1::{Failure, Fault};
use messages::{Change, FaultMeaning};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}

//! What the status of a call to a node says: the node's own verdict, or that its answer
//! was lost.

use manager_protocol::nodes::CallError;
use proto::v1::{Failure, Fault};
use tonic::{Code, Status};

/// A node's verdict is in the status's details. A status without them comes from
/// the transport, except for two codes that only nodes use, among them nodes of the
/// release before.
pub(super) fn call_error(status: Status) -> CallError {
    let message = || status.message().to_owned();
    match (verdict(status.details()), status.code()) {
        (Some(failure), _) => failure.into(),
        (None, Code::NotFound) => CallError::Fault(Fault::NotFound, message()),
        (None, Code::DataLoss) => CallError::Fault(Fault::Checksum, message()),
        (None, _) => CallError::Lost(status.to_string()),
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
            let status = Status::with_details(Code::Internal, "text", details);
            let wanted = CallError::Fault(fault, "why".to_owned());
            assert_eq!(call_error(status), wanted);
        }
        // As when HTTP/2 ends a connection that was too busy for it, and other errors.
        for code in (0..17).map(Code::from_i32) {
            let error = call_error(Status::new(code, "h2 protocol error"));
            let verdict = matches!(code, Code::NotFound | Code::DataLoss);
            let lost = matches!(error, CallError::Lost(_));
            assert_eq!(lost, !verdict, "{code:?}: {error:?}");
        }
    }
}

//! Where to resume a copy whose transfer broke off.

use super::Trace;
use crate::creates::Resume;
use crate::disk::Copy;
use crate::fault::Failure;
use crate::node::Node;
use proto::ticket::Claim;
use proto::v1::resume_reply::Result as Outcome;
use proto::v1::{self, Fault};
use std::sync::Arc;

/// Whether a ticket is for that copy.
///
/// # Errors
/// `Invalid`.
pub(super) fn is_claimed(
    claim: &Claim,
    id: &[u8],
    generation: u32,
    session: u64,
) -> Result<(), Failure> {
    if claim.id == id && (claim.generation, claim.session) == (generation, session) {
        return Ok(());
    }
    Err(Failure::invalid("the ticket is for another copy"))
}

/// Ends a stream of that copy that is still open, and returns how much of the copy is
/// kept, or that it has arrived.
pub(super) async fn serve(
    node: &Arc<Node>,
    request: v1::ResumeRequest,
    claim: &Claim,
) -> v1::ResumeReply {
    let outcome = look(node, request, claim).await;
    let result = Some(outcome.unwrap_or_else(|failure| {
        kit::spans::fail(&failure);
        Outcome::Failure(failure.to_wire())
    }));
    v1::ResumeReply { result }
}

async fn look(
    node: &Arc<Node>,
    request: v1::ResumeRequest,
    claim: &Claim,
) -> Result<Outcome, Failure> {
    let mut copy = Copy::from_wire(request.copy)?;
    let (id, session) = (copy.key.id.to_wire(), request.session);
    is_claimed(claim, &id, copy.key.generation, session)?;
    node.stays()?;
    let found = node.creates().resume(copy.key, session)?;
    tracing::debug!(request = %Trace(request.trace), name = %copy.name, ?found, "resume");
    match found {
        Resume::Underway => return Ok(Outcome::Underway(true)),
        Resume::At(offset) => return Ok(Outcome::Offset(offset)),
        Resume::Nothing => {}
    }
    // Finish may have been answered, and the answer lost. The copy can only have come in
    // this session, so that it lies in no leaf that could not be read at the start.
    copy.session = session;
    let states = node.states(vec![copy]).await?;
    states.first().map_or(Ok(Outcome::Offset(0)), way_on)
}

/// How to continue, by the state of a copy; pure.
fn way_on(state: &v1::CopyState) -> Result<Outcome, Failure> {
    if !state.held {
        return Ok(match state.underway {
            true => Outcome::Underway(true),
            false => Outcome::Offset(0),
        });
    }
    if state.corrupt || state.meta.is_none() {
        let why = "the copy is there, and can't be read";
        return Err(Failure::new(Fault::Io, why));
    }
    Ok(Outcome::Linked(v1::Linked { leaf: state.leaf }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_copy_that_is_there_whole_has_arrived() {
        let whole = v1::CopyState {
            held: true,
            leaf: 7,
            meta: Some(v1::FileMeta::default()),
            ..v1::CopyState::default()
        };
        let linked = Outcome::Linked(v1::Linked { leaf: 7 });
        assert_eq!(way_on(&whole).expect("there"), linked);
        let corrupt = v1::CopyState {
            corrupt: true,
            ..whole.clone()
        };
        let unreadable = v1::CopyState {
            meta: None,
            ..whole.clone()
        };
        for state in [corrupt, unreadable] {
            assert_eq!(way_on(&state).expect_err("of no use").fault, Fault::Io);
        }
        let absent = v1::CopyState::default();
        assert_eq!(way_on(&absent).expect("anew"), Outcome::Offset(0));
    }
}

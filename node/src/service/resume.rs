//! Where a copy goes on whose transfer broke off.

use super::Trace;
use crate::creates::Resume;
use crate::disk::Copy;
use crate::fault::Failure;
use crate::node::Node;
use kit::ticket::Claim;
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

/// Ends a stream of that copy that is still open, and answers how much of it is kept,
/// or that it is there.
pub(super) async fn serve(
    node: &Arc<Node>,
    request: v1::ResumeRequest,
    claim: &Claim,
) -> v1::ResumeReply {
    let outcome = look(node, request, claim).await;
    let result = Some(outcome.unwrap_or_else(|failure| Outcome::Failure(failure.to_wire())));
    v1::ResumeReply { result }
}

async fn look(
    node: &Arc<Node>,
    request: v1::ResumeRequest,
    claim: &Claim,
) -> Result<Outcome, Failure> {
    let copy = Copy::from_wire(request.copy)?;
    let (id, session) = (copy.key.id.to_wire(), request.session);
    is_claimed(claim, &id, copy.key.generation, session)?;
    if node.leaving.is_cancelled() {
        return Err(Failure::new(Fault::Busy, "the node is leaving"));
    }
    let found = node.creates().resume(copy.key, session)?;
    tracing::debug!(request = %Trace(request.trace), name = %copy.name, ?found, "resume");
    match found {
        Resume::Underway => return Ok(Outcome::Underway(true)),
        Resume::At(offset) => return Ok(Outcome::Offset(offset)),
        Resume::Nothing => {}
    }
    // Its Finish may have been answered, and the answer lost.
    let states = node.states(vec![copy]).await?;
    Ok(match states.first() {
        Some(state) if state.held => Outcome::Linked(v1::Linked { leaf: state.leaf }),
        Some(state) if state.underway => Outcome::Underway(true),
        Some(_) | None => Outcome::Offset(0),
    })
}

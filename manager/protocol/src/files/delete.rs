//! The way of a delete: the record dooms the copies (rule 3), the nodes remove
//! exactly these, and then the record goes.

use crate::core::Core;
use crate::failpoints::{STALL_BEFORE_REMOVE, stall};
use crate::failure::Failure;
use crate::nodes::{CallError, listed_ref};
use crate::recovery::set_back;
use crate::recovery::unsettled::Unsettled;
use crate::store::{Record, State, Swap};
use crate::swap::{Changed, try_swap};
use crate::trace::Trace;
use failpoint::crash_here;
use messages::v1::DeleteRequest;
use messages::{Code, FileId, FileName};
use std::sync::Arc;

/// Changes of a record that a delete follows before it gives up.
const TRIES: usize = 20;

/// Deletes a file if `wanted` accepts its record. Exactly that record is doomed: if it
/// has changed, the swap fails (rule 1). Returns false if `wanted` did not accept it.
///
/// # Errors
/// Code 2 when it does not exist, code 4 when one of its nodes is unavailable: before
/// the record is doomed nothing is changed; after that the janitor finishes the delete.
pub async fn delete(
    core: &Arc<Core>,
    trace: Trace,
    name: &FileName,
    wanted: impl Fn(&Record) -> bool,
) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let Some(record) = core.store.get(name).await? else {
            return Err(Failure::new(Code::FileDoesNotExist));
        };
        match record.state {
            State::Pending => return Err(Failure::new(Code::FileDoesNotExist)),
            State::Stored | State::Moving | State::Deleting => {}
        }
        if let Some(why) = set_back::holds(core).await? {
            return Err(Failure::new(Code::FileUnavailable).because(why));
        }
        match record.state {
            // Another request's delete: help, and leave the 204 to that one (rule 7).
            State::Deleting => {
                return match remove_doomed(core, trace, &record).await {
                    Ok(()) => Err(Failure::new(Code::FileDoesNotExist)),
                    Err(error) => Err(unfinished(&error)),
                };
            }
            State::Pending | State::Stored | State::Moving => {}
        }
        if let Some(out) = record
            .copies
            .iter()
            .find(|c| core.nodes.available(&c.node).is_none())
        {
            return Err(Failure::new(Code::FileUnavailable)
                .because(format_args!("node {} is unavailable", out.node)));
        }
        if !wanted(&record) {
            return Ok(false);
        }
        core.known.restoring.end(&*core.store).await?;
        let _busy = core.busy(record.id);
        let mut doomed = core.next_rev(&record);
        doomed.state = State::Deleting;
        if let (Changed::Lost(found), unknown) = try_swap(core, &doomed).await? {
            if unknown && may_be_ours(found.as_ref(), record.id) {
                return Err(Failure::new(Code::FileUnavailable).because(
                    "the file is being deleted, by this request or by another one: the \
                     metadata store gave no answer",
                ));
            }
            continue;
        }
        crash_here!("manager::d1_doomed");
        return remove_doomed(core, trace, &doomed)
            .await
            .map(|()| true)
            .map_err(|error| unfinished(&error));
    }
    Err(Failure::new(Code::FileUnavailable).because("it keeps changing"))
}

/// Whether a mark as doomed whose outcome is unknown may have been written. It is never
/// taken back, so a record of this id that is not `deleting` was not marked.
fn may_be_ours(found: Option<&Record>, id: FileId) -> bool {
    let still = |record: &Record| record.state != State::Deleting && record.id == id;
    !found.is_some_and(still)
}

fn unfinished(error: &Unsettled) -> Failure {
    Failure::new(Code::FileUnavailable).because(format_args!(
        "the delete has begun and will be finished: {error}"
    ))
}

/// Removes every copy of a record that is durably `deleting`, then the record, even if
/// the janitor or another request has raised its rev: a doomed record gets no further
/// copy, and until it is gone the file is listed (rule 7).
///
/// # Errors
/// When a node does not confirm, or the store fails; the record then stays, and the janitor
/// finishes the delete.
pub(crate) async fn remove_doomed(
    core: &Arc<Core>,
    trace: Trace,
    record: &Record,
) -> Result<(), Unsettled> {
    for copy in &record.copies {
        remove_copy(core, trace, record, copy).await?;
    }
    crash_here!("manager::d2_copies_removed");
    stall(&core.world, STALL_BEFORE_REMOVE).await;
    let mut rev = record.rev;
    for _ in 0..TRIES {
        match core.store.remove(&record.name, record.id, rev).await {
            // Only the doomed record is followed: nothing takes that back.
            Ok(Swap::Mismatch(Some(now)))
                if now.id == record.id && now.state == State::Deleting =>
            {
                rev = now.rev;
            }
            Ok(Swap::Done | Swap::Mismatch(_)) => {
                core.known.missing.forget(&record.name);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Unsettled::Raced)
}

/// Removes one copy that a durable record dooms (rule 3).
///
/// # Errors
/// When the node is unavailable or does not confirm.
pub(crate) async fn remove_copy(
    core: &Arc<Core>,
    trace: Trace,
    record: &Record,
    copy: &crate::store::Copy,
) -> Result<(), CallError> {
    send(core, trace, record, copy, false).await.map(drop)
}

/// Ends a create of a copy and makes the node refuse a late one, without removing
/// anything; returns whether the copy is there (rule 17).
///
/// # Errors
/// As [`remove_copy`].
pub(crate) async fn refuse_copy(
    core: &Arc<Core>,
    trace: Trace,
    record: &Record,
    copy: &crate::store::Copy,
) -> Result<bool, CallError> {
    send(core, trace, record, copy, true).await
}

async fn send(
    core: &Core,
    trace: Trace,
    record: &Record,
    copy: &crate::store::Copy,
    refuse_only: bool,
) -> Result<bool, CallError> {
    let node = core.nodes.reach(&copy.node)?;
    let delete = DeleteRequest {
        copy: Some(listed_ref(record, copy)),
        session: copy.session,
        trace: trace.0,
        refuse_only,
    };
    node.link.delete(delete).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::sample;

    #[test]
    fn a_delete_without_an_outcome_claims_neither_that_it_was_nor_that_it_was_not() {
        let record = sample::record("a", 1);
        let with = |state| Record {
            state,
            ..record.clone()
        };
        let other = sample::record("a", 1);
        for (found, unsure) in [
            // A janitor may have ended what this request began.
            (None, true),
            (Some(with(State::Deleting)), true),
            (Some(other), true),
            (Some(with(State::Moving)), false),
            (Some(with(State::Stored)), false),
        ] {
            assert_eq!(may_be_ours(found.as_ref(), record.id), unsure, "{found:?}");
        }
    }
}

//! The way of one move (rule 8): list the target, copy, swap the record's node
//! with the source still listed, delete the source's copy, unlist it.

use crate::core::{Core, next_rev};
use crate::nodes::{CallError, Placement, home_ref};
use crate::settle::{Unsettled, commit, drop_extra_copies};
use crate::trace::Trace;
use kit::crash_here;
use manager_store::{Copy, Record, State};
use proto::v1::TransferRequest;
use std::sync::Arc;

/// Carries one file to the node of `placement`, for the event `event`.
///
/// # Errors
/// When it did not arrive. What it leaves open, the janitor settles.
pub(super) async fn carry(
    core: &Arc<Core>,
    record: Record,
    placement: Placement,
    event: u64,
) -> Result<(), Unsettled> {
    let trace = Trace::random();
    let _busy = core.busy(record.id);
    let source = core
        .nodes
        .available(&record.node)
        .ok_or_else(|| CallError::Lost(format!("node {} is unavailable", record.node)))?;
    let target = placement.node.clone();
    let generation = record.next_generation;

    let mut moving = next_rev(&record);
    moving.state = State::Moving;
    moving.moved_event = event;
    moving.next_generation = generation + 1;
    let session = placement.session;
    moving.copies.push(Copy {
        node: target.id.clone(),
        session,
        generation,
    });
    commit(core, &moving).await?;
    crash_here!("manager::move_listed");

    let transfer = TransferRequest {
        copy: Some(home_ref(&record)),
        target_endpoint: target.endpoint.clone(),
        target_generation: generation,
        target_session: session,
        leader: core.leader(),
        trace: trace.0,
        ticket: core
            .token
            .of_pool(&target.pool)
            .ticket(&record.id.to_wire(), generation, session)
            .into(),
    };
    let leaf = match source.link.transfer(transfer, record.size).await {
        Ok(leaf) => leaf,
        Err(error) => {
            // The target may hold it or still receive it: the record dooms that copy.
            drop_extra_copies(core, trace, moving).await?;
            return Err(error.into());
        }
    };
    // On its disk, whatever becomes of the record: who deletes it counts it off.
    placement.landed();
    crash_here!("manager::move_copied");

    let mut arrived = next_rev(&moving);
    arrived.node = target.id.clone();
    arrived.generation = generation;
    arrived.leaf = Some(leaf);
    commit(core, &arrived).await?;
    crash_here!("manager::move_swapped");
    drop_extra_copies(core, trace, arrived).await?;
    crash_here!("manager::move_unlisted");
    tracing::debug!(request = %trace, name = %record.name, from = %source.id, to = %target.id, "moved");
    Ok(())
}

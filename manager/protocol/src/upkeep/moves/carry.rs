//! The way of one move (rule 8): list the target, copy, swap the record's node
//! with the source still listed, delete the source's copy, unlist it.

use crate::core::Core;
use crate::failpoints::{STALL_IN_MOVE, stall};
use crate::files::copies::{confirmed, end, keep_one, mark_others};
use crate::nodes::{Placement, home_ref};
use crate::recovery::set_back::generation_of_move;
use crate::recovery::unsettled::{Unsettled, commit};
use crate::store::{Copy, Record, State};
use crate::trace::Trace;
use failpoint::crash_here;
use messages::v1::TransferRequest;
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
    if core.known.set_back.holds() {
        return Err(Unsettled::SetBack);
    }
    let trace = Trace::random(&core.world);
    let _busy = core.busy(record.id);
    let source = core.nodes.reach(&record.node)?;
    let target = placement.node.clone();
    let generation = generation_of_move(record.next_generation, core.known.set_back.floor());

    let mut moving = core.next_rev(&record);
    moving.state = State::Moving;
    moving.moved_event = event;
    moving.next_generation = generation + 1;
    let session = placement.session;
    moving.copies.push(Copy {
        node: target.id.clone(),
        session,
        generation,
        doomed: false,
    });
    commit(core, &moving).await?;
    crash_here!("manager::m1_listed");
    stall(&core.world, STALL_IN_MOVE).await;

    let transfer = TransferRequest {
        copy: Some(home_ref(&record)),
        target_endpoint: target.endpoint.clone(),
        target_pool: target.pool.clone(),
        target_generation: generation,
        target_session: session,
        leader: core.lead.number(),
        trace: trace.0,
        ticket: core.network.ticket(&target, record.id, generation, session),
    };
    let listed = moving.copies.last().cloned();
    let sent = source.link.transfer(transfer, record.size).await;
    // As the target itself confirms, in its present session (rule 17).
    let arrived = match (&sent, &listed) {
        (Ok(_), Some(copy)) => confirmed(core, trace, &moving, copy).await?,
        (Ok(_), None) | (Err(_), _) => None,
    };
    let Some(leaf) = arrived else {
        // The target may hold it or still receive it. Which copy is kept depends on
        // what both nodes have, not on how the transfer ended.
        let kept = keep_one(core, trace, moving).await?;
        if kept.node == target.id && kept.generation == generation {
            return Ok(());
        }
        return Err(sent.err().map_or(Unsettled::NoneWhole, Unsettled::Node));
    };
    crash_here!("manager::m2_copied");

    let mut arrived = core.next_rev(&moving);
    arrived.node = target.id.clone();
    arrived.generation = generation;
    arrived.leaf = Some(leaf);
    mark_others(&mut arrived);
    commit(core, &arrived).await?;
    crash_here!("manager::m3_swapped");
    end(core, trace, arrived).await?;
    crash_here!("manager::m4_unlisted");
    // The target was asked for the copy just now, and its answer counted it.
    drop(placement);
    tracing::debug!(request = %trace, name = %record.name, from = %source.id, to = %target.id, "moved");
    Ok(())
}

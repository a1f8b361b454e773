//! Of several copies of a file one is kept. No other is deleted before the one that is
//! kept was confirmed, whole and durable, by its node in its present session. If that
//! node denies it and another copy is whole, the record is changed to name that copy
//! (rule 17, invariants 2 and 8).

use crate::core::Core;
use crate::files::delete::{refuse_copy, remove_copy};
use crate::nodes::{CallError, listed_ref};
use crate::recovery::unsettled::{Unsettled, commit};
use crate::store::{Copy, Record, State};
use crate::trace::Trace;
use failpoint::crash_here;
use messages::v1::CopyState;
use std::sync::Arc;

/// What a node says of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// It is there, durable and whole, in this leaf.
    Whole(u32),
    /// Something is there that is not the file: cut short, or corrupt.
    Spoiled,
    /// It is not there.
    Absent,
    /// It may be there soon.
    Underway,
}

impl Held {
    fn of(record: &Record, state: &CopyState) -> Self {
        let Some(meta) = &state.meta else {
            return match state.underway {
                true => Self::Underway,
                false => Self::Absent,
            };
        };
        match state.held && meta.size == record.size && !state.corrupt {
            true => Self::Whole(state.leaf),
            false => Self::Spoiled,
        }
    }
}

/// Which copy of a record is kept.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The one that the record names.
    Named,
    /// Another, at this place of the list, in this leaf.
    Other(usize, u32),
    /// None is whole, and no copy but the named one is there at all.
    OnlyNamed,
    /// None is whole, and some may be of use to a person: nothing is deleted.
    Wait,
    /// One is on its way.
    Underway(usize),
}

/// Decides by what the nodes say of each listed copy, in the order of the list. A
/// doomed copy is never chosen: its deletion may be under way.
fn choose(named: usize, held: &[Held], doomed: &[bool]) -> Choice {
    let at = |wanted: fn(&Held) -> bool| held.iter().position(wanted);
    if let Held::Whole(_) = held[named] {
        return Choice::Named;
    }
    if let Some(at) = at(|held| *held == Held::Underway) {
        return Choice::Underway(at);
    }
    for (at, held) in held.iter().enumerate() {
        if let Held::Whole(leaf) = held
            && !doomed[at]
        {
            return Choice::Other(at, *leaf);
        }
    }
    let mut others = (0..held.len()).filter(|at| *at != named);
    match others.all(|at| held[at] == Held::Absent) {
        true => Choice::OnlyNamed,
        false => Choice::Wait,
    }
}

async fn look(core: &Core, trace: Trace, record: &Record, copy: &Copy) -> Result<Held, CallError> {
    let state = state_at(core, trace, record, copy).await?;
    Ok(Held::of(record, &state))
}

/// What a copy's node says of it, in its present session.
///
/// # Errors
/// When the node is unavailable or does not answer.
pub(crate) async fn state_at(
    core: &Core,
    trace: Trace,
    record: &Record,
    copy: &Copy,
) -> Result<CopyState, CallError> {
    let node = core.nodes.reach(&copy.node)?;
    node.link.stat(trace.0, listed_ref(record, copy)).await
}

/// Keeps one copy of a record that is durably `moving` and whose rev is the caller's
/// own, removes the others, and returns the record as it is then.
///
/// # Errors
/// When a node is unavailable, a copy is under way, or no copy is whole: the record
/// stays `moving`, and what was not confirmed is not deleted.
pub(crate) async fn keep_one(
    core: &Arc<Core>,
    trace: Trace,
    record: Record,
) -> Result<Record, Unsettled> {
    let kept = match ask(core, trace, &record).await? {
        Choice::Named => doom_others(core, record).await?,
        Choice::Other(at, leaf) => name_other(core, trace, &record, at, leaf).await?,
        Choice::OnlyNamed => {
            refuse_others(core, trace, &record).await?;
            return unlist_others(core, &record).await;
        }
        Choice::Underway(at) => {
            return Err(Unsettled::Underway(record.copies[at].node.clone()));
        }
        Choice::Wait => {
            core.known.missing.note(&record);
            return Err(Unsettled::NoneWhole);
        }
    };
    end(core, trace, kept).await
}

/// Removes the copies that a durable record dooms, and lists the one that is kept.
///
/// # Errors
/// As [`keep_one`].
pub(crate) async fn end(core: &Arc<Core>, trace: Trace, kept: Record) -> Result<Record, Unsettled> {
    for copy in kept.copies.iter().filter(|copy| copy.doomed) {
        remove_copy(core, trace, &kept, copy).await?;
    }
    crash_here!("manager::m4_source_gone");
    unlist_others(core, &kept).await
}

async fn unlist_others(core: &Core, kept: &Record) -> Result<Record, Unsettled> {
    let mut settled = core.next_rev(kept);
    settled.state = State::Stored;
    settled.copies.retain(|copy| kept.counts(copy));
    commit(core, &settled).await?;
    Ok(settled)
}

/// Where a copy lies, if its node confirms it to be whole and durable, and sound as
/// far as it knows.
///
/// # Errors
/// When the node is unavailable or does not answer.
pub(crate) async fn confirmed(
    core: &Core,
    trace: Trace,
    record: &Record,
    copy: &Copy,
) -> Result<Option<u32>, CallError> {
    let state = state_at(core, trace, record, copy).await?;
    Ok(leaf_if_whole(record, &state))
}

/// Where a record's copy lies, if it is durable, whole and sound according to its node.
pub(crate) fn leaf_if_whole(record: &Record, state: &CopyState) -> Option<u32> {
    match Held::of(record, state) {
        Held::Whole(leaf) => Some(leaf),
        Held::Spoiled | Held::Absent | Held::Underway => None,
    }
}

/// Dooms every copy but the named one in a record that is about to be written.
pub(crate) fn mark_others(record: &mut Record) {
    let (node, generation) = (record.node.clone(), record.generation);
    for copy in &mut record.copies {
        copy.doomed = copy.node != node || copy.generation != generation;
    }
}

/// Dooms the other copies durably, before any of their deletions is sent: a task that
/// takes the record over then knows that these may be gone at any time.
async fn doom_others(core: &Core, record: Record) -> Result<Record, Unsettled> {
    let mut doomed = core.next_rev(&record);
    mark_others(&mut doomed);
    if doomed.copies == record.copies {
        return Ok(record);
    }
    commit(core, &doomed).await?;
    Ok(doomed)
}

/// Asks for the named copy, and for the others only if that one is not whole.
async fn ask(core: &Arc<Core>, trace: Trace, record: &Record) -> Result<Choice, Unsettled> {
    let named = record.copies.iter().position(|c| record.counts(c));
    let named = named.unwrap_or_default();
    let first = look(core, trace, record, &record.copies[named]).await?;
    if let Held::Whole(_) = first {
        return Ok(Choice::Named);
    }
    let mut held = Vec::with_capacity(record.copies.len());
    for (at, copy) in record.copies.iter().enumerate() {
        held.push(match at == named {
            true => first,
            false => look(core, trace, record, copy).await?,
        });
    }
    if first == Held::Absent {
        // Whatever is decided, the node has denied the bytes.
        core.known.missing.note(record);
    }
    let doomed: Vec<_> = record.copies.iter().map(|copy| copy.doomed).collect();
    Ok(choose(named, &held, &doomed))
}

/// The named copy was denied and this one is whole: it becomes the file, durably,
/// before anything else is removed.
async fn name_other(
    core: &Arc<Core>,
    trace: Trace,
    record: &Record,
    at: usize,
    leaf: u32,
) -> Result<Record, Unsettled> {
    let mut named = core.next_rev(record);
    named.node = record.copies[at].node.clone();
    named.generation = record.copies[at].generation;
    named.leaf = Some(leaf);
    mark_others(&mut named);
    commit(core, &named).await?;
    core.known.missing.forget(&named.name);
    tracing::warn!(request = %trace, name = %named.name, from = %record.node, to = %named.node,
        "the copy that counted is not whole; another one counts now");
    Ok(named)
}

/// No other copy is there, and this makes sure that none can arrive later.
async fn refuse_others(core: &Arc<Core>, trace: Trace, record: &Record) -> Result<(), Unsettled> {
    for copy in record.copies.iter().filter(|c| !record.counts(c)) {
        if refuse_copy(core, trace, record, copy).await? {
            // It arrived after the nodes were asked: the next attempt finds it.
            return Err(Unsettled::Underway(copy.node.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Held::{Absent, Spoiled, Underway, Whole};
    use proptest::prelude::*;

    #[test]
    fn the_copy_that_counts_is_kept_while_it_is_whole_and_else_one_that_is() {
        for (held, choice) in [
            (&[Whole(1), Whole(2)][..], Choice::Named),
            (&[Whole(1), Absent], Choice::Named),
            (&[Whole(1), Underway], Choice::Named),
            (&[Absent, Whole(2)], Choice::Other(1, 2)),
            (&[Spoiled, Absent, Whole(3)], Choice::Other(2, 3)),
            (&[Absent, Underway], Choice::Underway(1)),
            (&[Underway, Whole(2)], Choice::Underway(0)),
            (&[Absent, Absent], Choice::OnlyNamed),
            (&[Spoiled, Absent], Choice::OnlyNamed),
            (&[Absent, Spoiled], Choice::Wait),
            (&[Spoiled, Spoiled], Choice::Wait),
        ] {
            let doomed = vec![false; held.len()];
            assert_eq!(choose(0, held, &doomed), choice, "{held:?}");
        }
        let (first, second) = ([false, true, false], [false, true]);
        let held = [Absent, Whole(2), Whole(3)];
        assert_eq!(choose(0, &held, &first), Choice::Other(2, 3));
        // Its deletion may be under way.
        assert_eq!(choose(0, &held[..2], &second), Choice::Wait);
    }

    fn any_held() -> impl Strategy<Value = Held> {
        prop_oneof![Just(Whole(7)), Just(Spoiled), Just(Absent), Just(Underway)]
    }

    proptest! {
        #[test]
        fn whatever_is_kept_was_confirmed_or_nothing_is_deleted(
            copies in prop::collection::vec((any_held(), any::<bool>()), 1..5),
            named in 0usize..5,
        ) {
            let (held, doomed): (Vec<_>, Vec<_>) = copies.into_iter().unzip();
            let named = named % held.len();
            match choose(named, &held, &doomed) {
                Choice::Named => prop_assert_eq!(held[named], Whole(7)),
                Choice::Other(at, _) => prop_assert!(held[at] == Whole(7) && !doomed[at]),
                // Others are only unlisted, and only where they are not there.
                Choice::OnlyNamed => for (at, held) in held.iter().enumerate() {
                    prop_assert!(at == named || *held == Absent);
                },
                Choice::Wait | Choice::Underway(_) => {}
            }
        }
    }
}

//! The conditions of a pool: each a reason in a word, and a sentence that a
//! person can act on. Those about ongoing work, and the sums, are made here.

use super::Facts;
use super::numbers::{plural, plural_of};
use super::reasons::{Phase, Reason, Type};
use super::state::{available, away, damaged, losing, reachable, replaced, storage};
use super::told::{Holds, Told, told};
use super::words::{doubted, holds, size_refused, troubles, waits};
use crate::plan::NodeFacts;
use crate::plan::scale::{Step, Wait};

/// All conditions, always the same ones in the same order.
pub(crate) fn conditions(facts: &Facts<'_>) -> Vec<Told> {
    let rest = [
        reachable(facts),
        available(facts),
        replaced(facts),
        damaged(facts),
        storage(facts),
        blocked(facts),
        rolling(facts),
        reconciling(facts),
    ];
    let mut all = vec![ready(facts, &rest)];
    all.extend(rest);
    // Before `Reconciling`: tools take the first of the two that holds.
    all.insert(all.len() - 1, stalled(facts));
    all
}

/// Whether nothing goes on before a person does something, in the form that other tools
/// expect.
fn stalled(facts: &Facts<'_>) -> Told {
    let type_ = Type::Stalled;
    if let Some(trouble) = facts.trouble.filter(|trouble| trouble.is_by_hand()) {
        return told(type_, true, trouble.reason(), troubles(facts.name, trouble));
    }
    if let Some(doubt) = facts.doubt {
        return told(
            type_,
            true,
            Reason::StoreDoubted,
            doubted(facts.name, doubt),
        );
    }
    if let Some((reason, why)) =
        losing(facts).filter(|(reason, _)| *reason != Reason::ClaimDraining)
    {
        return told(type_, true, reason, why);
    }
    if let Some(why) = &facts.storage.refused {
        return told(type_, true, Reason::SizeRefused, size_refused(why));
    }
    let blocked = blocked(facts);
    if blocked.holds == Holds::True {
        return Told { type_, ..blocked };
    }
    match facts.roll.holds.as_ref().filter(|_| facts.roll.is_stuck()) {
        Some(hold) => told(type_, true, Reason::RollWaits, holds(facts.name, hold)),
        None => told(
            type_,
            false,
            Reason::Progresses,
            "nothing waits for a person",
        ),
    }
}

fn blocked(facts: &Facts<'_>) -> Told {
    let type_ = Type::ScaleDownBlocked;
    if let Some(why) = facts.refused {
        let message = format!(
            "{why}. Delete files, give the nodes larger volumes, or set replicas to {} again",
            facts.replicas()
        );
        return told(type_, true, Reason::NoRoom, message);
    }
    let doomed = facts.wanted..facts.replicas();
    let held = facts.nodes.iter().find_map(|node| {
        // One that never joined is always away: the step says what it waits for.
        let drain = node.drain.as_ref().filter(|drain| !drain.unseen)?;
        let holds = drain.holds.as_ref()?;
        doomed.contains(&node.ordinal).then_some((node, holds))
    });
    match held {
        Some((node, why)) => {
            let message = format!("{} can't be emptied: {why}", facts.name.pod(node.ordinal));
            told(type_, true, Reason::DrainHolds, message)
        }
        None => told(
            type_,
            false,
            Reason::NotBlocked,
            "nothing holds up a smaller pool",
        ),
    }
}

fn rolling(facts: &Facts<'_>) -> Told {
    let type_ = Type::Rolling;
    let outdated = facts.roll.outdated.len();
    let nodes = plural_of(outdated, "node");
    if outdated == 0 {
        return told(
            type_,
            false,
            Reason::UpToDate,
            "every node runs what it shall run",
        );
    }
    match &facts.roll.holds {
        Some(hold) => {
            let reason = match facts.roll.is_stuck() {
                true => Reason::Waiting,
                false => Reason::Restarting,
            };
            let why = holds(facts.name, hold);
            let message = format!("{nodes} to be restarted: {why}");
            told(type_, true, reason, message)
        }
        None => {
            let message = format!("{nodes} to be restarted, one after the other");
            told(type_, true, Reason::Restarting, message)
        }
    }
}

/// What is still to be done, in the form that other tools expect.
fn reconciling(facts: &Facts<'_>) -> Told {
    let type_ = Type::Reconciling;
    if let Some(trouble) = facts.trouble {
        return told(type_, true, trouble.reason(), troubles(facts.name, trouble));
    }
    let replicas = facts.replicas();
    match facts.step {
        Step::Rest => {}
        Step::Wait(wait) => {
            let reason = match wait {
                Wait::Doubted { .. } => Reason::Held,
                Wait::Unreachable
                | Wait::Stopping(_)
                | Wait::Held { .. }
                | Wait::Unseen(_)
                | Wait::Moving(_) => Reason::Draining,
            };
            return told(type_, true, reason, waits(facts.name, wait));
        }
        Step::Mark { .. } | Step::Drain(_) | Step::Open(_) | Step::Forget(_) => {
            let message = match facts.wanted == replicas {
                true => "what a change of size left is tidied up".to_owned(),
                false => format!("from {replicas} to {} nodes", facts.wanted),
            };
            return told(type_, true, Reason::Scaling, message);
        }
    }
    let serving = facts.serving();
    if serving < facts.wanted {
        let message = format!(
            "{serving} of {} serving{}",
            plural(u64::from(facts.wanted.unsigned_abs()), "node"),
            first_obstacle(facts)
        );
        return told(type_, true, Reason::Starting, message);
    }
    if !facts.roll.outdated.is_empty() {
        return told(
            type_,
            true,
            Reason::Rolling,
            "nodes are restarted with a new template",
        );
    }
    if !facts.storage.growing.is_empty() {
        return told(type_, true, Reason::Growing, "volumes are growing");
    }
    let wanted = |node: &&NodeFacts| node.ordinal < facts.wanted;
    let mut drained = facts.nodes.iter().filter(wanted);
    if let Some(node) = drained.find(|node| node.drain.is_some()) {
        let message = format!(
            "{} was drained by a person's order and takes no files: `manager drain --cancel --node {}` \
             in a manager's pod opens it",
            facts.name.pod(node.ordinal),
            facts.name.node_id(node.ordinal)
        );
        return told(type_, true, Reason::Drained, message);
    }
    told(type_, false, Reason::Done, "the pool is as it should be")
}

/// Why the first node that does not serve doesn't.
fn first_obstacle(facts: &Facts<'_>) -> String {
    let off = facts
        .nodes
        .iter()
        .find(|node| node.ordinal < facts.wanted && !node.serves());
    let Some(node) = off else {
        return String::new();
    };
    let name = facts.name.pod(node.ordinal);
    match &node.pod {
        None => match facts.obstacle {
            Some(why) => format!(": {name} has no pod yet: {why}"),
            None => format!(": {name} has no pod yet"),
        },
        Some(pod) => match (&pod.why, pod.ready) {
            (Some(why), _) => format!(": {name}: {why}"),
            (None, true) => format!(": {name} is joining"),
            (None, false) => format!(": {name} is starting"),
        },
    }
}

/// The sum: the pool is as it should be, and every file can be read.
fn ready(facts: &Facts<'_>, rest: &[Told]) -> Told {
    if facts.deleting {
        return told(
            Type::Ready,
            false,
            Reason::Deleting,
            "the pool is being deleted",
        );
    }
    let is_bad = |told: &&Told| told.holds != told.type_.well_holds().into();
    let bad = rest.iter().find(is_bad);
    match bad {
        None => {
            let message = match facts.wanted {
                1 => "the node serves".to_owned(),
                wanted => format!("all {wanted} nodes serve"),
            };
            told(Type::Ready, true, Reason::AllServe, message)
        }
        Some(bad) => told(Type::Ready, false, bad.reason, &bad.message),
    }
}

/// The phase: what is happening, in a word.
pub(super) fn phase(facts: &Facts<'_>, is_ready: bool) -> Phase {
    if facts.deleting {
        return Phase::Deleting;
    }
    let troubled = facts.trouble.is_some_and(|trouble| !trouble.is_brief());
    if troubled || blocked(facts).holds == Holds::True {
        return Phase::Blocked;
    }
    if facts.view.is_err() {
        return match facts.observed.set {
            None => Phase::Pending,
            Some(_) => Phase::Degraded,
        };
    }
    let replicas = facts.replicas();
    let serving = facts.serving();
    match () {
        () if facts.doubt.is_some() => Phase::Degraded,
        () if facts.wanted < replicas => Phase::Draining,
        () if facts.roll.holds.is_some() && serving < replicas => Phase::Degraded,
        () if !facts.roll.outdated.is_empty() => Phase::Rolling,
        () if facts.wanted > replicas => Phase::Growing,
        () if serving < replicas && away(facts).next().is_some() => Phase::Degraded,
        () if serving < replicas => Phase::Starting,
        () if is_ready => Phase::Ready,
        () if !facts.storage.growing.is_empty() && facts.storage.refused.is_none() => {
            Phase::Growing
        }
        () if matches!(facts.step, Step::Wait(_) | Step::Forget(_)) => Phase::Draining,
        () => Phase::Degraded,
    }
}

#[cfg(test)]
mod tests;

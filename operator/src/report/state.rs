//! How managers, nodes, files and volumes are: the conditions that say what is wrong
//! with them, and what a person can do.

use super::Facts;
use super::numbers::{plural, plural_of};
use super::reasons::{Reason, Type};
use super::told::{Told, told, unknown};
use super::words::{and_more, doubted, is_or_are, size_refused};
use crate::annotations::DRAIN;
use crate::managers::View;
use crate::names::PoolName;
use crate::plan::store::{Doubt, is_replaced};
use crate::plan::{Known, NodeFacts};

pub(super) fn reachable(facts: &Facts<'_>) -> Told {
    match facts.view {
        Ok(_) => told(
            Type::ManagerReachable,
            true,
            Reason::Answers,
            "a manager answers",
        ),
        Err(why) => {
            let message = format!(
                "no manager answers, or its store is away; numbers are as they were, and no node \
                 is taken away or restarted: {why}"
            );
            told(Type::ManagerReachable, false, Reason::NoAnswer, message)
        }
    }
}

/// The nodes that the set has and the managers know, but that are unavailable;
/// and those that hold files and are no part of the set any more.
pub(super) fn away<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a NodeFacts, &'a Known)> {
    let replicas = facts.replicas();
    let files = facts.view.map_or(0, |view| view.pool.unavailable_files);
    facts.nodes.iter().filter_map(move |node| {
        let known = node.known.as_ref().filter(|known| !known.available)?;
        // A node that left empty is about to be dropped.
        let left = node.ordinal >= replicas && node.left_empty();
        (!left && !begins(node, replicas, files)).then_some((node, known))
    })
}

/// Whether a node only just comes, and no file waits for it: the managers know it
/// from the moment it begins to join. Pure.
fn begins(node: &NodeFacts, replicas: i32, unavailable_files: u64) -> bool {
    let known = node.known.as_ref();
    node.ordinal < replicas
        && unavailable_files == 0
        && node
            .pod
            .as_ref()
            .is_some_and(|pod| pod.fresh && !pod.overdue)
        && known.is_none_or(|known| known.refused.is_none())
}

pub(super) fn available(facts: &Facts<'_>) -> Told {
    let type_ = Type::NodesAvailable;
    let Ok(view) = facts.view else {
        return unknown(type_, "no manager can be asked");
    };
    let reason = match facts.doubt {
        Some(Doubt::Refused { .. }) => Some(Reason::NodeRefused),
        Some(Doubt::Unknown { .. }) => Some(Reason::ClaimUnknown),
        Some(Doubt::Replaced { .. }) | None => None,
    };
    if let (Some(reason), Some(doubt)) = (reason, facts.doubt) {
        return told(type_, false, reason, doubted(facts.name, doubt));
    }
    let Some((node, known)) = away(facts).next() else {
        return told(type_, true, Reason::AllAvailable, "every node is available");
    };
    let more = away(facts).count() - 1;
    let files = view.pool.unavailable_files;
    let message = unavailable(facts.name, facts.replicas(), (node, known), more, files);
    told(type_, false, Reason::NodeUnavailable, message)
}

/// Which node is unavailable, what that costs, and what can be done; pure.
fn unavailable(
    pool: &PoolName,
    replicas: i32,
    (node, known): (&NodeFacts, &Known),
    more: usize,
    files: u64,
) -> String {
    let name = pool.pod(node.ordinal);
    let (more_text, are) = (and_more(more), is_or_are(more));
    let back = if more == 0 {
        "it is back"
    } else {
        "they are back"
    };
    let pod = node.pod.as_ref();
    let beyond = node.ordinal >= replicas;
    let machine = pod.and_then(|pod| pod.machine.as_ref());
    let machine = machine.map(|machine| format!(" on machine {machine}"));
    let why = match pod.and_then(|pod| pod.why.as_ref()) {
        Some(why) => format!(" ({why})"),
        None if beyond => format!(" (the pool has {replicas} replicas)"),
        None => String::new(),
    };
    let mut message = format!(
        "{name}{}{more_text} {are} unavailable{why}; {} can't be read until {back}",
        machine.unwrap_or_default(),
        plural(files, "file"),
    );
    // Not while it restarts: a node that is back in a minute must not be abandoned.
    let gives_up = beyond || pod.is_some_and(|pod| pod.overdue);
    if gives_up && !known.volume.is_nil() {
        message.push_str(&format!(
            ". If its volume is lost for good: kubectl -n {} annotate fsp {} \
             fileserver.dev/abandon={name}/{}",
            pool.namespace, pool.name, known.volume
        ));
    }
    message
}

pub(super) fn replaced(facts: &Facts<'_>) -> Told {
    let type_ = Type::VolumeReplaced;
    if facts.view.is_err() {
        return unknown(type_, "no manager can be asked");
    }
    let replaced = facts.nodes.iter().filter(|node| is_replaced(node));
    let mut refused = replaced.filter_map(|node| {
        let known = node.known.as_ref()?;
        Some((node, known, known.refused.as_ref()?))
    });
    let refused = refused.next();
    let Some((node, known, refusal)) = refused else {
        return told(
            type_,
            false,
            Reason::OwnVolumes,
            "every node has its own volume",
        );
    };
    let name = facts.name.pod(node.ordinal);
    let message = format!(
        "{}. Give it its volume back; or, if that is lost for good: kubectl -n {} annotate fsp {} \
         fileserver.dev/abandon={name}/{}",
        refusal.why, facts.name.namespace, facts.name.name, known.volume
    );
    told(type_, true, Reason::VolumeReplaced, message)
}

pub(super) fn damaged(facts: &Facts<'_>) -> Told {
    if facts.view.is_err() {
        return unknown(Type::FilesDamaged, "no manager can be asked");
    }
    if facts.hides_files() {
        return unknown(
            Type::FilesDamaged,
            "the managers' store may not be the one that knows these files",
        );
    }
    let corrupt = |node: &NodeFacts| node.known.as_ref().map_or(0, |known| known.corrupt);
    let quarantined = |view: &View| view.nodes.values().map(|(_, line)| line.quarantined).sum();
    let quarantined: u64 = facts.view.map_or(0, quarantined);
    match facts.nodes.iter().map(corrupt).sum::<u64>() {
        0 if quarantined > 0 => told(
            Type::FilesDamaged,
            false,
            Reason::Quarantined,
            format!(
                "no file is known to be damaged; copies that no record lists, {quarantined}, lie in \
                 quarantine: `manager quarantine` in a manager's pod lists, adopts or removes them"
            ),
        ),
        0 => told(
            Type::FilesDamaged,
            false,
            Reason::Intact,
            "no file is known to be damaged",
        ),
        files => {
            let message = format!(
                "{} with bytes that do not match the checksum, answered by code 4; GET /status \
                 has the names: delete and store anew",
                plural(files, "file")
            );
            told(Type::FilesDamaged, true, Reason::Corrupt, message)
        }
    }
}

/// A claim that was deleted while its pod uses it: it goes when the pod stops.
pub(super) fn losing(facts: &Facts<'_>) -> Option<(Reason, String)> {
    let replicas = facts.replicas();
    let mut losing = facts.nodes.iter().filter(|node| node.losing);
    let node = losing.find(|node| node.ordinal < replicas && node.pod.is_some())?;
    let (pool, pod) = (facts.name, facts.name.pod(node.ordinal));
    let claim = pool.claim(node.ordinal);
    let line = facts
        .view
        .ok()
        .and_then(|view| view.nodes.get(&node.ordinal));
    let files = match line {
        Some((_, line)) => plural(line.files, "file"),
        None => "files".to_owned(),
    };
    let kubectl = format!("kubectl -n {}", pool.namespace);
    Some(match &node.drain {
        Some(drain) if drain.done => (
            Reason::ClaimDrained,
            format!(
                "{claim} was deleted, and {pod} is empty: {kubectl} delete pod {pod} gives it a \
                 new volume"
            ),
        ),
        Some(drain) => {
            let holds = drain.holds.as_ref().map(|why| format!(" ({why})"));
            let message = format!(
                "{claim} was deleted, and {} of {pod} are moved to the other nodes{}; keep the pod \
                 until then",
                plural(drain.records, "file"),
                holds.unwrap_or_default()
            );
            (Reason::ClaimDraining, message)
        }
        None => (
            Reason::ClaimTerminating,
            format!(
                "{claim} was deleted and goes with {files} once {pod} stops; it is not restarted. \
                 To move them off first: {kubectl} annotate fsp {} {DRAIN}={pod}",
                pool.name
            ),
        ),
    })
}

pub(super) fn storage(facts: &Facts<'_>) -> Told {
    let type_ = Type::StorageReady;
    if let Some((reason, message)) = losing(facts) {
        return told(type_, false, reason, message);
    }
    if let Some(why) = &facts.storage.refused {
        return told(type_, false, Reason::SizeRefused, size_refused(why));
    }
    if facts.storage.growing.is_empty() {
        if let Some(why) = facts.obstacle.filter(|_| !facts.storage.pending.is_empty()) {
            let pending = plural_of(facts.storage.pending.len(), "volume");
            return told(
                type_,
                false,
                Reason::Pending,
                format!("{pending} not provided yet: {why}"),
            );
        }
        return told(
            type_,
            true,
            Reason::Sized,
            "every volume has the size that is wanted",
        );
    }
    let claims = facts.observed.claim_facts(facts.name);
    let says = claims.iter().find_map(|claim| claim.resizing.clone());
    let says = says.map(|says| format!(": {says}")).unwrap_or_default();
    let growing = facts.storage.growing.len();
    let message = match growing {
        1 => format!("1 volume is growing{says}"),
        _ => format!("{growing} volumes are growing{says}"),
    };
    told(type_, false, Reason::Growing, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{PodFacts, Refusal};

    #[test]
    fn a_node_that_only_just_comes_is_no_unavailable_one() {
        let node = |ordinal, fresh, overdue, refused: Option<Refusal>| NodeFacts {
            ordinal,
            pod: Some(PodFacts {
                fresh,
                overdue,
                ..PodFacts::default()
            }),
            known: Some(Known {
                refused,
                ..Known::default()
            }),
            ..NodeFacts::default()
        };
        let comes = node(4, true, false, None);
        assert!(begins(&comes, 5, 0));
        assert!(!begins(&comes, 5, 1), "files wait for it, maybe");
        assert!(!begins(&comes, 4, 0), "it has to go");
        for (node, why) in [
            (node(4, false, false, None), "it was ready before"),
            (node(4, true, true, None), "it takes too long"),
            (
                node(4, true, false, Some(Refusal::default())),
                "it is refused",
            ),
            (NodeFacts::default(), "it has no pod"),
        ] {
            assert!(!begins(&node, 5, 0), "{why}");
        }
    }

    #[test]
    fn a_node_is_given_up_on_advice_only_when_it_is_away_for_long() {
        let pool = PoolName {
            namespace: "files".to_owned(),
            name: "main".to_owned(),
        };
        let node = |ordinal, overdue| NodeFacts {
            ordinal,
            pod: Some(PodFacts {
                machine: Some("m1".to_owned()),
                overdue,
                ..PodFacts::default()
            }),
            ..NodeFacts::default()
        };
        let known = Known {
            volume: uuid::Uuid::max(),
            ..Known::default()
        };
        let said = |node: &NodeFacts| unavailable(&pool, 3, (node, &known), 1, 7);
        assert_eq!(
            said(&node(1, false)),
            "main-node-1 on machine m1 and 1 more are unavailable; 7 files can't be read until \
             they are back"
        );
        for node in [node(1, true), node(3, false)] {
            let command = "kubectl -n files annotate fsp main fileserver.dev/abandon=main-node-";
            assert!(said(&node).contains(command), "{}", said(&node));
            let none = unavailable(&pool, 3, (&node, &Known::default()), 1, 7);
            assert!(!none.contains("abandon"), "no volume can be named: {none}");
        }
    }
}

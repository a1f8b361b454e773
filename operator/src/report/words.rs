//! What is waited for and what went wrong, in sentences that a person can act on. They
//! are made nowhere else, and nothing is ever decided by them.

use crate::annotations::{ABANDON, DRAIN, PAUSED, VOLUME};
use crate::conflict;
use crate::names::PoolName;
use crate::plan::About;
use crate::plan::roll::{Elsewhere, Hold};
use crate::plan::scale::Wait;
use crate::plan::storage;
use crate::plan::store::{Doubt, Refused};
use crate::trouble::{AbandonRefused, DrainRefused, Left, Trouble};

/// What a change of the number of nodes waits for.
pub(super) fn waits(pool: &PoolName, wait: &Wait) -> String {
    match wait {
        Wait::Unreachable => {
            "no manager answers, so nobody can tell whether nodes are empty; nothing is taken away"
                .to_owned()
        }
        Wait::Doubted {
            current,
            wanted,
            doubt,
        } => format!(
            "{current} nodes stay, and not {wanted}: {}",
            doubted(pool, doubt)
        ),
        Wait::Stopping(ordinal) => format!("{} is being stopped", pool.pod(*ordinal)),
        Wait::Held { ordinal, why } => {
            format!("{} can't be emptied: {why}", pool.pod(*ordinal))
        }
        Wait::Unseen(ordinal) => format!(
            "{} never joined, and its claim does not say that it is empty; if it is: kubectl \
             annotate that claim {VOLUME}=empty",
            pool.pod(*ordinal)
        ),
        Wait::Moving(files) => format!("{files} files are moved to the nodes that stay"),
    }
}

/// Why no node is restarted.
pub(super) fn holds(pool: &PoolName, hold: &Hold) -> String {
    match hold {
        Hold::Unreachable => {
            "no manager answers, so nobody can tell whether the other nodes serve".to_owned()
        }
        Hold::ClaimGoes(ordinal) => format!(
            "the claim of {} is being deleted, and would go with its pod",
            pool.pod(*ordinal)
        ),
        Hold::Elsewhere(elsewhere) => goes_on(elsewhere),
        Hold::NotServing { ordinal, why, .. } => {
            let why = match why {
                Some(why) => format!(": {why}"),
                None => String::new(),
            };
            format!(
                "{} does not serve{why}; no other is restarted before it does, or the pool's \
                 image is set back",
                pool.pod(*ordinal)
            )
        }
    }
}

fn goes_on(elsewhere: &Elsewhere) -> String {
    match elsewhere {
        Elsewhere::NoManager => "no manager of the release is found, so none can be new".to_owned(),
        Elsewhere::Managers {
            new,
            wanted,
            workload,
        } => {
            format!("managers come first: {new} of {wanted} of {workload} run the newest version")
        }
        Elsewhere::Turn(pool) => format!("pool {pool} restarts its nodes first"),
        Elsewhere::Away { node, pool } => {
            format!("node {node} of pool {pool} is unavailable, and no second one is taken away")
        }
    }
}

/// Why claims can't have the wanted size.
pub(super) fn size_refused(refused: &storage::Refused) -> String {
    match refused {
        storage::Refused::Shrinks {
            size,
            capacity,
            ordinal,
        } => format!(
            "storage.size {size} is less than the {capacity} that the volume of node {ordinal} \
             has; volumes can't shrink: set it to that at least, or make a new pool"
        ),
        storage::Refused::NoVolume {
            ordinal,
            request,
            size,
        } => format!(
            "the claim of node {ordinal} asks for {request} and has no volume; such a claim can't \
             change: delete it, and it is made anew with {size}"
        ),
        storage::Refused::NotExpandable(size) => format!(
            "the claims can't grow to {size}: their storage class does not allow it \
             (allowVolumeExpansion)"
        ),
        storage::Refused::SetBack {
            ordinal,
            request,
            size,
        } => format!(
            "the claim of node {ordinal} asks for {request} and can't be set back to the {size} \
             that its volume has: set storage.size to {request}, or to anything above {size}"
        ),
    }
}

/// What speaks against the managers' store, and what to do.
pub(super) fn doubted(pool: &PoolName, doubt: &Doubt) -> String {
    match doubt {
        Doubt::Refused {
            node,
            refusal,
            more,
        } => {
            let node = match node {
                Refused::Stranger(id) => id.rsplit('/').next().unwrap_or(id).to_owned(),
                Refused::Known(ordinal) => format!("node {ordinal}"),
            };
            let (more, are) = (and_more(*more), is_or_are(*more));
            match refusal.about {
                About::Store => format!(
                    "{node}{more} {are} refused: the managers' store is not theirs. Bring that \
                     store back, or rebuild it from the nodes (the chart's manager.rebuild.nodes)"
                ),
                About::Volume | About::Other => format!(
                    "{node}{more} {are} refused, and no node comes or goes until that is settled: \
                     {}",
                    refusal.why
                ),
            }
        }
        Doubt::Unknown { ordinal, more } => {
            let (more, holds) = (and_more(*more), if *more == 0 { "holds" } else { "hold" });
            format!(
                "{}{more} {holds} files that no manager knows. Bring the managers' store back, or \
                 rebuild it from the nodes (the chart's manager.rebuild.nodes)",
                pool.claim(*ordinal)
            )
        }
        Doubt::Replaced { ordinal } => format!(
            "{} came with another volume than its files are on",
            pool.pod(*ordinal)
        ),
    }
}

pub(super) fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

pub(super) fn is_or_are(more: usize) -> &'static str {
    if more == 0 { "is" } else { "are" }
}

/// What kept a pass from doing what was decided.
pub(super) fn troubles(pool: &PoolName, trouble: &Trouble) -> String {
    match trouble {
        Trouble::Token(why) | Trouble::NotApplied(why) | Trouble::Manager(why) => why.clone(),
        Trouble::Uncertified(why) => why.to_string(),
        Trouble::Conflicts(conflicts) => conflict::said(conflicts),
        Trouble::Abandon(refused) => abandon_refused(pool, refused),
        Trouble::Drain(refused) => drain_refused(pool, refused),
        Trouble::Deleting(Left::Pods(pods)) => format!("{pods} nodes are being stopped"),
        Trouble::Deleting(Left::Records(why)) => format!("no manager removes the records: {why}"),
        Trouble::Deleting(Left::Claims(claims)) => format!("{claims} claims are being deleted"),
        Trouble::Paused => format!("the annotation {PAUSED} holds everything but this report"),
    }
}

fn abandon_refused(pool: &PoolName, refused: &AbandonRefused) -> String {
    match refused {
        AbandonRefused::Malformed => format!(
            "annotation {ABANDON}: must be <node>/<volume-id> of this pool, such as {}/…",
            pool.pod(0)
        ),
        AbandonRefused::Managers { ordinal, why } => {
            format!("{} is not given up: {why}", pool.pod(*ordinal))
        }
        AbandonRefused::Untold(ordinal) => format!(
            "whether {} was given up is known once the managers' store is the one that was told to",
            pool.pod(*ordinal)
        ),
        AbandonRefused::Api(why) => why.clone(),
    }
}

fn drain_refused(pool: &PoolName, refused: &DrainRefused) -> String {
    match refused {
        DrainRefused::Malformed => format!(
            "annotation {DRAIN}: must be a node of this pool, such as {}",
            pool.pod(0)
        ),
        DrainRefused::Managers { ordinal, why } => {
            format!("{} is not drained: {why}", pool.pod(*ordinal))
        }
        DrainRefused::Api(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests;

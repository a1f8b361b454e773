//! How many nodes a pool has, from one step to the next (invariant 7).
//!
//! A node leaves in this order, each step durable before the next: the set is
//! marked (`doomed-from`), the managers are ordered to drain, the node is empty, the
//! set names the ordinal (`leaving`), the node is *still* sealed and empty, and
//! the set has one replica less, by a write that fails if anybody changed the set
//! since the ordinal was named. An operator that wants the node back changes the set
//! before it opens the node again, so that an operator which slept between the steps
//! can't take the node away any more.

use super::store::Doubt;
use super::{DrainFacts, Mark, NodeFacts};

/// What is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scale {
    /// Nodes that are wanted.
    pub(crate) wanted: i32,
    /// Pods that the StatefulSet has.
    pub(crate) current: i32,
    /// Ordinals from here on were doomed.
    pub(crate) doomed_from: Option<i32>,
    /// The ordinal that was named for leaving.
    pub(crate) leaving: Option<i32>,
    /// Whether a manager answers, and its store with it.
    pub(crate) reachable: bool,
    /// Why the managers' store may be a stranger, where it may.
    pub(crate) doubt: Option<Doubt>,
    /// Ordinals that have a claim, so that their files can come back, and what it
    /// says about its volume.
    pub(crate) claims: Vec<(i32, Mark)>,
    /// The nodes by ordinal, those beyond the set included.
    pub(crate) nodes: Vec<NodeFacts>,
}

/// The next thing to do about the number of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Rest,
    /// The set gets these replicas and marks.
    Mark {
        /// Its pods.
        replicas: i32,
        /// Ordinals from here on are doomed.
        doomed_from: Option<i32>,
        /// The ordinal that may leave.
        leaving: Option<i32>,
    },
    /// The managers are to drain these ordinals, in one order.
    Drain(Vec<i32>),
    /// The managers are to open these ordinals again.
    Open(Vec<i32>),
    /// The managers are to drop a node that left empty.
    Forget(i32),
    /// Nothing can be done until something else happens.
    Wait(Wait),
}

/// What a change of the number of nodes waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A manager's answer: nobody else can tell whether nodes are empty.
    Unreachable,
    /// The right store: as many nodes stay as there are.
    Doubted {
        /// Pods that the set has.
        current: i32,
        /// Nodes that are wanted.
        wanted: i32,
        /// What speaks against the store.
        doubt: Doubt,
    },
    /// The end of a node's pod.
    Stopping(i32),
    /// A node whose drain holds.
    Held {
        /// Its ordinal.
        ordinal: i32,
        /// Why, as the managers say it.
        why: String,
    },
    /// A person's word: the node never joined, and its claim does not say that it is
    /// empty.
    Unseen(i32),
    /// So many files, which are moved to the nodes that stay.
    Moving(u64),
}

impl Scale {
    fn node(&self, ordinal: i32) -> Option<&NodeFacts> {
        self.nodes.iter().find(|node| node.ordinal == ordinal)
    }

    fn drain(&self, ordinal: i32) -> Option<&DrainFacts> {
        self.node(ordinal)?.drain.as_ref()
    }

    fn claim(&self, ordinal: i32) -> Option<Mark> {
        let found = self.claims.iter().find(|(claimed, _)| *claimed == ordinal);
        found.map(|(_, mark)| *mark)
    }

    /// Whether a node is empty for certain. Where it never joined this store only its
    /// claim can say so: another store may know its files (invariant 7).
    fn is_empty(&self, ordinal: i32) -> bool {
        let clean = matches!(self.claim(ordinal), None | Some(Mark::Empty));
        let drain = self.drain(ordinal);
        drain.is_some_and(|drain| drain.done || (drain.unseen && clean))
    }

    /// The last ordinal that is no part of the set, but may hold files: its set was
    /// deleted or scaled by somebody else, or a record was added to it at the very end.
    fn left_out(&self) -> Option<i32> {
        let beyond = self.claims.iter().filter(|(ordinal, mark)| {
            let holds = match self.node(*ordinal).filter(|node| node.known.is_some()) {
                Some(node) if node.known.as_ref().is_some_and(|k| !k.volume.is_nil()) => {
                    !node.left_empty()
                }
                Some(node) => !node.left_empty() || matches!(mark, Mark::Volume(_)),
                None => matches!(mark, Mark::Volume(_)),
            };
            *ordinal >= self.current && holds
        });
        beyond.map(|(ordinal, _)| *ordinal).max()
    }

    /// Whether every ordinal from the set's end to this one would come back with a volume
    /// that it has had before.
    fn all_held_files(&self, last: i32) -> bool {
        let held = |ordinal| !matches!(self.claim(ordinal), None | Some(Mark::Empty));
        (self.current..=last).all(held)
    }

    fn mark(&self, doomed_from: Option<i32>, leaving: Option<i32>) -> Step {
        Step::Mark {
            replicas: self.current,
            doomed_from,
            leaving,
        }
    }
}

/// How many pods a set begins with. All nodes that may hold files come back, whatever
/// is wanted, and are drained then; where no manager can be asked, those are all that
/// have a claim. While the store may be a stranger no others come.
pub(crate) fn first(scale: &Scale) -> i32 {
    let last = match scale.reachable {
        true => scale.left_out(),
        false => scale.claims.iter().map(|(ordinal, _)| *ordinal).max(),
    };
    if scale.doubt.is_some() {
        return last.map_or(0, |last| last + 1);
    }
    last.map_or(scale.wanted, |last| scale.wanted.max(last + 1))
}

/// Decides the next step; pure.
pub(crate) fn next(scale: &Scale) -> Step {
    if let Some(doubt) = scale.doubt.as_ref().filter(|_| scale.reachable) {
        return doubted(scale, doubt);
    }
    if let Some(last) = scale.left_out().filter(|_| scale.reachable) {
        return Step::Mark {
            replicas: scale.wanted.max(last + 1),
            doomed_from: scale.doomed_from,
            leaving: None,
        };
    }
    if scale.wanted >= scale.current {
        return up(scale);
    }
    if !scale.reachable {
        return Step::Wait(Wait::Unreachable);
    }
    match scale.doomed_from.unwrap_or(0) {
        from if from < scale.wanted => reprieve(scale, from),
        from if from == scale.wanted => down(scale),
        _ => scale.mark(Some(scale.wanted), None),
    }
}

/// The store may be a stranger: no node leaves, none joins it with a new volume, and
/// a node that was named for leaving no longer is. Nodes that hold files come back, so
/// that the right store, or a rebuilt one, has them all.
fn doubted(scale: &Scale, doubt: &Doubt) -> Step {
    if scale.leaving.is_some() {
        return scale.mark(scale.doomed_from, None);
    }
    match scale.left_out().filter(|last| scale.all_held_files(*last)) {
        Some(last) => Step::Mark {
            replicas: last + 1,
            doomed_from: scale.doomed_from,
            leaving: None,
        },
        None if scale.wanted == scale.current => Step::Rest,
        None => Step::Wait(Wait::Doubted {
            current: scale.current,
            wanted: scale.wanted,
            doubt: doubt.clone(),
        }),
    }
}

/// More nodes, or as many as there are.
fn up(scale: &Scale) -> Step {
    if scale.wanted > scale.current || scale.leaving.is_some() {
        return Step::Mark {
            replicas: scale.wanted,
            doomed_from: scale.doomed_from,
            leaving: None,
        };
    }
    if !scale.reachable {
        return Step::Rest;
    }
    match scale.doomed_from.unwrap_or(0) {
        from if from < scale.wanted => reprieve(scale, from),
        _ => match forget(scale) {
            Step::Rest => leaving(scale),
            step => step,
        },
    }
}

/// Nodes that are taken away, but not gone yet.
fn leaving(scale: &Scale) -> Step {
    let beyond = |node: &&NodeFacts| {
        let stops = node.pod.is_some() || (node.known.is_some() && node.left_empty());
        node.ordinal >= scale.current && stops
    };
    match scale.nodes.iter().find(beyond) {
        Some(node) => Step::Wait(Wait::Stopping(node.ordinal)),
        None => Step::Rest,
    }
}

/// Nodes from `from` on were doomed, as far as is known, and are wanted again.
fn reprieve(scale: &Scale, from: i32) -> Step {
    // A node that is not wanted may go on leaving: it is not opened.
    if scale.leaving.is_some_and(|leaving| leaving < scale.wanted) {
        return scale.mark(scale.doomed_from, None);
    }
    let back = from..scale.wanted;
    // A node whose pod is being stopped would come back sealed, as its volume is.
    let stands = |ordinal: &i32| {
        scale.node(*ordinal).is_some_and(|node| {
            let available = node.known.as_ref().is_some_and(|known| known.available);
            available && node.pod.as_ref().is_some_and(|pod| pod.ready)
        })
    };
    let sealed: Vec<i32> = back
        .clone()
        .filter(|ordinal| scale.drain(*ordinal).is_some())
        // A node that loses its claim may be drained for that.
        .filter(|ordinal| scale.node(*ordinal).is_none_or(|node| !node.losing))
        .filter(stands)
        .collect();
    if !sealed.is_empty() {
        return Step::Open(sealed);
    }
    if back.clone().all(|ordinal| stands(&ordinal)) {
        // What lies beyond stays marked: the volumes of nodes that left are sealed,
        // and come back so.
        return scale.mark(Some(scale.wanted), None);
    }
    match scale.wanted < scale.current {
        // The others can be drained meanwhile: they are doomed either way.
        true => down(scale),
        false => Step::Rest,
    }
}

/// Fewer nodes.
fn down(scale: &Scale) -> Step {
    let doomed = scale.wanted..scale.current;
    let is_ordered = |o: &i32| scale.drain(*o).is_some_and(|drain| drain.ordered);
    let fresh: Vec<i32> = doomed.filter(|o| !is_ordered(o)).collect();
    if !fresh.is_empty() {
        return Step::Drain(fresh);
    }
    let last = scale.current - 1;
    match (scale.is_empty(last), scale.leaving) {
        (true, Some(leaving)) if leaving == last => Step::Mark {
            replicas: last,
            doomed_from: scale.doomed_from,
            leaving: None,
        },
        (true, _) => scale.mark(scale.doomed_from, Some(last)),
        (false, Some(_)) => scale.mark(scale.doomed_from, None),
        (false, None) => match forget(scale) {
            Step::Rest => Step::Wait(waiting(scale)),
            step => step,
        },
    }
}

/// What a shrink waits for: the first hold among the drains, or their files.
fn waiting(scale: &Scale) -> Wait {
    let drains = || {
        let doomed = (scale.wanted..scale.current).rev();
        doomed.filter_map(|o| Some((o, scale.drain(o)?)))
    };
    let held = drains().find_map(|(o, drain)| Some((o, drain.holds.as_ref()?)));
    let last = scale.current - 1;
    match held {
        Some((ordinal, why)) => Wait::Held {
            ordinal,
            why: why.clone(),
        },
        None if is_unseen(scale, last) => Wait::Unseen(last),
        None => Wait::Moving(drains().map(|(_, drain)| drain.records).sum()),
    }
}

fn is_unseen(scale: &Scale, ordinal: i32) -> bool {
    let drain = scale.drain(ordinal);
    drain.is_some_and(|drain| drain.unseen) && !scale.is_empty(ordinal)
}

/// A node that left and holds nothing needs no row any more.
fn forget(scale: &Scale) -> Step {
    let gone = |node: &&NodeFacts| {
        let away = node.known.as_ref().is_some_and(|known| !known.available);
        node.ordinal >= scale.current && node.pod.is_none() && away && node.left_empty()
    };
    match scale.nodes.iter().find(gone) {
        Some(node) => Step::Forget(node.ordinal),
        None => Step::Rest,
    }
}

#[cfg(test)]
mod tests;

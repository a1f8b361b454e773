//! Which nodes may be restarted with a new pod template: one at a time, from the
//! highest ordinal down, and none while another does not serve.
//!
//! The StatefulSet replaces pods whose ordinal is not below `partition`. At rest
//! that is the number of replicas, so that no change of the template restarts
//! anything before it was decided here.

use super::NodeFacts;

/// What is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roll {
    /// Pods that the set has.
    pub(crate) replicas: i32,
    /// Its partition.
    pub(crate) partition: i32,
    /// The revision that its pods must have; missing while the set's controller
    /// has not seen the newest template.
    pub(crate) revision: Option<String>,
    /// Whether a manager answers.
    pub(crate) reachable: bool,
    /// Why none may be restarted, because of something outside of the pool.
    pub(crate) elsewhere: Option<Elsewhere>,
    /// The nodes by ordinal.
    pub(crate) nodes: Vec<NodeFacts>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The set's partition.
    pub(crate) partition: i32,
    /// Nodes that still have an earlier template.
    pub(crate) outdated: Vec<i32>,
    /// Why the roll stands still, where it does.
    pub(crate) holds: Option<Hold>,
}

/// What forbids that a node is restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hold {
    /// No manager answers, so that nobody can tell whether the other nodes serve.
    Unreachable,
    /// The node's claim is being deleted, and its files would go with it once its pod
    /// stops (invariant 7).
    ClaimGoes(i32),
    /// Something outside of the pool.
    Elsewhere(Elsewhere),
    /// Another node does not serve.
    NotServing {
        /// Its ordinal.
        ordinal: i32,
        /// Why its pod is not ready, as the cluster says it.
        why: Option<String>,
        /// Whether it may never serve unless a person does something.
        lasts: bool,
    },
}

impl Hold {
    /// Whether it ends only when a person does something.
    fn is_stuck(&self) -> bool {
        match self {
            Self::Unreachable | Self::Elsewhere(_) => false,
            Self::ClaimGoes(_) => true,
            Self::NotServing { lasts, .. } => *lasts,
        }
    }
}

/// What goes on outside of a pool, so that none of its nodes may be restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// No manager of the release is found.
    NoManager,
    /// Managers do not all run the newest version.
    Managers {
        /// Those that do.
        new: i32,
        /// How many there are to be.
        wanted: i32,
        /// The name of their StatefulSet or Deployment.
        workload: String,
    },
    /// Another pool, named as managers name it, has the turn.
    Turn(String),
    /// A node of another pool is unavailable.
    Away {
        /// The node.
        node: String,
        /// Its pool, as managers name it.
        pool: String,
    },
}

impl Decision {
    /// Whether the roll goes on only when a person does something.
    pub(crate) fn is_stuck(&self) -> bool {
        self.holds.as_ref().is_some_and(Hold::is_stuck)
    }
}

/// Decides the partition; pure.
pub(crate) fn decide(roll: &Roll) -> Decision {
    let Some(revision) = &roll.revision else {
        // A lower partition would restart pods for a template that was not judged yet.
        return Decision {
            partition: roll.replicas.max(roll.partition),
            outdated: Vec::new(),
            holds: None,
        };
    };
    let mut outdated: Vec<i32> = roll
        .nodes
        .iter()
        .filter(|node| node.ordinal < roll.replicas && is_old(node, revision))
        .map(|n| n.ordinal)
        .collect();
    outdated.sort_unstable();
    let Some(next) = outdated.last().copied() else {
        return Decision {
            partition: roll.replicas,
            outdated,
            holds: None,
        };
    };
    let holds = hold(roll, revision, next);
    Decision {
        partition: match holds {
            Some(_) => next + 1,
            None => next,
        },
        outdated,
        holds,
    }
}

/// Whether a node's pod was made of another template.
fn is_old(node: &NodeFacts, revision: &str) -> bool {
    let pod = node.pod.as_ref();
    pod.is_some_and(|pod| pod.revision != revision)
}

/// What forbids that node `next` is restarted.
fn hold(roll: &Roll, revision: &str, next: i32) -> Option<Hold> {
    if !roll.reachable {
        return Some(Hold::Unreachable);
    }
    let find = |ordinal| roll.nodes.iter().find(|node| node.ordinal == ordinal);
    if find(next).is_some_and(|node| node.losing) {
        return Some(Hold::ClaimGoes(next));
    }
    // Restarting a node that does not serve takes nothing away; but the nodes that have
    // the new template already must be sound. One whose pod is ready may serve through
    // a manager that was not asked.
    let is_off = find(next).is_some_and(|node| !node.serves());
    let is_down = find(next).is_some_and(|node| !node.pod.as_ref().is_some_and(|pod| pod.ready));
    if !is_down && let Some(elsewhere) = &roll.elsewhere {
        return Some(Hold::Elsewhere(elsewhere.clone()));
    }
    let beside = (0..roll.replicas).filter(|ordinal| *ordinal != next);
    let counts = |ordinal: &i32| {
        let goes_too = find(*ordinal).is_some_and(|node| is_old(node, revision));
        !(is_off && goes_too)
    };
    let serves = |ordinal: &i32| find(*ordinal).is_some_and(NodeFacts::serves);
    let ordinal = beside.filter(counts).find(|ordinal| !serves(ordinal))?;
    let pod = find(ordinal).and_then(|node| node.pod.as_ref());
    Some(Hold::NotServing {
        ordinal,
        why: pod.and_then(|pod| pod.why.clone()),
        lasts: pod.is_some_and(|pod| pod.overdue || pod.fails),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Known, PodFacts};

    /// Each letter is a node: `o` old and serving, `n` new and serving, `x` old
    /// and not ready, `b` new and not ready, `-` without a pod, `j` new and ready
    /// but not joined.
    fn roll(nodes: &str) -> Roll {
        let node = |(ordinal, letter)| NodeFacts {
            ordinal,
            pod: (letter != '-').then(|| PodFacts {
                revision: if matches!(letter, 'o' | 'x' | 'J') {
                    "old"
                } else {
                    "new"
                }
                .to_owned(),
                ready: matches!(letter, 'o' | 'n' | 'j' | 'J'),
                why: (letter == 'b').then(|| "ErrImagePull".to_owned()),
                fails: letter == 'b',
                ..PodFacts::default()
            }),
            known: Some(Known {
                available: !matches!(letter, 'j' | 'J'),
                merged: true,
                ..Known::default()
            }),
            ..NodeFacts::default()
        };
        Roll {
            replicas: i32::try_from(nodes.len()).expect("few"),
            partition: i32::try_from(nodes.len()).expect("few"),
            revision: Some("new".to_owned()),
            reachable: true,
            elsewhere: None,
            nodes: (0..).zip(nodes.chars()).map(node).collect(),
        }
    }

    #[test]
    fn one_node_at_a_time_and_none_beside_one_that_does_not_serve() {
        for (nodes, partition, holds) in [
            ("", 0, false),
            ("nnn", 3, false),
            ("ooo", 2, false),
            ("oon", 1, false),
            ("onn", 0, false),
            // The restarted one is awaited: pod, join and merge.
            ("oo-", 2, true),
            ("oob", 2, true),
            ("ooj", 2, true),
            // A bad image that is set back: the only pod that is off is the bad one.
            ("nnx", 2, false),
            // All are broken: restarting one takes nothing away.
            ("xxx", 2, false),
            ("xxn", 1, false),
            ("xxb", 2, true),
            ("oxn", 1, false),
            ("x", 0, false),
            ("xo", 2, true),
            ("bo", 2, true),
        ] {
            let decision = decide(&roll(nodes));
            let told = (decision.partition, decision.holds.is_some());
            assert_eq!(told, (partition, holds), "{nodes}: {decision:?}");
        }
        assert!(decide(&roll("oob")).is_stuck() && !decide(&roll("oo-")).is_stuck());
        let broken = Hold::NotServing {
            ordinal: 2,
            why: Some("ErrImagePull".to_owned()),
            lasts: true,
        };
        assert_eq!(decide(&roll("oob")).holds, Some(broken));
    }

    #[test]
    fn a_node_that_serves_waits_for_what_goes_on_elsewhere() {
        // `J` is old and ready, but the manager that was asked does not have it.
        for (nodes, partition) in [("ooo", 3), ("oon", 2), ("oox", 2), ("ooJ", 3)] {
            let mut waits = roll(nodes);
            waits.elsewhere = Some(Elsewhere::NoManager);
            let decision = decide(&waits);
            assert_eq!(decision.partition, partition, "{nodes}");
            assert!(!decision.is_stuck());
        }
    }

    #[test]
    fn a_node_whose_claim_goes_with_its_pod_is_not_restarted() {
        for (losing, partition) in [(2, 3), (1, 2)] {
            let mut rolls = roll("ooo");
            rolls.nodes[losing].losing = true;
            let decision = decide(&rolls);
            assert_eq!(
                (decision.partition, decision.is_stuck()),
                (partition, losing == 2)
            );
        }
        // Nor where it does not serve.
        let mut rolls = roll("oox");
        rolls.nodes[2].losing = true;
        assert_eq!(decide(&rolls).partition, 3);
        let mut rolls = roll("oon");
        rolls.nodes[1].losing = true;
        assert_eq!(decide(&rolls).partition, 2);
    }

    #[test]
    fn nothing_is_restarted_for_a_template_that_nobody_judged() {
        let mut unseen = roll("ooo");
        unseen.revision = None;
        unseen.partition = 1;
        assert_eq!(decide(&unseen).partition, 3);
        let mut alone = roll("ooo");
        alone.reachable = false;
        assert_eq!(decide(&alone).partition, 3);
    }
}

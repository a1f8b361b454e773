//! Whether the managers' store is the one that the nodes of a pool belong to. While
//! that is in doubt nothing leaves the pool and nothing new comes to it
//! (invariant 7): what such a store says of files may be about other files.

use super::storage::ClaimFacts;
use super::{About, Mark, NodeFacts, Refusal};

/// Why the store may be a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nodes are refused.
    Refused {
        /// One of them, if possible one that belongs to another store.
        node: Refused,
        /// Why it is refused.
        refusal: Refusal,
        /// How many others are refused.
        more: usize,
    },
    /// Claims hold volumes that no manager knows.
    Unknown {
        /// The first of their ordinals.
        ordinal: i32,
        /// How many others there are.
        more: usize,
    },
    /// A known node came with another volume.
    Replaced {
        /// Its ordinal.
        ordinal: i32,
    },
}

/// A node that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// One that the store does not know, by its id.
    Stranger(String),
    /// One that it knows, by its ordinal.
    Known(i32),
}

impl Doubt {
    /// Whether what the managers count is about other files than the pool's.
    pub(crate) fn hides_files(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unknown { .. } => true,
            Self::Replaced { .. } => false,
        }
    }
}

/// Whether a node is refused because it came with another volume than the one that its
/// records are on.
pub(crate) fn is_replaced(node: &NodeFacts) -> bool {
    let known = node.known.as_ref().filter(|known| !known.volume.is_nil());
    let why = known.and_then(|known| known.refused.as_ref());
    why.is_some_and(|refusal| refusal.about == About::Volume)
}

/// What speaks against the store, if anything; pure. `strangers` are nodes of the
/// pool that the store does not know and that are refused. Whatever a node is refused
/// for, the store does not have its files.
pub(crate) fn doubt(
    nodes: &[NodeFacts],
    strangers: &[(String, Refusal)],
    claims: &[ClaimFacts],
) -> Option<Doubt> {
    let is_refused = |node: &&NodeFacts| {
        let known = node.known.as_ref();
        known.is_some_and(|known| known.refused.is_some())
    };
    let refused = nodes.iter().filter(is_refused);
    let others = refused.clone().filter(|node| !is_replaced(node));
    let strangers = strangers.iter().cloned();
    let mut all: Vec<(Refused, Refusal)> = strangers
        .map(|(id, refusal)| (Refused::Stranger(id), refusal))
        .collect();
    all.extend(others.filter_map(|node| {
        let refusal = node.known.as_ref()?.refused.clone()?;
        Some((Refused::Known(node.ordinal), refusal))
    }));
    let foreign = all
        .iter()
        .find(|(_, refusal)| refusal.about == About::Store);
    if let Some((node, refusal)) = foreign.or(all.first()) {
        return Some(Doubt::Refused {
            node: node.clone(),
            refusal: refusal.clone(),
            more: all.len() - 1,
        });
    }
    let is_unknown = |claim: &&ClaimFacts| {
        let node = nodes.iter().find(|node| node.ordinal == claim.ordinal);
        let known = node.and_then(|node| node.known.as_ref());
        matches!(claim.mark, Mark::Volume(_)) && known.is_none_or(|known| known.volume.is_nil())
    };
    let mut unknown: Vec<i32> = claims
        .iter()
        .filter(is_unknown)
        .map(|c| c.ordinal)
        .collect();
    unknown.sort_unstable();
    if let Some(ordinal) = unknown.first() {
        return Some(Doubt::Unknown {
            ordinal: *ordinal,
            more: unknown.len() - 1,
        });
    }
    let ordinal = refused.map(|node| node.ordinal).min()?;
    Some(Doubt::Replaced { ordinal })
}

/// What is to be written on claims, by ordinal; pure. `replicas` are the set's. A
/// claim is marked as empty before managers drop its node, and as not empty before
/// anybody could rely on the opposite. Which volume it holds is seen only while its
/// node is there: the row of a node that is away may be about a claim that is gone, so
/// that the last mark stands.
pub(crate) fn marks(nodes: &[NodeFacts], claims: &[ClaimFacts], replicas: i32) -> Vec<(i32, Mark)> {
    let wanted = |claim: &ClaimFacts| {
        let node = nodes.iter().find(|node| node.ordinal == claim.ordinal)?;
        let known = node.known.as_ref();
        let joined = known.filter(|known| !known.volume.is_nil() && known.refused.is_none());
        let left = claim.ordinal >= replicas && node.pod.is_none() && node.left_empty();
        match joined {
            Some(_) if left => Some(Mark::Empty),
            Some(known) if known.available => Some(Mark::Volume(known.volume)),
            joined => {
                // A node that joined may have gone before its claim was marked.
                let runs = node.pod.as_ref().is_some_and(|pod| pod.ready);
                let may_hold = runs || joined.is_some();
                (may_hold && claim.mark == Mark::Empty).then_some(Mark::Started)
            }
        }
    };
    let differs = |claim: &ClaimFacts| {
        let mark = wanted(claim).filter(|mark| *mark != claim.mark)?;
        Some((claim.ordinal, mark))
    };
    let there = claims.iter().filter(|claim| !claim.terminating);
    there.filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DrainFacts, Known, PodFacts};
    use uuid::Uuid;

    const OWN: Uuid = Uuid::max();

    fn refusal(about: About) -> Refusal {
        Refusal {
            why: "so".to_owned(),
            about,
        }
    }

    fn node(ordinal: i32, volume: Option<Uuid>, refused: Option<About>) -> NodeFacts {
        NodeFacts {
            ordinal,
            known: volume.map(|volume| Known {
                volume,
                refused: refused.map(refusal),
                ..Known::default()
            }),
            ..NodeFacts::default()
        }
    }

    fn claim(ordinal: i32, mark: Mark) -> ClaimFacts {
        ClaimFacts {
            ordinal,
            mark,
            ..ClaimFacts::default()
        }
    }

    #[test]
    fn a_store_that_does_not_know_the_pools_volumes_is_doubted() {
        let marked = [claim(0, Mark::Volume(OWN)), claim(1, Mark::Volume(OWN))];
        let whole = [node(0, Some(OWN), None), node(1, Some(OWN), None)];
        let (other, elsewhere) = (About::Store, About::Other);
        let knock = |node: &str, about| (node.to_owned(), refusal(about));
        let knocks = [knock("a/p-node-0", other), knock("a/p-node-1", other)];
        let mixed = [knock("a/p-node-0", elsewhere), knock("a/p-node-1", other)];
        let unknown = |ordinal, more| Some(Doubt::Unknown { ordinal, more });
        let refused_for = |about, node: Refused, more| {
            Some(Doubt::Refused {
                node,
                refusal: refusal(about),
                more,
            })
        };
        let stranger = |id: &str| Refused::Stranger(id.to_owned());
        let refused = |id: &str, more| refused_for(other, stranger(id), more);
        let known = refused_for(other, Refused::Known(1), 0);
        let replaced = About::Volume;
        let nil = Some(Uuid::nil());
        let (a, b) = (Mark::Empty, Mark::Started);
        type Case<'a> = (
            &'a [NodeFacts],
            &'a [(String, Refusal)],
            &'a [ClaimFacts],
            Option<Doubt>,
        );
        let cases: [Case<'_>; 13] = [
            (&whole, &[], &marked, None),
            (&whole, &[], &[], None),
            // A pool that only just begins, or a node that left empty.
            (
                &[],
                &[],
                &[claim(0, a), claim(1, b), claim(2, Mark::Missing)],
                None,
            ),
            // Nobody knocks yet.
            (&[], &[], &marked, unknown(0, 1)),
            (&whole[..1], &[], &marked, unknown(1, 0)),
            // An order to drain made a row for it.
            (&[node(0, nil, None)], &[], &marked[..1], unknown(0, 0)),
            (&[], &knocks, &[], refused("a/p-node-0", 1)),
            (&whole, &knocks[1..], &marked, refused("a/p-node-1", 0)),
            // What says more of the store is said first.
            (&[], &mixed, &[], refused("a/p-node-1", 1)),
            (
                &[],
                &mixed[..1],
                &[],
                refused_for(elsewhere, stranger("a/p-node-0"), 0),
            ),
            (&[node(1, nil, Some(other))], &[], &[], known.clone()),
            (&[node(1, Some(OWN), Some(other))], &[], &[], known),
            (
                &[node(1, Some(OWN), Some(replaced))],
                &[],
                &marked[1..],
                Some(Doubt::Replaced { ordinal: 1 }),
            ),
        ];
        for (number, (nodes, strangers, claims, wanted)) in cases.into_iter().enumerate() {
            assert_eq!(doubt(nodes, strangers, claims), wanted, "case {number}");
        }
    }

    #[test]
    fn a_claim_says_what_is_on_its_volume() {
        let ready = |mut node: NodeFacts| {
            node.pod = Some(PodFacts {
                ready: true,
                ..PodFacts::default()
            });
            node
        };
        let drained = |mut node: NodeFacts| {
            node.drain = Some(DrainFacts {
                ordered: true,
                done: true,
                ..DrainFacts::default()
            });
            node
        };
        let away = node(1, Some(OWN), None);
        let mut joined = away.clone();
        joined.known.as_mut().expect("known").available = true;
        let other = node(1, Some(OWN), Some(About::Volume));
        let own = Mark::Volume(OWN);
        let another = Mark::Volume(Uuid::from_u128(1));
        for (node, replicas, before, after) in [
            // The claim may be a new one, of which the row says nothing.
            (away.clone(), 2, another, None),
            (away.clone(), 2, Mark::Started, None),
            (away.clone(), 2, Mark::Missing, None),
            (away.clone(), 1, Mark::Missing, None),
            (away.clone(), 2, own, None),
            // But it is not taken for empty any more.
            (away.clone(), 2, Mark::Empty, Some(Mark::Started)),
            (joined.clone(), 2, another, Some(own)),
            (joined.clone(), 2, Mark::Empty, Some(own)),
            (joined.clone(), 2, own, None),
            (joined.clone(), 2, Mark::Missing, Some(own)),
            // It left, but not empty.
            (joined.clone(), 1, Mark::Missing, Some(own)),
            (drained(away), 1, own, Some(Mark::Empty)),
            (drained(joined.clone()), 1, own, Some(Mark::Empty)),
            (drained(joined.clone()), 2, own, None),
            (drained(ready(joined.clone())), 1, own, None),
            (other, 2, Mark::Empty, None),
            (
                ready(node(1, None, None)),
                2,
                Mark::Empty,
                Some(Mark::Started),
            ),
            (ready(node(1, None, None)), 2, own, None),
            (node(1, None, None), 2, Mark::Empty, None),
        ] {
            let claims = [claim(1, before)];
            let wanted: Vec<_> = after.map(|mark| (1, mark)).into_iter().collect();
            let got = marks(std::slice::from_ref(&node), &claims, replicas);
            assert_eq!(got, wanted, "{node:?} {replicas} {before:?}");
        }
        let mut going = claim(1, Mark::Empty);
        going.terminating = true;
        assert!(marks(&[joined], &[going], 2).is_empty());
    }
}

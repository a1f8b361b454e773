//! What is to be done, from what was observed.

use super::Pass;
use crate::build::Shape;
use crate::managers::{View, refusal};
use crate::observe::Observed;
use crate::plan::scale::Step;
use crate::plan::{Mark, NodeFacts, Refusal, autoscale, roll, scale, storage, store};
use std::time::Instant;

/// What was decided.
pub(super) struct Decided {
    /// Nodes that the pool is to have.
    pub(super) wanted: i32,
    /// The same, where autoscaling decides it.
    pub(super) desired: Option<i32>,
    /// Why the managers' store may not be the one that the pool's files are in.
    pub(super) doubt: Option<store::Doubt>,
    /// What is to be written on claims.
    pub(super) marks: Vec<(i32, Mark)>,
    pub(super) nodes: Vec<NodeFacts>,
    pub(super) storage: storage::Decision,
    pub(super) step: Step,
    pub(super) roll: roll::Decision,
    pub(super) shape: Shape,
    /// Whether every node serves with the newest template, so that another pool may
    /// restart its own.
    pub(super) ends_turn: bool,
    /// What autoscaling remembers.
    pub(super) window: autoscale::Window,
}

impl Decided {
    /// Whether nothing is to be done about nodes and claims.
    pub(super) fn is_calm(&self, observed: &Observed) -> bool {
        self.step == Step::Rest
            && self.roll.outdated.is_empty()
            && self.shape.partition == observed.partition()
            && self.storage.make.is_empty()
            && self.storage.resize.is_empty()
            && self.marks.is_empty()
    }
}

impl Pass<'_> {
    /// Decides from what was observed and from what autoscaling remembers of earlier
    /// passes; changes neither.
    pub(super) fn decide(&self) -> Decided {
        let observed = self.observed;
        let view = self.view.ok();
        let nodes = observed.nodes(self.name, view);
        let claims = observed.claim_facts(self.name);
        let doubt = view.and_then(|view| store::doubt(&nodes, &strangers(view), &claims));
        let (wanted, desired, window) = self.wanted(doubt.is_some());
        let seen = scale::Scale {
            wanted,
            current: observed.replicas().unwrap_or(0),
            doomed_from: observed.doomed_from(),
            leaving: observed.leaving(),
            reachable: view.is_some(),
            doubt: doubt.clone(),
            claims: claims.iter().map(|c| (c.ordinal, c.mark)).collect(),
            nodes,
        };
        let (step, mut shape) = self.step(&seen);
        let nodes = seen.nodes;
        let roll = self.roll(&shape, &nodes);
        let mut within = nodes.iter().filter(|node| node.ordinal < shape.replicas);
        let judged = observed.revision().is_some() && roll.outdated.is_empty();
        let ends_turn = judged && within.all(NodeFacts::serves);
        shape.partition = roll.partition;
        shape.template_size = observed.template_size();
        let size = &self.pool.spec.storage.size.0;
        let mut storage = storage::decide(&claims, shape.replicas, size, observed.expands);
        if doubt.is_some() {
            // A new volume would join a store that is not its pool's.
            storage.make.clear();
        }
        Decided {
            wanted,
            desired,
            doubt,
            marks: store::marks(&nodes, &claims, observed.replicas().unwrap_or(0)),
            nodes,
            storage,
            step,
            roll,
            shape,
            ends_turn,
            window,
        }
    }

    /// The next step about the number of nodes, and the set after it.
    fn step(&self, seen: &scale::Scale) -> (Step, Shape) {
        if self.observed.set.is_some() {
            let step = scale::next(seen);
            let shape = after(&step, seen);
            return (step, shape);
        }
        let shape = Shape {
            replicas: scale::first(seen),
            // Volumes of an earlier set may be sealed: all that is wanted is opened.
            doomed_from: Some(0),
            ..Shape::default()
        };
        (Step::Rest, shape)
    }

    fn roll(&self, shape: &Shape, nodes: &[NodeFacts]) -> roll::Decision {
        let observed = self.observed;
        roll::decide(&roll::Roll {
            replicas: shape.replicas,
            partition: match observed.set {
                Some(_) => observed.partition(),
                None => shape.replicas,
            },
            revision: observed.revision(),
            reachable: self.view.is_ok(),
            elsewhere: self.elsewhere.clone(),
            nodes: nodes.to_vec(),
        })
    }

    /// Nodes that are wanted: what the pool says, or what autoscaling makes of it, which
    /// keeps its number while the store's counts are in doubt.
    fn wanted(&self, doubted: bool) -> (i32, Option<i32>, autoscale::Window) {
        let spec = &self.pool.spec;
        let window = self.context.recall(self.name).window;
        let Some(auto) = &spec.autoscaling else {
            return (spec.replicas, None, window);
        };
        let status = self.pool.status.as_ref();
        let before = status.and_then(|status| status.desired_replicas);
        let current = before.or(self.observed.replicas()).unwrap_or(spec.replicas);
        let Some(view) = self.view.ok().filter(|_| !doubted) else {
            return (current, Some(current), window);
        };
        let files = view.pool.files + view.pool.unavailable_files;
        let files = i64::try_from(files).unwrap_or(i64::MAX);
        let (desired, window) = autoscale::decide(auto, files, current, window, Instant::now());
        (desired, Some(desired), window)
    }
}

/// Nodes of this pool's name that the managers refused, each with the reason.
fn strangers(view: &View) -> Vec<(String, Refusal)> {
    let refused = view.pool.strangers.iter();
    refused
        .map(|s| (s.node_id.clone(), refusal(&s.why, s.refused_for)))
        .collect()
}

/// The set after a step; pure.
fn after(step: &Step, seen: &scale::Scale) -> Shape {
    let (replicas, doomed_from, leaving) = match step {
        Step::Mark {
            replicas,
            doomed_from,
            leaving,
        } => (*replicas, *doomed_from, *leaving),
        Step::Rest | Step::Drain(_) | Step::Open(_) | Step::Forget(_) | Step::Wait(_) => {
            (seen.current, seen.doomed_from, seen.leaving)
        }
    };
    Shape {
        replicas,
        doomed_from,
        leaving,
        ..Shape::default()
    }
}

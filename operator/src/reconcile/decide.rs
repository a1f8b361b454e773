//! What is to be done, from what was observed and what is remembered of earlier passes.
//! Pure: what is to be remembered comes out as a value.

use crate::build::Shape;
use crate::managers::{View, refusal};
use crate::observe::Observed;
use crate::plan::roll::Elsewhere;
use crate::plan::scale::Step;
use crate::plan::{Mark, NodeFacts, Refusal, autoscale, roll, scale, storage, store};
use crate::validate::ValidatedPool;
use std::time::Instant;

/// What a decision rests on.
pub(super) struct Seen<'a> {
    /// What a person wants.
    pub(super) pool: &'a ValidatedPool,
    /// What the API server has.
    pub(super) observed: &'a Observed,
    /// What the managers know, where one answers.
    pub(super) view: Option<&'a View>,
    /// Why no node may be restarted, for what goes on outside of the pool.
    pub(super) elsewhere: Option<&'a Elsewhere>,
}

/// What was decided.
#[derive(Debug, PartialEq)]
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
    /// Whether no node may be evicted, since a claim would go with its pod.
    pub(super) frozen: bool,
    /// Whether every node serves with the newest template, so that another pool may
    /// restart its own.
    pub(super) ends_turn: bool,
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

/// Decides, and says what autoscaling is to remember in place of `remembered`.
pub(super) fn decide(
    seen: &Seen<'_>,
    remembered: autoscale::Window,
    now: Instant,
) -> (Decided, autoscale::Window) {
    let (observed, view) = (seen.observed, seen.view);
    let nodes = observed.nodes(&seen.pool.name, view);
    let claims = observed.claim_facts(&seen.pool.name);
    let doubt = view.and_then(|view| store::doubt(&nodes, &strangers(view), &claims));
    let (wanted, desired, remembered) = seen.wanted(doubt.is_some(), remembered, now);
    let scale = scale::Scale {
        wanted,
        current: observed.replicas().unwrap_or(0),
        doomed_from: observed.doomed_from(),
        leaving: observed.leaving(),
        reachable: view.is_some(),
        doubt: doubt.clone(),
        claims: claims.iter().map(|c| (c.ordinal, c.mark)).collect(),
        nodes,
    };
    let (step, mut shape) = seen.step(&scale);
    let nodes = scale.nodes;
    let roll = seen.roll(&shape, &nodes);
    let mut within = nodes.iter().filter(|node| node.ordinal < shape.replicas);
    let judged = observed.revision().is_some() && roll.outdated.is_empty();
    let ends_turn = judged && within.all(NodeFacts::serves);
    shape.partition = roll.partition;
    shape.template_size = observed.template_size();
    let size = &seen.pool.volume.size;
    let mut storage = storage::decide(&claims, shape.replicas, size, observed.expands);
    if doubt.is_some() {
        // A new volume would join a store that is not its pool's.
        storage.make.clear();
    }
    let decided = Decided {
        wanted,
        desired,
        doubt,
        frozen: nodes.iter().any(goes_with_its_pod),
        marks: store::marks(&nodes, &claims, observed.replicas().unwrap_or(0)),
        nodes,
        storage,
        step,
        roll,
        shape,
        ends_turn,
    };
    (decided, remembered)
}

impl Seen<'_> {
    /// The next step about the number of nodes, and the set after it.
    fn step(&self, scale: &scale::Scale) -> (Step, Shape) {
        if self.observed.set.is_some() {
            let step = scale::next(scale);
            let shape = after(&step, scale);
            return (step, shape);
        }
        let shape = Shape {
            replicas: scale::first(scale),
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
            reachable: self.view.is_some(),
            elsewhere: self.elsewhere.cloned(),
            nodes: nodes.to_vec(),
        })
    }

    /// Nodes that are wanted: what the pool says, or what autoscaling makes of it, which
    /// keeps its number while the store's counts are in doubt.
    fn wanted(
        &self,
        doubted: bool,
        window: autoscale::Window,
        now: Instant,
    ) -> (i32, Option<i32>, autoscale::Window) {
        let pool = self.pool;
        let Some(auto) = &pool.autoscale else {
            return (pool.replicas, None, window);
        };
        let status = pool.status.as_ref();
        let before = status.and_then(|status| status.desired_replicas);
        let current = before.or(self.observed.replicas()).unwrap_or(pool.replicas);
        let Some(view) = self.view.filter(|_| !doubted) else {
            return (current, Some(current), window);
        };
        let files = view.pool.files + view.pool.unavailable_files;
        let files = i64::try_from(files).unwrap_or(i64::MAX);
        let (desired, window) = autoscale::decide(auto, files, current, window, now);
        (desired, Some(desired), window)
    }
}

/// Whether a node's files would go with its claim once its pod stops (invariant 7).
fn goes_with_its_pod(node: &NodeFacts) -> bool {
    let is_done = node.drain.as_ref().is_some_and(|drain| drain.done);
    node.losing && node.pod.is_some() && !is_done
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{DrainFacts, PodFacts};
    use proto::v1::PoolStatusReply;
    use serde_json::json;
    use std::time::Duration;

    fn holding(files: u64) -> View {
        View {
            pool: PoolStatusReply {
                files,
                ..PoolStatusReply::default()
            },
            ..View::default()
        }
    }

    /// A set of this many pods.
    fn observed(replicas: i32) -> Observed {
        let set = json!({ "spec": { "replicas": replicas, "selector": {}, "template": {} } });
        Observed {
            set: serde_json::from_value(set).expect("a set"),
            ..Observed::default()
        }
    }

    #[test]
    fn a_pool_without_a_set_gets_one_whose_claims_come_first() {
        let pool = ValidatedPool::sample(json!({ "replicas": 2 }), json!({}));
        let view = View::default();
        let seen = Seen {
            pool: &pool,
            observed: &Observed::default(),
            view: Some(&view),
            elsewhere: None,
        };
        let window = autoscale::Window::default();
        let (decided, remembered) = decide(&seen, window, Instant::now());
        assert_eq!((decided.wanted, decided.desired), (2, None));
        assert_eq!((decided.step, decided.shape.replicas), (Step::Rest, 2));
        assert_eq!(decided.storage.make, [0, 1]);
        assert_eq!(remembered, window);
    }

    #[test]
    fn no_node_is_evicted_while_its_files_would_go_with_it() {
        let drained = |done| DrainFacts {
            done,
            ..DrainFacts::default()
        };
        for (losing, pod, drain, frozen) in [
            (true, true, None, true),
            (true, true, Some(drained(false)), true),
            (true, true, Some(drained(true)), false),
            (true, false, None, false),
            (false, true, None, false),
        ] {
            let node = NodeFacts {
                losing,
                pod: pod.then(PodFacts::default),
                drain,
                ..NodeFacts::default()
            };
            assert_eq!(goes_with_its_pod(&node), frozen, "{node:?}");
        }
    }

    #[test]
    fn what_autoscaling_remembers_goes_in_and_comes_out() {
        let auto = json!({ "maxReplicas": 9, "filesPerNode": 100, "shrinkAfterSeconds": 60 });
        let pool = ValidatedPool::sample(json!({ "autoscaling": auto }), json!({}));
        let (observed, view) = (observed(5), holding(100));
        let begun = Instant::now();
        let after = |seconds, view: Option<&View>, remembered| {
            let seen = Seen {
                pool: &pool,
                observed: &observed,
                view,
                elsewhere: None,
            };
            let now = begun + Duration::from_secs(seconds);
            let (decided, remembered) = decide(&seen, remembered, now);
            (decided.desired, remembered)
        };
        let none = autoscale::Window::default();
        let (desired, remembered) = after(0, Some(&view), none);
        assert_eq!(desired, Some(5));
        assert_ne!(remembered, none, "fewer are enough since then");
        for (seconds, view, before, desired) in [
            (30, Some(&view), remembered, 5),
            (60, Some(&view), remembered, 2),
            // The same moment for one that remembers nothing, or has nobody to ask.
            (60, Some(&view), none, 5),
            (60, None, remembered, 5),
        ] {
            let (got, _) = after(seconds, view, before);
            assert_eq!(got, Some(desired), "after {seconds} s");
        }
        let (_, kept) = after(30, None, remembered);
        assert_eq!(kept, remembered, "nothing was counted");
    }
}

//! A pool's status, made of what was observed. Pure: the same observations give the same
//! status.

mod conditions;
mod numbers;
mod reasons;
mod state;
mod told;
mod words;

pub(crate) use conditions::conditions;
use numbers::in_about;
pub(crate) use reasons::{Reason, Type};
pub(crate) use told::{Holds, Told};

use crate::managers::View;
use crate::names::{PoolName, selector, selects};
use crate::observe::{Observed, node_container};
use crate::plan::store::Doubt;
use crate::plan::{NodeFacts, roll, scale, storage};
use crate::release::Release;
use crate::trouble::Trouble;
use crds::{DrainProgress, FileServerPoolStatus, NodeLine};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// What was seen, and what was decided.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The release.
    pub(crate) release: &'a Release,
    /// The pool's name.
    pub(crate) name: &'a PoolName,
    /// Its generation.
    pub(crate) generation: Option<i64>,
    /// Nodes that are wanted.
    pub(crate) wanted: i32,
    /// Nodes that autoscaling wants, where it is on.
    pub(crate) desired: Option<i32>,
    /// What the API server has.
    pub(crate) observed: &'a Observed,
    /// What the managers know, or why they can't be asked.
    pub(crate) view: Result<&'a View, &'a str>,
    /// The nodes.
    pub(crate) nodes: &'a [NodeFacts],
    /// Why the managers' store may be a stranger.
    pub(crate) doubt: Option<&'a Doubt>,
    /// The next step in scale.
    pub(crate) step: &'a scale::Step,
    /// The roll.
    pub(crate) roll: &'a roll::Decision,
    /// The claims.
    pub(crate) storage: &'a storage::Decision,
    /// Why managers refused an order.
    pub(crate) refused: Option<&'a str>,
    /// What else went wrong.
    pub(crate) trouble: Option<&'a Trouble>,
    /// The cluster's warning about a pod or volume that is not there yet.
    pub(crate) obstacle: Option<&'a str>,
    /// Whether the pool is being deleted.
    pub(crate) deleting: bool,
}

impl Facts<'_> {
    /// Whether what managers say of files is about other files than the pool's.
    fn hides_files(&self) -> bool {
        self.doubt.is_some_and(Doubt::hides_files)
    }

    fn replicas(&self) -> i32 {
        self.observed.replicas().unwrap_or(0)
    }

    /// Nodes that serve, among those that the set has.
    fn serving(&self) -> i32 {
        let within = |node: &&NodeFacts| node.ordinal < self.replicas() && node.serves();
        count(self.nodes.iter().filter(within).count())
    }
}

/// Whether the pool is as it should be.
pub(crate) fn is_ready(told: &[Told]) -> bool {
    told.iter()
        .any(|told| told.type_ == Type::Ready && told.holds == Holds::True)
}

/// The whole status, with these conditions; `before` is the last one, whose times stay
/// where nothing flipped.
pub(crate) fn status(
    facts: &Facts<'_>,
    told: &[Told],
    before: Option<&FileServerPoolStatus>,
    now: Timestamp,
) -> FileServerPoolStatus {
    let old = before.map(|before| before.conditions.as_slice());
    let old = old.unwrap_or_default();
    let kept = before.cloned().unwrap_or_default();
    let images = images(facts.observed);
    let mut status = FileServerPoolStatus {
        observed_generation: facts.generation,
        phase: Some(conditions::phase(facts, is_ready(told)).text().to_owned()),
        replicas: facts.replicas(),
        ready_replicas: facts.serving(),
        desired_replicas: Some(facts.desired.unwrap_or(facts.wanted)),
        selector: Some(selects(&selector(facts.release, facts.name))),
        managed_by: Some(facts.release.owner()),
        current_image: images.0,
        target_image: images.1,
        drains: drains(facts),
        conditions: told
            .iter()
            .map(|told| condition(told, old, facts.generation, now))
            .collect(),
        ..kept
    };
    // While no manager can be asked, or only one whose store may be another pool's,
    // the last numbers stand: the condition says so.
    if let Ok(view) = facts.view
        && !facts.hides_files()
    {
        let pool = &view.pool;
        status.files = big(pool.files + pool.unavailable_files);
        status.bytes = big(pool.bytes + pool.unavailable_bytes);
        status.skew = big(pool.skew);
        status.unavailable_files = big(pool.unavailable_files);
        status.nodes = lines(facts.name, view);
    }
    status
}

/// The same without the numbers, which may be written later. Whether there are any
/// files is kept, since the protection of a pool rests on it.
pub(crate) fn without_numbers(status: &FileServerPoolStatus) -> FileServerPoolStatus {
    let mut bare = status.clone();
    bare.files = bare.files.min(1);
    bare.bytes = 0;
    bare.skew = 0;
    bare.unavailable_files = 0;
    bare.drains.iter_mut().for_each(|drain| {
        drain.files_left = 0;
        drain.estimated_end = None;
    });
    bare.nodes.iter_mut().for_each(|node| {
        (node.files, node.bytes, node.free) = (0, 0, 0);
    });
    bare.conditions.iter_mut().for_each(|condition| {
        condition.message.retain(|c| !c.is_ascii_digit());
    });
    bare
}

fn condition(
    told: &Told,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = told.holds.text();
    let old = before.iter().find(|old| old.type_ == told.type_.text());
    let since = old.filter(|old| old.status == status);
    Condition {
        type_: told.type_.text().to_owned(),
        status: status.to_owned(),
        reason: told.reason.text().to_owned(),
        message: told.message.clone(),
        observed_generation: generation,
        last_transition_time: since.map_or(Time(now), |old| old.last_transition_time.clone()),
    }
}

/// The image that pods run, an earlier one while any pod is left with it; and the one
/// that all must run.
fn images(observed: &Observed) -> (Option<String>, Option<String>) {
    let target = || {
        let spec = &observed.set.as_ref()?.spec;
        let pod = spec.template.spec.as_ref()?;
        node_container(&pod.containers)?.image.clone()
    };
    let target = target();
    let runs = observed.pods.iter().filter_map(|pod| {
        let spec = pod.spec.as_ref()?;
        node_container(&spec.containers)?.image.clone()
    });
    let mut runs: Vec<_> = runs.collect();
    runs.sort_unstable();
    let old = runs.iter().find(|image| Some(*image) != target.as_ref());
    let current = old.or(runs.first()).cloned();
    (current, target)
}

fn drains(facts: &Facts<'_>) -> Vec<DrainProgress> {
    let drained = facts.nodes.iter().filter_map(|node| {
        let drain = node.drain.as_ref()?;
        Some(DrainProgress {
            node: facts.name.pod(node.ordinal),
            files_left: big(drain.records.max(drain.files)),
            estimated_end: drain.seconds_left.map(in_about),
            holds: drain.holds.clone(),
        })
    });
    drained.collect()
}

fn lines(name: &PoolName, view: &View) -> Vec<NodeLine> {
    let line = |(ordinal, (known, line)): (&i32, &(_, proto::v1::NodeLine))| {
        let known: &crate::plan::Known = known;
        NodeLine {
            id: name.pod(*ordinal),
            state: line.state.clone(),
            files: big(line.files),
            bytes: big(line.bytes),
            free: big(line.free),
            volume_id: (!known.volume.is_nil()).then(|| known.volume.to_string()),
        }
    };
    view.nodes.iter().map(line).collect()
}

fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

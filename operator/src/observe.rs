//! The objects of a pool as they are: read from the API server, or recalled from watches
//! while the pool is at rest. A decision about files never rests on a cache.

use crate::build::{CONTAINER, DOOMED_FROM, LEAVING};
use crate::cache::Cache;
use crate::context::Context;
use crate::managers::View;
use crate::names::{PoolName, selector, selects};
use crate::plan::storage::ClaimFacts;
use crate::plan::{NodeFacts, PodFacts};
use crate::quantity::Amount;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, Namespace, PersistentVolumeClaim, Pod, PodCondition, PodStatus,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The StatefulSet controller's label on pods, which names the template they were made of.
const REVISION: &str = "controller-revision-hash";

/// A pod that is not ready for longer than this may be one that never will be: a
/// restart with uploads in flight takes as long.
const OVERDUE: SignedDuration = SignedDuration::from_mins(5);
/// How long after a pod's start its first conditions may be dated, in whole seconds.
const BEGINS: SignedDuration = SignedDuration::from_secs(2);

/// The conditions of a claim that is about to grow, or can't.
const RESIZES: [&str; 4] = [
    "Resizing",
    "FileSystemResizePending",
    "ControllerResizeError",
    "NodeResizeError",
];
/// Characters of a container's last line that are reported.
const LAST_WORDS: usize = 300;
/// Reasons for which a container waits at every start.
const PASSING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// What the API server has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observed {
    /// When it was observed.
    pub(crate) at: Timestamp,
    /// The StatefulSet.
    pub(crate) set: Option<StatefulSet>,
    /// The pods.
    pub(crate) pods: Vec<Pod>,
    /// The claims.
    pub(crate) claims: Vec<PersistentVolumeClaim>,
    /// Whether claims may grow, where that is known.
    pub(crate) expands: Option<bool>,
    /// Whether the namespace is being deleted.
    pub(crate) terminating: bool,
    /// Whether all of it is what watches have shown, and may be a moment old.
    pub(crate) recalled: bool,
}

/// Reads all of it from the API server, or, where `cache` is given, from what watches
/// have shown, which may be a moment old.
///
/// # Errors
/// Where the API server does not answer.
pub(crate) async fn observe(
    context: &Context,
    name: &PoolName,
    cache: Option<&Cache>,
) -> kube::Result<Observed> {
    if let Some(cache) = cache
        && let Some(observed) = recall(context, name, cache).await?
    {
        return Ok(observed);
    }
    let client = &context.client;
    let ours = ListParams::default().labels(&selects(&selector(&context.release, name)));
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &name.namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &name.namespace);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &name.namespace);
    let set = sets.get_opt(&name.nodes()).await?;
    let pods = pods.list(&ours).await?.items;
    // Found by name: a claim that a person made, or an earlier release, has none
    // of our labels and is taken all the same.
    let mut claims = claims.list(&ListParams::default()).await?.items;
    claims.retain(|claim| claim_ordinal(name, claim).is_some());
    let terminating = terminating(client, &name.namespace).await?;
    context.terminating.put(name.namespace.clone(), terminating);
    let expands = expands(context, &claims).await?;
    Ok(Observed {
        at: Timestamp::now(),
        set,
        pods,
        claims,
        expands,
        terminating,
        recalled: false,
    })
}

/// The same from what watches have shown; None while they have not shown all of it,
/// or there is no set.
async fn recall(
    context: &Context,
    name: &PoolName,
    cache: &Cache,
) -> kube::Result<Option<Observed>> {
    let (Some(set), Some(pods), Some(claims)) = (
        cache.get::<StatefulSet>(&name.namespace, &name.nodes()),
        cache.list::<Pod>(),
        cache.list::<PersistentVolumeClaim>(),
    ) else {
        return Ok(None);
    };
    let ours = selector(&context.release, name);
    let is_ours = |pod: &&Arc<Pod>| {
        let labels = pod.labels();
        ours.iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    };
    let is_claim = |claim: &&Arc<PersistentVolumeClaim>| claim_ordinal(name, claim).is_some();
    let claims: Vec<PersistentVolumeClaim> = claims
        .iter()
        .filter(is_claim)
        .map(|claim| (**claim).clone())
        .collect();
    let dies = terminating(&context.client, &name.namespace);
    let namespace = name.namespace.clone();
    let terminating = context.terminating.or_ask(namespace, dies).await?;
    let expands = expands(context, &claims).await?;
    Ok(Some(Observed {
        at: Timestamp::now(),
        set: Some((*set).clone()),
        pods: pods
            .iter()
            .filter(is_ours)
            .map(|pod| (**pod).clone())
            .collect(),
        claims,
        expands,
        terminating,
        recalled: true,
    }))
}

async fn terminating(client: &Client, namespace: &str) -> kube::Result<bool> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = namespaces.get_opt(namespace).await?;
    Ok(namespace.is_none_or(|n| n.metadata.deletion_timestamp.is_some()))
}

async fn expands(
    context: &Context,
    claims: &[PersistentVolumeClaim],
) -> kube::Result<Option<bool>> {
    let class = claims.iter().find_map(|claim| {
        let spec = claim.spec.as_ref()?;
        spec.storage_class_name.clone()
    });
    let Some(class) = class.filter(|class| !class.is_empty()) else {
        return Ok(None);
    };
    let classes: Api<StorageClass> = Api::all(context.client.clone());
    let name = class.clone();
    let ask = async move {
        let found = classes.get_opt(&name).await?;
        Ok(found.map(|class| class.allow_volume_expansion.unwrap_or(false)))
    };
    context.expands.or_ask(class, ask).await
}

fn claim_ordinal(name: &PoolName, claim: &PersistentVolumeClaim) -> Option<i32> {
    let volume = format!("{}-", crate::names::VOLUME);
    name.ordinal(claim.name_any().strip_prefix(&volume)?)
}

impl Observed {
    /// Pods that the set has; nothing where there is no set.
    pub(crate) fn replicas(&self) -> Option<i32> {
        let spec = &self.set.as_ref()?.spec;
        Some(spec.replicas.unwrap_or(1))
    }

    /// Its partition.
    pub(crate) fn partition(&self) -> i32 {
        let update = || {
            let spec = &self.set.as_ref()?.spec;
            let strategy = spec.update_strategy.as_ref()?;
            strategy.rolling_update.as_ref()?.partition
        };
        update().unwrap_or(0)
    }

    fn mark(&self, key: &str) -> Option<i32> {
        self.set.as_ref()?.annotations().get(key)?.parse().ok()
    }

    /// Ordinals from here on were doomed.
    pub(crate) fn doomed_from(&self) -> Option<i32> {
        self.mark(DOOMED_FROM)
    }

    /// The ordinal that was named for leaving.
    pub(crate) fn leaving(&self) -> Option<i32> {
        self.mark(LEAVING)
    }

    /// The size that the set's claim template was made with.
    pub(crate) fn template_size(&self) -> Option<Amount> {
        let templates = &self.set.as_ref()?.spec;
        let template = templates.volume_claim_templates.as_ref()?.first()?;
        request(template)
    }

    /// The revision of the newest template, once the set's controller has seen it.
    pub(crate) fn revision(&self) -> Option<String> {
        let set = self.set.as_ref()?;
        let status = set.status.as_ref()?;
        let seen = status.observed_generation == set.metadata.generation;
        seen.then(|| status.update_revision.clone()).flatten()
    }

    /// Whether a pod has another template than the newest.
    pub(crate) fn is_outdated(&self) -> bool {
        let revision = self.revision();
        let runs = |pod: &Pod| pod.labels().get(REVISION).cloned();
        revision.is_some() && self.pods.iter().any(|pod| runs(pod) != revision)
    }

    /// The claims in the form that the plan takes.
    pub(crate) fn claim_facts(&self, name: &PoolName) -> Vec<ClaimFacts> {
        let facts = |claim: &PersistentVolumeClaim| {
            let status = claim.status.as_ref();
            let capacity = status.and_then(|status| status.capacity.as_ref()?.get("storage"));
            let conditions = status.and_then(|status| status.conditions.as_ref());
            let resizing = conditions.and_then(|all| {
                let told = all.iter().find(|c| RESIZES.contains(&c.type_.as_str()))?;
                let text = told.message.clone().filter(|text| !text.is_empty());
                Some(text.unwrap_or_else(|| told.type_.clone()))
            });
            Some(ClaimFacts {
                ordinal: claim_ordinal(name, claim)?,
                request: request(claim).unwrap_or_default(),
                capacity: capacity.map(Amount::of),
                resizing,
                mark: crate::mark::of(claim),
                terminating: claim.metadata.deletion_timestamp.is_some(),
            })
        };
        self.claims.iter().filter_map(facts).collect()
    }

    /// Whether the claim of a node goes when its pod stops.
    fn is_losing(&self, name: &PoolName, ordinal: i32) -> bool {
        let of_node = |claim: &&PersistentVolumeClaim| claim_ordinal(name, claim) == Some(ordinal);
        let claim = self.claims.iter().find(of_node);
        claim.is_some_and(|claim| claim.metadata.deletion_timestamp.is_some())
    }

    /// The nodes in the form that the plan takes: every ordinal that the set, the pods or
    /// the managers know.
    pub(crate) fn nodes(&self, name: &PoolName, view: Option<&View>) -> Vec<NodeFacts> {
        let mut ordinals: BTreeSet<i32> = (0..self.replicas().unwrap_or(0)).collect();
        let pod_of = |pod: &Pod| name.ordinal(&pod.name_any());
        ordinals.extend(self.pods.iter().filter_map(pod_of));
        if let Some(view) = view {
            ordinals.extend(view.nodes.keys());
        }
        let facts = |ordinal| NodeFacts {
            ordinal,
            pod: self
                .pods
                .iter()
                .find(|pod| pod_of(pod) == Some(ordinal))
                .map(|pod| pod_facts(pod, self.at)),
            known: view.and_then(|view| Some(view.nodes.get(&ordinal)?.0.clone())),
            drain: view.and_then(|view| view.drains.get(&ordinal).cloned()),
            losing: self.is_losing(name, ordinal),
        };
        ordinals.into_iter().map(facts).collect()
    }
}

fn request(claim: &PersistentVolumeClaim) -> Option<Amount> {
    let resources = claim.spec.as_ref()?.resources.as_ref()?;
    Some(Amount::of(resources.requests.as_ref()?.get("storage")?))
}

fn pod_facts(pod: &Pod, now: Timestamp) -> PodFacts {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let condition = |type_: &str| conditions?.iter().find(|c| c.type_ == type_);
    let dying = pod.metadata.deletion_timestamp.is_some();
    let ready = !dying && condition("Ready").is_some_and(|c| c.status == "True");
    let waiting = status.and_then(waiting);
    let unscheduled = || {
        let scheduled = condition("PodScheduled").filter(|c| c.status == "False")?;
        Some((true, scheduled.message.clone()?))
    };
    let not_ready = match (ready, dying) {
        (true, _) => None,
        (false, true) => Some((false, "its pod is being stopped".to_owned())),
        (false, false) => waiting.or_else(unscheduled),
    };
    let (fails, why) = not_ready.unzip();
    let since = match condition("Ready").or_else(|| condition("PodScheduled")) {
        Some(told) => told.last_transition_time.as_ref(),
        None => pod.metadata.creation_timestamp.as_ref(),
    };
    let overdue = since.is_some_and(|since| now.duration_since(since.0) > OVERDUE);
    PodFacts {
        revision: pod.labels().get(REVISION).cloned().unwrap_or_default(),
        ready,
        why,
        fails: fails == Some(true),
        machine: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        overdue: !ready && overdue,
        fresh: !ready && condition("Ready").is_none_or(|ready| began_so(pod, ready)),
    }
}

/// What a pod's containers wait for, and whether that is a failure. A failure comes
/// before a wait that passes, and then the node's own container before those that
/// somebody added.
fn waiting(status: &PodStatus) -> Option<(bool, String)> {
    let all = status.init_container_statuses.iter().flatten();
    let all = all.chain(status.container_statuses.iter().flatten());
    let waits = all.filter_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone()?;
        let text = match last_words(container).as_ref().or(waiting.message.as_ref()) {
            Some(message) => format!("{reason}: {message}"),
            None => reason.clone(),
        };
        let own = container.name == CONTAINER;
        let passes = PASSING.contains(&reason.as_str());
        let text = match own {
            true => text,
            false => format!("container {}: {text}", container.name),
        };
        Some((passes, !own, text))
    });
    waits.min().map(|(passes, _, text)| (!passes, text))
}

/// The last line of a container that ended, where it failed.
fn last_words(container: &ContainerStatus) -> Option<String> {
    let ended = container.last_state.as_ref()?.terminated.as_ref()?;
    let text = ended.message.as_ref().filter(|_| ended.exit_code != 0)?;
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.chars().take(LAST_WORDS).collect())
}

/// The node's own container of a pod.
pub(crate) fn node_container(containers: &[Container]) -> Option<&Container> {
    let own = containers.iter().find(|one| one.name == CONTAINER);
    // Before a webhook adds others it is the only one.
    own.or(containers.first())
}

/// Whether a condition has not changed since the pod's machine began with the pod.
fn began_so(pod: &Pod, condition: &PodCondition) -> bool {
    let start = pod
        .status
        .as_ref()
        .and_then(|status| status.start_time.as_ref());
    let (Some(start), Some(since)) = (start, condition.last_transition_time.as_ref()) else {
        return false;
    };
    since.0.duration_since(start.0) <= BEGINS
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nodes_container_is_known_by_its_name_and_a_failure_comes_first() {
        let waits = |name: &str, reason: &str| {
            let waiting = json!({ "reason": reason, "message": "no" });
            json!({ "name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                    "state": { "waiting": waiting } })
        };
        let why = |containers: &[serde_json::Value]| {
            let pod = json!({ "status": { "containerStatuses": containers } });
            let pod =
                serde_json::from_value::<Pod>(pod).map(|pod| pod_facts(&pod, Timestamp::now()));
            let pod = pod.expect("a pod");
            (pod.fails, pod.why.expect("a reason"))
        };
        let creating = waits("node", "ContainerCreating");
        let pulls = waits("mesh", "ErrImagePull");
        for (containers, wanted) in [
            (
                vec![pulls.clone(), creating.clone()],
                (true, "container mesh: ErrImagePull: no"),
            ),
            (
                vec![waits("mesh", "ContainerCreating"), creating],
                (false, "ContainerCreating: no"),
            ),
            (
                vec![pulls, waits("node", "CrashLoopBackOff")],
                (true, "CrashLoopBackOff: no"),
            ),
        ] {
            let (fails, why) = why(&containers);
            assert_eq!((fails, why.as_str()), wanted);
        }
        let scheduled = json!({ "type": "PodScheduled", "status": "False", "message": "no room" });
        let unscheduled = json!({ "status": { "conditions": [scheduled] } });
        let stopping = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" } });
        for (pod, fails) in [(unscheduled, true), (stopping, false), (json!({}), false)] {
            let read = serde_json::from_value::<Pod>(pod.clone()).expect("a pod");
            assert_eq!(pod_facts(&read, Timestamp::now()).fails, fails, "{pod}");
        }
        let mut ended = waits("node", "CrashLoopBackOff");
        let text = "starts\nnode: the volume is of another node\n";
        ended["lastState"] = json!({ "terminated": { "exitCode": 1, "message": text } });
        let (fails, why) = why(&[ended]);
        assert!(fails);
        assert_eq!(why, "CrashLoopBackOff: node: the volume is of another node");
        let container = |name: &str| Container {
            name: name.to_owned(),
            ..Container::default()
        };
        let pod = [container("mesh"), container("node")];
        assert_eq!(node_container(&pod).map(|c| c.name.as_str()), Some("node"));
    }

    #[test]
    fn a_pod_is_fresh_until_it_was_ready_once() {
        let pod = |ready: &str, since: &str| {
            let pod = json!({ "status": {
                "startTime": "2026-01-01T00:00:10Z",
                "conditions": [{ "type": "Ready", "status": ready, "lastTransitionTime": since }],
            }});
            serde_json::from_value::<Pod>(pod).map(|pod| pod_facts(&pod, Timestamp::now()).fresh)
        };
        for (ready, since, fresh) in [
            ("False", "2026-01-01T00:00:10Z", true),
            ("False", "2026-01-01T00:00:11Z", true),
            ("True", "2026-01-01T00:00:14Z", false),
            ("False", "2026-01-01T00:01:00Z", false),
        ] {
            assert_eq!(pod(ready, since).ok(), Some(fresh), "{ready} since {since}");
        }
        assert!(
            pod_facts(&Pod::default(), Timestamp::now()).fresh,
            "nobody runs it yet"
        );
    }
}

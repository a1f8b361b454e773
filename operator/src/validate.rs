//! A pool as the rest of the operator takes it: what a person wrote is read and checked
//! here, once, and nothing further in parses or checks any of it again.

mod orders;

pub(crate) use orders::{AbandonOrder, DrainOrder, Orders};

use crate::annotations::RELEASED;
use crate::names::PoolName;
use crate::plan::autoscale::Autoscale;
use crate::quantity::Amount;
use crate::raw::RawPool;
use anyhow::{Context, ensure};
use crds::{
    Autoscaling, DeletionPolicy, FileServerPoolSpec, FileServerPoolStatus, PodSecurity, PullPolicy,
    Scheduling,
};
use k8s_openapi::api::core::v1::{
    EnvVar, LocalObjectReference, ObjectReference, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::time::Duration;

/// A pool that was read and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidatedPool {
    /// Its name.
    pub(crate) name: PoolName,
    /// Its UID, which its objects name as their owner's.
    pub(crate) uid: String,
    /// Its metadata as it was read, for writes that rest on it.
    pub(crate) metadata: ObjectMeta,
    /// By which events name it.
    pub(crate) reference: ObjectReference,
    /// Whether it is being deleted.
    pub(crate) deleting: bool,
    /// Until when no operator takes the finalizer back, where it was let go.
    pub(crate) released_until: Option<Timestamp>,
    /// What a person ordered by annotations.
    pub(crate) orders: Orders,
    /// What was last reported of it.
    pub(crate) status: Option<FileServerPoolStatus>,
    /// Nodes that a person wants.
    pub(crate) replicas: i32,
    /// How the number of nodes follows their files, where it does.
    pub(crate) autoscale: Option<Autoscale>,
    /// The volume of each node.
    pub(crate) volume: Volume,
    /// The pod of each node.
    pub(crate) pod: PodWishes,
    /// What becomes of the files when it is deleted.
    pub(crate) deletion: DeletionPolicy,
}

/// The volume of each node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Volume {
    /// Its size.
    pub(crate) size: Amount,
    /// Its class; the cluster's default where there is none.
    pub(crate) class: Option<String>,
    /// A person's labels of claims. None of them is of our group.
    pub(crate) labels: BTreeMap<String, String>,
    /// The same for annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Bytes that uploads never use.
    pub(crate) reserve: i64,
}

/// What a person wishes of the pod of each node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PodWishes {
    /// Its image; the release's where there is none.
    pub(crate) image: Option<String>,
    /// When the image is pulled.
    pub(crate) pull_policy: Option<PullPolicy>,
    /// Secrets to pull the image with.
    pub(crate) pull_secrets: Vec<LocalObjectReference>,
    /// What it asks of its machine.
    pub(crate) resources: Option<ResourceRequirements>,
    /// Further variables.
    pub(crate) env: Vec<EnvVar>,
    /// Where it may run.
    pub(crate) place: Scheduling,
    /// Further labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The id of its user and group; the cluster's to choose where there is none.
    pub(crate) user: Option<i64>,
    /// The id of the group that owns its volume; the same.
    pub(crate) volume_group: Option<i64>,
    /// Bytes a second that are read again at the most.
    pub(crate) scrub_bytes_per_second: i64,
    /// Hours from the beginning of one pass over all files to that of the next, at least.
    pub(crate) scrub_every_hours: i32,
}

/// Reads and checks a pool.
///
/// # Errors
/// Names the part that can't be read, or does not fit the rest.
pub(crate) fn validate(raw: &RawPool) -> anyhow::Result<ValidatedPool> {
    let (spec, status) = raw.read()?;
    let FileServerPoolSpec {
        replicas,
        storage,
        image,
        image_pull_policy,
        image_pull_secrets,
        resources,
        extra_env,
        scheduling,
        pod_labels,
        pod_annotations,
        security,
        scrub,
        deletion_policy,
        autoscaling,
    } = spec;
    // What is being deleted is not scaled any more, and its end must not wait for that.
    let scaled = raw.metadata.deletion_timestamp.is_none();
    let autoscale = autoscaling.as_ref().filter(|_| scaled).map(autoscale);
    let autoscale = autoscale.transpose();
    let (user, volume_group) = ids(&security);
    let name = PoolName::of(raw);
    Ok(ValidatedPool {
        uid: raw.uid().unwrap_or_default(),
        reference: raw.object_ref(&()),
        deleting: raw.metadata.deletion_timestamp.is_some(),
        released_until: raw.annotations().get(RELEASED).and_then(|t| t.parse().ok()),
        orders: Orders::read(&name, raw.annotations()),
        metadata: raw.metadata.clone(),
        name,
        status,
        replicas,
        autoscale: autoscale.context("spec.autoscaling")?,
        volume: Volume {
            size: Amount::of(&storage.size),
            class: storage.storage_class_name,
            labels: foreign(storage.labels),
            annotations: foreign(storage.annotations),
            reserve: Amount::of(&storage.reserve).whole(),
        },
        pod: PodWishes {
            image,
            pull_policy: image_pull_policy,
            pull_secrets: image_pull_secrets,
            resources,
            env: extra_env,
            place: scheduling.unwrap_or_default(),
            labels: pod_labels,
            annotations: pod_annotations,
            user,
            volume_group,
            scrub_bytes_per_second: Amount::of(&scrub.bytes_per_second).whole(),
            scrub_every_hours: scrub.every_hours,
        },
        deletion: deletion_policy,
    })
}

/// Without the keys of our group. Nobody else sets these, whatever an earlier definition
/// let through.
fn foreign(mut own: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let prefix = format!("{}/", crds::GROUP);
    own.retain(|key, _| !key.starts_with(&prefix));
    own
}

/// User and group; none where they are the cluster's to choose.
fn ids(security: &PodSecurity) -> (Option<i64>, Option<i64>) {
    match security.assigned_by_cluster {
        Some(true) => (None, None),
        Some(false) | None => (security.run_as_user, security.fs_group),
    }
}

/// What a division or a range further in rests on. The definition says the same, but an
/// earlier one, or none, may have let another through.
fn autoscale(auto: &Autoscaling) -> anyhow::Result<Autoscale> {
    ensure!(
        auto.min_replicas <= auto.max_replicas,
        "minReplicas must not exceed maxReplicas"
    );
    ensure!(auto.files_per_node > 0, "filesPerNode must be 1 at least");
    ensure!(
        (0..100).contains(&auto.dead_band_percent),
        "deadBandPercent must be less than 100"
    );
    let patience = u64::try_from(auto.shrink_after_seconds).unwrap_or(0);
    Ok(Autoscale {
        least: auto.min_replicas,
        most: auto.max_replicas,
        files_per_node: auto.files_per_node,
        dead_band: auto.dead_band_percent,
        patience: Duration::from_secs(patience),
    })
}

impl ValidatedPool {
    /// One for tests: `team/p`, with this spec and metadata beside the defaults.
    #[cfg(test)]
    pub(crate) fn sample(spec: serde_json::Value, metadata: serde_json::Value) -> Self {
        use serde_json::json;
        let with = |base: serde_json::Value, more: serde_json::Value| {
            let mut whole = base;
            for (key, value) in more.as_object().into_iter().flatten() {
                whole[key] = value.clone();
            }
            whole
        };
        let raw = RawPool {
            spec: with(json!({ "storage": { "size": "1Gi" } }), spec),
            metadata: serde_json::from_value(with(
                json!({ "name": "p", "namespace": "team", "uid": "1" }),
                metadata,
            ))
            .expect("metadata"),
            ..RawPool::default()
        };
        validate(&raw).expect("a pool")
    }
}

#[cfg(test)]
mod tests;

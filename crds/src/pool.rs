//! `FileServerPool`: what a person writes.

use crate::autoscaling::Autoscaling;
use crate::scheduling::Scheduling;
use crate::schema::quantity;
use crate::status::FileServerPoolStatus;
use crate::storage::Storage;
use k8s_openapi::api::core::v1::{EnvVar, LocalObjectReference, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pool of file-server nodes, each a pod with a volume of its own. A file lies
/// whole on one of them; nothing is replicated.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "fileserver.dev",
    version = "v1alpha1",
    kind = "FileServerPool",
    plural = "fileserverpools",
    shortname = "fsp",
    category = "all",
    category = "storage",
    namespaced,
    status = "FileServerPoolStatus",
    derive = "PartialEq",
    doc = "A pool of file-server nodes, each a pod with a volume of its own.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".status.desiredReplicas",
        description = "Nodes that are wanted"
    ),
    printcolumn(
        name = "Ready",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "Nodes that serve files"
    ),
    printcolumn(
        name = "Files",
        type_ = "integer",
        json_path = ".status.files",
        description = "Files of the pool"
    ),
    printcolumn(
        name = "Skew",
        type_ = "integer",
        json_path = ".status.skew",
        description = "Most files on a node less the fewest"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "What goes on"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Bytes",
        type_ = "integer",
        json_path = ".status.bytes",
        description = "Bytes of its files",
        priority = 1
    ),
    printcolumn(
        name = "Unavailable",
        type_ = "integer",
        json_path = ".status.unavailableFiles",
        description = "Files whose node is unavailable",
        priority = 1
    ),
    printcolumn(
        name = "Release",
        type_ = "string",
        json_path = ".status.managedBy",
        description = "The release that serves it",
        priority = 1
    ),
    printcolumn(
        name = "Image",
        type_ = "string",
        json_path = ".status.currentImage",
        description = "Image that its nodes run",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        description = "What Ready says",
        priority = 1
    ),
    validation = Rule::new("size(self.metadata.name) <= 40")
        .message("metadata.name: must have 40 characters at the most, since the names of its pods and claims are made of it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name: must begin with a letter and have only lower case letters, digits and dashes, since a Service is named after it"),
)]
#[serde(rename_all = "camelCase")]
pub struct FileServerPoolSpec {
    /// Nodes that are wanted. A lower number drains the nodes with the highest
    /// ordinals into the others before their pods go; it is refused in
    /// `status.conditions` where the files would not fit.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,
    /// The volume of each node.
    pub storage: Storage,
    /// Image of the nodes; the one that the operator was released with where it is
    /// not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), pattern(r"^[^\s]+$"))]
    pub image: Option<String>,
    /// When the image is pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,
    /// Secrets to pull the image with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// What each node asks of its machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Environment variables added to the nodes, such as `RUST_LOG`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.all(variable, !variable.name.startsWith('DFS_') && !variable.name.startsWith('POD_'))")
        .message("extraEnv: names that begin with DFS_ or POD_ are the operator's own"))]
    pub extra_env: Vec<EnvVar>,
    /// Where the nodes may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Labels added to the pods; those of the operator can't be replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('fileserver.dev/') && !key.startsWith('app.kubernetes.io/'))")
        .message("podLabels: keys of fileserver.dev/ and app.kubernetes.io/ are the operator's own"))]
    pub pod_labels: BTreeMap<String, String>,
    /// Annotations added to the pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub pod_annotations: BTreeMap<String, String>,
    /// Under which ids the nodes run.
    #[serde(default)]
    pub security: PodSecurity,
    /// How nodes re-read their files and compare them with their checksums.
    #[serde(default)]
    pub scrub: Scrub,
    /// What becomes of the files when the pool is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Chooses the number of nodes by the files they hold. Off unless set; the
    /// choice is told in `status.desiredReplicas`, and `replicas` stays as it is. Where
    /// this is removed, `replicas` counts again, 3 if it was never set: set it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
}

/// When an image is pulled.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// At every start of a pod.
    Always,
    /// Where the machine does not have it.
    IfNotPresent,
    /// Never: the machine has to have it.
    Never,
}

/// Under which ids nodes run. The pods are restricted in every other way.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PodSecurity {
    /// User id of the process. `null` leaves it to the cluster, but is lost where a
    /// tool leaves nulls out, as `kubectl apply` does: set `assignedByCluster` instead.
    #[serde(default = "ten_thousand_one")]
    #[schemars(range(min = 1, max = 2_147_483_647i64))]
    pub run_as_user: Option<i64>,
    /// Group that owns the volume. `null` leaves it to the cluster, as for `runAsUser`.
    #[serde(default = "ten_thousand_one")]
    #[schemars(range(min = 1, max = 2_147_483_647i64))]
    pub fs_group: Option<i64>,
    /// Leaves user and groups to the cluster, as OpenShift wants; `runAsUser` and
    /// `fsGroup` do not count then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_by_cluster: Option<bool>,
}

impl Default for PodSecurity {
    fn default() -> Self {
        Self {
            run_as_user: ten_thousand_one(),
            fs_group: ten_thousand_one(),
            assigned_by_cluster: None,
        }
    }
}

/// How nodes re-read their files in the background.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Scrub {
    /// Bytes a second at the most; 0 turns it off.
    #[serde(default = "scrub_rate")]
    #[schemars(schema_with = "quantity")]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('0')) >= 0")
        .message("scrub.bytesPerSecond: must not be negative"))]
    pub bytes_per_second: Quantity,
    /// Hours from the beginning of one pass over all files to that of the next, at least.
    #[serde(default = "a_week")]
    #[schemars(range(min = 1, max = 8760))]
    pub every_hours: i32,
}

impl Default for Scrub {
    fn default() -> Self {
        Self {
            bytes_per_second: scrub_rate(),
            every_hours: a_week(),
        }
    }
}

/// What becomes of the files when the pool is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletionPolicy {
    /// A pool that has files can't be deleted.
    #[default]
    Protect,
    /// Claims and records stay; a pool of the same name takes them back.
    Retain,
    /// The files are deleted with it.
    Delete,
}

fn three() -> i32 {
    3
}

#[expect(clippy::unnecessary_wraps, reason = "null is a choice of its own")]
fn ten_thousand_one() -> Option<i64> {
    Some(10_001)
}

fn scrub_rate() -> Quantity {
    Quantity("10Mi".to_owned())
}

fn a_week() -> i32 {
    168
}

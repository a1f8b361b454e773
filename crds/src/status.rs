//! What the operator reports of a pool.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator tells of a pool. Numbers change every 10 s at the most.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct FileServerPoolStatus {
    /// The generation of the spec that all this is about; -1 until an operator has
    /// seen the pool, so that no tool takes it for done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = -1))]
    pub observed_generation: Option<i64>,
    /// What holds now, each with a reason and a sentence; `Ready` sums them up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What goes on, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Nodes there are.
    pub replicas: i32,
    /// Nodes that serve files.
    pub ready_replicas: i32,
    /// Nodes that are wanted: by autoscaling where it is on, else by the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// Selects the pods, for autoscalers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Files of the pool.
    pub files: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Most files on an available node less the fewest.
    pub skew: i64,
    /// Files whose node is unavailable.
    pub unavailable_files: i64,
    /// The release that serves the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// Image that all nodes run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_image: Option<String>,
    /// Image that they shall run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_image: Option<String>,
    /// Nodes that are drained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["node"]))]
    pub drains: Vec<DrainProgress>,
    /// A line per node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub nodes: Vec<NodeLine>,
}

/// How far the drain of a node is.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DrainProgress {
    /// The node.
    pub node: String,
    /// Files still on it.
    pub files_left: i64,
    /// When it is done, in words such as `in about 5 min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_end: Option<String>,
    /// Why it holds, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
}

/// A node.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeLine {
    /// Its id.
    pub id: String,
    /// `available`, `unavailable` or `draining`.
    pub state: String,
    /// Files on it.
    pub files: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Bytes that uploads may still use.
    pub free: i64,
    /// Its volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_id: Option<String>,
}

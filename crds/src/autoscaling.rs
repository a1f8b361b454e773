//! How many nodes, by the files they hold.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Chooses the number of nodes so that each holds about `filesPerNode` files.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("autoscaling.minReplicas: must not exceed autoscaling.maxReplicas")
)]
pub struct Autoscaling {
    /// Fewest nodes.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: i32,
    /// Most nodes.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// Files that a node shall hold.
    #[schemars(range(min = 1, max = 2_176_782_336i64))]
    pub files_per_node: i64,
    /// How far the files per node may be from that before the number of nodes
    /// changes, in percent.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 50))]
    pub dead_band_percent: i32,
    /// How long fewer nodes must have been enough before the pool shrinks, in
    /// seconds.
    #[serde(default = "an_hour")]
    #[schemars(range(min = 60, max = 604_800))]
    pub shrink_after_seconds: i32,
}

fn one() -> i32 {
    1
}

fn ten() -> i32 {
    10
}

fn an_hour() -> i32 {
    3600
}

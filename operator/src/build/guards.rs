//! What stands around the pods: their name service, their account, and
//! who may evict and reach them.

use super::Parts;
use crate::names::selector;
use serde_json::{Value, json};

/// The nodes' port for managers and other nodes.
pub(super) const GRPC: i32 = 9100;
/// The nodes' port for health and metrics.
pub(super) const OPS: i32 = 9101;

pub(super) fn account(parts: &Parts<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": parts.owned(&parts.name.nodes()),
        "automountServiceAccountToken": false,
    })
}

/// Nodes are found by name whether they are ready or not.
pub(super) fn service(parts: &Parts<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": parts.owned(&parts.name.nodes()),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": selector(parts.release, parts.name),
            "ports": [
                { "name": "grpc", "port": GRPC, "targetPort": "grpc", "protocol": "TCP" },
                { "name": "ops", "port": OPS, "targetPort": "ops", "protocol": "TCP" },
            ],
        },
    })
}

/// One node is evicted at a time, and one that is not healthy always may be; none,
/// healthy or not, while a claim would go with its pod (invariant 7).
pub(super) fn disruption(parts: &Parts<'_>) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": parts.owned(&parts.name.nodes()),
        "spec": {
            "maxUnavailable": if parts.frozen { 0 } else { 1 },
            "unhealthyPodEvictionPolicy": if parts.frozen { "IfHealthyBudget" } else { "AlwaysAllow" },
            "selector": { "matchLabels": selector(parts.release, parts.name) },
        },
    })
}

/// Managers and nodes of the release reach the nodes; anybody may ask for health
/// and metrics, which hold no secret.
pub(super) fn network(parts: &Parts<'_>) -> Value {
    let release = parts.release;
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": parts.owned(&parts.name.nodes()),
        "spec": {
            "podSelector": { "matchLabels": selector(release, parts.name) },
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{
                        "namespaceSelector": { "matchExpressions": [{
                            "key": "kubernetes.io/metadata.name",
                            "operator": "In",
                            "values": release.namespaces,
                        }]},
                        "podSelector": {
                            "matchLabels": {
                                "app.kubernetes.io/name": release.chart,
                                "app.kubernetes.io/instance": release.name,
                            },
                            "matchExpressions": [{
                                "key": "app.kubernetes.io/component",
                                "operator": "In",
                                "values": ["manager", "node"],
                            }],
                        },
                    }],
                    "ports": [{ "port": "grpc", "protocol": "TCP" }],
                },
                { "ports": [{ "port": "ops", "protocol": "TCP" }] },
            ],
        },
    })
}

//! What stands around the pods: their name service, their account, and
//! who may evict and reach them.

use super::{Parts, matching};
use crate::names::selector;
use k8s_openapi::api::core::v1::{Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The nodes' port for managers and other nodes.
pub(super) const GRPC: i32 = 9100;
/// The nodes' port for health and metrics.
pub(super) const OPS: i32 = 9101;

pub(super) fn account(parts: &Parts<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: parts.owned(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// Nodes are found by name whether they are ready or not.
pub(super) fn service(parts: &Parts<'_>) -> Service {
    let port = |name: &str, port| ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: parts.owned(),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(parts.release, &parts.pool.name)),
            ports: Some(vec![port("grpc", GRPC), port("ops", OPS)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// One node is evicted at a time, and one that is not healthy always may be; none,
/// healthy or not, while a claim would go with its pod (invariant 7).
pub(super) fn disruption(parts: &Parts<'_>) -> PodDisruptionBudget {
    let (most, unhealthy) = match parts.frozen {
        true => (0, "IfHealthyBudget"),
        false => (1, "AlwaysAllow"),
    };
    PodDisruptionBudget {
        metadata: parts.owned(),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(most)),
            unhealthy_pod_eviction_policy: Some(unhealthy.to_owned()),
            selector: Some(matching(selector(parts.release, &parts.pool.name))),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}

/// Managers and nodes of the release reach the nodes; anybody may ask for health
/// and metrics, which hold no secret.
pub(super) fn network(parts: &Parts<'_>) -> NetworkPolicy {
    let reaches = |from: Option<Vec<NetworkPolicyPeer>>, port: &str| NetworkPolicyIngressRule {
        from,
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::String(port.to_owned())),
            protocol: Some("TCP".to_owned()),
            ..NetworkPolicyPort::default()
        }]),
    };
    NetworkPolicy {
        metadata: parts.owned(),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(matching(selector(parts.release, &parts.pool.name))),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                reaches(Some(vec![of_release(parts)]), "grpc"),
                reaches(None, "ops"),
            ]),
            ..NetworkPolicySpec::default()
        }),
    }
}

/// The managers and nodes of the release, in all its namespaces.
fn of_release(parts: &Parts<'_>) -> NetworkPolicyPeer {
    let release = parts.release;
    let within = |key: &str, values: Vec<String>| LabelSelectorRequirement {
        key: key.to_owned(),
        operator: "In".to_owned(),
        values: Some(values),
    };
    let namespaces = within("kubernetes.io/metadata.name", release.namespaces.clone());
    let components = vec!["manager".to_owned(), "node".to_owned()];
    let labels = [
        ("app.kubernetes.io/name", &release.chart),
        ("app.kubernetes.io/instance", &release.name),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.clone()));
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_expressions: Some(vec![namespaces]),
            match_labels: None,
        }),
        pod_selector: Some(LabelSelector {
            match_expressions: Some(vec![within("app.kubernetes.io/component", components)]),
            match_labels: Some(labels.into()),
        }),
        ip_block: None,
    }
}

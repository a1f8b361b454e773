//! What stands around the pods: their name service, their account, and
//! who may evict and reach them.

use super::{Parts, matching};
use crate::names::selector;
use crate::release::Release;
use k8s_openapi::api::core::v1::{Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The nodes' port for managers and other nodes.
pub(super) const GRPC: i32 = 9100;
/// The nodes' port for health and metrics.
pub(super) const OPS: i32 = 9101;
/// The managers' port for nodes, which the chart sets.
const MANAGER: i32 = 9000;
/// Where DNS listens: a Service, and a cache on the machine, at the first one, OpenShift's
/// pods at the second.
const DNS: [i32; 2] = [53, 5353];

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
/// and metrics, which hold no secret. Nodes reach what they need, so that one that is
/// taken over reaches neither the API server nor anything outside of the cluster.
pub(super) fn network(parts: &Parts<'_>) -> NetworkPolicy {
    let reaches = |from: Option<Vec<NetworkPolicyPeer>>, port: &str| NetworkPolicyIngressRule {
        from,
        ports: Some(vec![port_of(IntOrString::String(port.to_owned()), "TCP")]),
    };
    let release = parts.release;
    let egress = release.node_egress.as_ref();
    let mut types = vec!["Ingress".to_owned()];
    types.extend(egress.map(|_| "Egress".to_owned()));
    let callers = pods(release, &release.namespaces, &["manager", "node"]);
    NetworkPolicy {
        metadata: parts.owned(),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(matching(selector(parts.release, &parts.pool.name))),
            policy_types: Some(types),
            ingress: Some(vec![
                reaches(Some(vec![callers]), "grpc"),
                reaches(None, "ops"),
            ]),
            egress: egress.map(|extra| [own_egress(release), extra.0.clone()].concat()),
        }),
    }
}

/// What every node needs: DNS, the managers, and other nodes, to copy files. Ports are
/// numbers, since a name would be that of whatever is reached.
fn own_egress(release: &Release) -> Vec<NetworkPolicyEgressRule> {
    let reach = |peer, port| NetworkPolicyEgressRule {
        to: Some(vec![peer]),
        ports: Some(vec![port_of(IntOrString::Int(port), "TCP")]),
    };
    let dns = DNS
        .iter()
        .flat_map(|port| ["UDP", "TCP"].map(|protocol| port_of(IntOrString::Int(*port), protocol)));
    let own = std::slice::from_ref(&release.namespace);
    vec![
        // Anywhere: a cache on the machine has an address that is no pod's.
        NetworkPolicyEgressRule {
            to: None,
            ports: Some(dns.collect()),
        },
        reach(pods(release, own, &["manager"]), MANAGER),
        reach(pods(release, &release.namespaces, &["node"]), GRPC),
    ]
}

fn port_of(port: IntOrString, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(port),
        protocol: Some(protocol.to_owned()),
        ..NetworkPolicyPort::default()
    }
}

/// The pods of some components of the release, in some namespaces.
fn pods(release: &Release, namespaces: &[String], components: &[&str]) -> NetworkPolicyPeer {
    let within = |key: &str, values: Vec<String>| LabelSelectorRequirement {
        key: key.to_owned(),
        operator: "In".to_owned(),
        values: Some(values),
    };
    let namespaces = within("kubernetes.io/metadata.name", namespaces.to_vec());
    let components = components.iter().map(|&name| name.to_owned()).collect();
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

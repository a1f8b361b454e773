//! Which Service is meant, and which pods serve it: decided from what the API server lists.

use crate::outcome::NotReached;
use crate::release::Release;
use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// Selects the Services of managers.
pub(crate) const MANAGERS: &str = "app.kubernetes.io/component=manager";
/// The label with a release's name.
const INSTANCE: &str = "app.kubernetes.io/instance";
/// The label with the name of the chart, and its version behind it.
const CHART: &str = "helm.sh/chart";
const OURS: &str = "distributed-file-server-";
/// The port of the REST API, of Services and pods.
const PORT: &str = "http";
/// The Service's annotation with the Secret that has the authority of its certificate, and the
/// key in it.
const CA: &str = "fileserver.dev/tls-ca";

/// The Service of the REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) release: String,
    pub(crate) url: String,
    /// What selects its pods.
    pub(crate) selector: String,
    /// Its port, of the pods.
    target: IntOrString,
    /// The Secret that has the authority of its certificate, and the key in it.
    pub(crate) ca: Option<(String, String)>,
}

/// A pod that is ready, and the port of its REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) pod: String,
    pub(crate) port: u16,
}

/// The Service that is meant, of all that managers in this namespace have.
pub(crate) fn service(
    services: &[Service],
    namespace: &str,
    wanted: &Release,
) -> Result<Found, NotReached> {
    let is_meant = |service: &&Service| match &wanted.name {
        Some(name) => label(service, INSTANCE) == Some(name),
        // Somebody else's manager may have such a port too.
        None => label(service, CHART).is_some_and(|chart| chart.starts_with(OURS)),
    };
    let with_port = services.iter().filter(|service| http(service).is_some());
    let meant: Vec<&Service> = with_port.clone().filter(is_meant).collect();
    let found = match meant.as_slice() {
        [one] => found(one, namespace),
        [] => Err(none(with_port, namespace, wanted)),
        several => Err(one_of(several, namespace, wanted)),
    };
    found.map_err(NotReached)
}

fn none<'a>(
    others: impl Iterator<Item = &'a Service>,
    namespace: &str,
    wanted: &Release,
) -> String {
    let what = match &wanted.name {
        Some(name) => format!("there is no release {name} in namespace {namespace}"),
        None => format!("there is no release in namespace {namespace}"),
    };
    match releases(others).as_slice() {
        [] => format!("{what}, nor another one"),
        known => format!("{what}, it has {}", known.join(", ")),
    }
}

fn one_of(several: &[&Service], namespace: &str, wanted: &Release) -> String {
    match &wanted.name {
        Some(name) => {
            let names = several
                .iter()
                .filter_map(|one| one.metadata.name.as_deref());
            let names: Vec<_> = names.collect();
            format!(
                "release {name} in namespace {namespace} has several services: {}",
                names.join(", ")
            )
        }
        None => {
            let known = releases(several.iter().copied());
            format!(
                "namespace {namespace} has the releases {}: name one with --kube {namespace}/{}",
                known.join(", "),
                known.first().map_or("RELEASE", String::as_str),
            )
        }
    }
}

fn releases<'a>(services: impl Iterator<Item = &'a Service>) -> Vec<String> {
    let names = services.filter_map(|service| label(service, INSTANCE));
    let mut names: Vec<String> = names.cloned().collect();
    names.sort();
    names.dedup();
    names
}

fn found(service: &Service, namespace: &str) -> Result<Found, String> {
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let spec = service.spec.as_ref();
    let selector = spec.and_then(|spec| spec.selector.as_ref());
    let selector = selector.filter(|selector| !selector.is_empty());
    let (Some(port), Some(selector)) = (http(service), selector) else {
        return Err(format!("service {namespace}/{name} has no pods"));
    };
    let scheme = match port.app_protocol.as_deref() {
        Some("https") => "https",
        _ => "http",
    };
    let annotations = service.metadata.annotations.as_ref();
    let annotations = annotations.filter(|_| scheme == "https");
    let ca = annotations.and_then(|all| all.get(CA)?.split_once('/'));
    let number = IntOrString::Int(port.port);
    Ok(Found {
        release: label(service, INSTANCE).cloned().unwrap_or_default(),
        url: format!("{scheme}://{name}.{namespace}.svc:{}", port.port),
        selector: selects(selector),
        target: port.target_port.clone().unwrap_or(number),
        ca: ca.map(|(secret, key)| (secret.to_owned(), key.to_owned())),
    })
}

fn selects(labels: &BTreeMap<String, String>) -> String {
    let each = labels
        .iter()
        .map(|(label, value)| format!("{label}={value}"));
    each.collect::<Vec<_>>().join(",")
}

fn label<'a>(service: &'a Service, name: &str) -> Option<&'a String> {
    service.metadata.labels.as_ref()?.get(name)
}

fn http(service: &Service) -> Option<&ServicePort> {
    let mut ports = service.spec.as_ref()?.ports.iter().flatten();
    ports.find(|port| port.name.as_deref() == Some(PORT))
}

impl Found {
    /// Those of its pods that are ready and stay.
    pub(crate) fn ready(&self, pods: &[Pod]) -> Vec<Target> {
        let good = pods.iter().filter(|pod| is_ready(pod));
        good.filter_map(|pod| self.target(pod)).collect()
    }

    fn target(&self, pod: &Pod) -> Option<Target> {
        let number = match &self.target {
            IntOrString::Int(number) => *number,
            IntOrString::String(name) => {
                let mut ports = containers(pod).flat_map(|one| one.ports.iter().flatten());
                let named = ports.find(|port| port.name.as_deref() == Some(name))?;
                named.container_port
            }
        };
        Some(Target {
            pod: pod.metadata.name.clone()?,
            port: number.try_into().ok()?,
        })
    }
}

pub(crate) fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    pod.spec.iter().flat_map(|spec| &spec.containers)
}

/// Whether a pod serves, and stays.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// How pods are that are not ready, in words.
pub(crate) fn states(pods: &[Pod]) -> String {
    let state = |pod: &Pod| {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        let state = match pod.metadata.deletion_timestamp {
            Some(_) => "Terminating",
            None => phase.unwrap_or("Unknown"),
        };
        format!("{name} is {state}")
    };
    match pods {
        [] => "it has no pods".to_owned(),
        pods => pods.iter().map(state).collect::<Vec<_>>().join(", "),
    }
}

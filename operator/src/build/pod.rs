//! The pod of a node: restricted, and different from one release to the next in
//! nothing but its image.

use super::container::{CERTIFICATES, TOKEN, container};
use super::{Parts, matching};
use crate::names::{labels, selector};
use crate::release::CertificateSource;
use crate::validate::PodWishes;
use k8s_openapi::api::core::v1::{
    KeyToPath, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile,
    SecretVolumeSource, TopologySpreadConstraint, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kit::tls::FILES;

/// Seconds until a node is killed: the 5 s in which nobody sends new requests (`LEAVES` in
/// `container`), the 300 s that those in flight may take (the node's `--drain-timeout`),
/// and some for its end.
const GRACE: i64 = 330;

pub(super) fn template(parts: &Parts<'_>) -> PodTemplateSpec {
    let wishes = &parts.pool.pod;
    let mut all = wishes.labels.clone();
    all.extend(labels(parts.release, &parts.pool.name));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all),
            annotations: Some(wishes.annotations.clone()),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(parts)),
    }
}

/// What the pool does not say is left out: a changed template restarts its nodes.
fn pod(parts: &Parts<'_>) -> PodSpec {
    let place = parts.pool.pod.place.clone();
    PodSpec {
        service_account_name: Some(parts.pool.name.nodes()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE),
        security_context: Some(security(&parts.pool.pod)),
        containers: vec![container(parts)],
        volumes: Some(volumes(parts)),
        topology_spread_constraints: Some(spread(parts)),
        image_pull_secrets: unless_empty(pull_secrets(parts)),
        node_selector: Some(place.node_selector).filter(|selector| !selector.is_empty()),
        tolerations: unless_empty(place.tolerations),
        affinity: place.affinity,
        priority_class_name: place.priority_class_name,
        runtime_class_name: place.runtime_class_name,
        ..PodSpec::default()
    }
}

fn unless_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The pool's own key, of the Secret with those of all pools of the namespace, and its
/// certificate, which is there as well, or in a Secret of the pool's that cert-manager
/// makes.
fn volumes(parts: &Parts<'_>) -> Vec<Volume> {
    let pool = &parts.pool.name;
    let shared = parts.release.keys_secret(&pool.namespace);
    let token = secret(&shared, TOKEN, &[(&pool.name, TOKEN)]);
    let (cert, key) = (pool.certificate(), pool.private_key());
    let [to_cert, to_key, trust] = FILES;
    let certificates = parts.release.of_nodes().map(|source| match source {
        CertificateSource::Operator(_) => {
            let files = [(cert.as_str(), to_cert), (&key, to_key), (trust, trust)];
            secret(&shared, CERTIFICATES, &files)
        }
        CertificateSource::CertManager(_) => {
            let files = FILES.map(|name| (name, name));
            secret(&pool.issued_secret(), CERTIFICATES, &files)
        }
    });
    std::iter::once(token).chain(certificates).collect()
}

/// A volume with some entries of a Secret, and the files that they are.
fn secret(secret: &str, name: &str, entries: &[(&str, &str)]) -> Volume {
    let item = |(key, path): &(&str, &str)| KeyToPath {
        key: (*key).to_owned(),
        path: (*path).to_owned(),
        ..KeyToPath::default()
    };
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            items: Some(entries.iter().map(item).collect()),
            default_mode: Some(0o440),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The release's Secrets are for its own image.
fn pull_secrets(parts: &Parts<'_>) -> Vec<LocalObjectReference> {
    let wishes = &parts.pool.pod;
    let named = |name: &String| LocalObjectReference { name: name.clone() };
    let ours = parts.release.pull_secrets.iter().map(named);
    let ours = ours.filter(|_| wishes.image.is_none());
    ours.chain(wishes.pull_secrets.iter().cloned()).collect()
}

fn security(wishes: &PodWishes) -> PodSecurityContext {
    let group = wishes.volume_group;
    PodSecurityContext {
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        run_as_user: wishes.user,
        run_as_group: wishes.user,
        fs_group: group,
        fs_group_change_policy: group.map(|_| "OnRootMismatch".to_owned()),
        ..PodSecurityContext::default()
    }
}

/// As evenly over machines and zones as possible, unless the pool says otherwise.
fn spread(parts: &Parts<'_>) -> Vec<TopologySpreadConstraint> {
    let own = &parts.pool.pod.place.topology_spread_constraints;
    if !own.is_empty() {
        return own.clone();
    }
    let over = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(matching(selector(parts.release, &parts.pool.name))),
        ..TopologySpreadConstraint::default()
    };
    ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        .map(over)
        .into()
}

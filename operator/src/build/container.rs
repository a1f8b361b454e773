//! The container of a node: its image, its probes, and what it is told by variables.

use super::Parts;
use super::guards::{GRPC, OPS};
use crate::names::VOLUME;
use crate::release::Release;
use crds::PullPolicy;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, Lifecycle,
    LifecycleHandler, ObjectFieldSelector, Probe, SecurityContext, SleepAction, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The node's container. Others may be added to a pod, and come before it.
pub(crate) const CONTAINER: &str = "node";
/// Where the volume is mounted. The files lie in a directory within.
const DATA: &str = "/data";
/// The volume with the token.
pub(super) const TOKEN: &str = "token";
/// Where the token is mounted.
const SECRET: &str = "/etc/dfs/token";
/// The volume with the certificates of the inner ports.
pub(super) const CERTIFICATES: &str = "certs";
/// Where they are mounted, in the files that the program reads.
const CERTS: &str = "/etc/dfs/certs";
/// How long nobody sends new requests to a node that is being stopped, in seconds.
const LEAVES: i64 = 5;

pub(super) fn container(parts: &Parts<'_>) -> Container {
    let wishes = &parts.pool.pod;
    let release = parts.release;
    let image = wishes.image.as_ref().unwrap_or(&release.node_image);
    let resources = wishes
        .resources
        .as_ref()
        .or(release.node_resources.as_ref());
    Container {
        name: CONTAINER.to_owned(),
        image: Some(image.clone()),
        image_pull_policy: pull_policy(parts),
        args: Some(vec!["serve".to_owned()]),
        env: Some(environment(parts)),
        ports: Some(vec![port("grpc", GRPC), port("ops", OPS)]),
        volume_mounts: Some(mounts(release)),
        // Half an hour, for a volume with many files.
        startup_probe: Some(probe("/livez", 5, 360)),
        liveness_probe: Some(probe("/livez", 10, 6)),
        readiness_probe: Some(probe("/readyz", 5, 2)),
        // The last line of its log says why a node could not start.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        lifecycle: Some(leaves()),
        security_context: Some(restricted()),
        resources: resources.cloned(),
        ..Container::default()
    }
}

/// The release's policy is for its own image.
fn pull_policy(parts: &Parts<'_>) -> Option<String> {
    let wishes = &parts.pool.pod;
    match (&wishes.image, wishes.pull_policy) {
        (_, Some(policy)) => Some(text(policy).to_owned()),
        (None, None) => parts.release.pull_policy.clone(),
        (Some(_), None) => None,
    }
}

fn text(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    }
}

fn port(name: &str, port: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mounts(release: &Release) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
    let own = [mount(VOLUME, DATA, None), mount(TOKEN, SECRET, Some(true))];
    let certificates = release.of_nodes();
    let certificates = certificates.map(|_| mount(CERTIFICATES, CERTS, Some(true)));
    own.into_iter().chain(certificates).collect()
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("ops".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn leaves() -> Lifecycle {
    Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds: LEAVES }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    }
}

fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        ..SecurityContext::default()
    }
}

/// Variables that others refer to come first.
fn environment(parts: &Parts<'_>) -> Vec<EnvVar> {
    let wishes = &parts.pool.pod;
    let own = [
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_IP", "status.podIP"),
    ];
    let plain = [
        ("DFS_ID", "$(POD_NAMESPACE)/$(POD_NAME)".to_owned()),
        ("DFS_ADVERTISE", format!("$(POD_IP):{GRPC}")),
        ("DFS_POOL", parts.pool.name.at_manager()),
        ("DFS_MANAGER", parts.release.manager.clone()),
        ("DFS_DATA", DATA.to_owned()),
        ("DFS_REQUIRE_MOUNT", "true".to_owned()),
        ("DFS_TOKEN_FILE", format!("{SECRET}/{TOKEN}")),
        ("DFS_RESERVE", parts.pool.volume.reserve.to_string()),
        (
            "DFS_SCRUB_BYTES_PER_SECOND",
            wishes.scrub_bytes_per_second.to_string(),
        ),
        ("DFS_SCRUB_EVERY", format!("{}h", wishes.scrub_every_hours)),
    ]
    .map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    });
    let certificates = parts.release.of_nodes().map(|_| EnvVar {
        name: "DFS_CERTS".to_owned(),
        value: Some(CERTS.to_owned()),
        value_from: None,
    });
    let more = wishes.env.iter().cloned();
    let own = own.into_iter().chain(plain);
    own.chain(certificates).chain(more).collect()
}

/// A variable with the value of a field of the pod.
fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

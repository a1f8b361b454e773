//! The pod of a node: restricted, and different from one release to the next in
//! nothing but its image.

use super::Parts;
use super::guards::{GRPC, OPS};
use crate::names::{VOLUME, labels, selector};
use crate::quantity::whole;
use serde_json::{Value, json};

/// The node's container. Others may be added to a pod, and come before it.
pub(crate) const CONTAINER: &str = "node";
/// Where the volume is mounted. The files lie in a directory within.
const DATA: &str = "/data";
/// Where the token is mounted.
const TOKEN: &str = "/etc/dfs/token";
/// Requests in flight may take 300 s after the 5 s in which nobody sends new ones.
const GRACE: i64 = 330;

pub(super) fn template(parts: &Parts<'_>) -> Value {
    let spec = &parts.pool.spec;
    let mut all = spec.pod_labels.clone();
    all.extend(labels(parts.release, parts.name));
    json!({
        "metadata": { "labels": all, "annotations": spec.pod_annotations },
        "spec": pod(parts),
    })
}

fn pod(parts: &Parts<'_>) -> Value {
    let spec = &parts.pool.spec;
    let mut pod = json!({
        "serviceAccountName": parts.name.nodes(),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": security(parts),
        "containers": [container(parts)],
        "volumes": [{
            "name": "token",
            "secret": {
                "secretName": parts.release.keys_secret(&parts.name.namespace),
                "items": [{ "key": parts.name.name, "path": "token" }],
                "defaultMode": 0o440,
            },
        }],
        "topologySpreadConstraints": spread(parts),
    });
    let secrets: Vec<Value> = match spec.image.is_some() {
        true => spec.image_pull_secrets.iter().map(|s| json!(s)).collect(),
        false => {
            let ours = parts.release.pull_secrets.iter();
            let ours = ours.map(|name| json!({ "name": name }));
            ours.chain(spec.image_pull_secrets.iter().map(|s| json!(s)))
                .collect()
        }
    };
    set(&mut pod, "imagePullSecrets", !secrets.is_empty(), secrets);
    if let Some(place) = &spec.scheduling {
        let selected = !place.node_selector.is_empty();
        set(&mut pod, "nodeSelector", selected, &place.node_selector);
        let tolerates = !place.tolerations.is_empty();
        set(&mut pod, "tolerations", tolerates, &place.tolerations);
        set(
            &mut pod,
            "affinity",
            place.affinity.is_some(),
            &place.affinity,
        );
        let class = &place.priority_class_name;
        set(&mut pod, "priorityClassName", class.is_some(), class);
        let runtime = &place.runtime_class_name;
        set(&mut pod, "runtimeClassName", runtime.is_some(), runtime);
    }
    pod
}

/// Sets a field if it is wanted, and else leaves it out.
fn set(object: &mut Value, key: &str, wanted: bool, value: impl serde::Serialize) {
    if wanted {
        object[key] = json!(value);
    }
}

fn security(parts: &Parts<'_>) -> Value {
    let ids = &parts.pool.spec.security;
    let mut context = json!({
        "runAsNonRoot": true,
        "seccompProfile": { "type": "RuntimeDefault" },
    });
    if ids.assigned_by_cluster == Some(true) {
        return context;
    }
    if let Some(user) = ids.run_as_user {
        context["runAsUser"] = json!(user);
        context["runAsGroup"] = json!(user);
    }
    if let Some(group) = ids.fs_group {
        context["fsGroup"] = json!(group);
        context["fsGroupChangePolicy"] = json!("OnRootMismatch");
    }
    context
}

/// As evenly over machines and zones as possible, unless the pool says otherwise.
fn spread(parts: &Parts<'_>) -> Value {
    let place = parts.pool.spec.scheduling.as_ref();
    let own = place.map(|place| &place.topology_spread_constraints);
    if let Some(own) = own.filter(|own| !own.is_empty()) {
        return json!(own);
    }
    let over = |key: &str| {
        json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": selector(parts.release, parts.name) },
        })
    };
    json!([
        over("kubernetes.io/hostname"),
        over("topology.kubernetes.io/zone")
    ])
}

fn container(parts: &Parts<'_>) -> Value {
    let spec = &parts.pool.spec;
    let release = parts.release;
    let mut container = json!({
        "name": CONTAINER,
        "image": spec.image.as_ref().unwrap_or(&release.node_image),
        "args": ["serve"],
        "env": environment(parts),
        "ports": [
            { "name": "grpc", "containerPort": GRPC, "protocol": "TCP" },
            { "name": "ops", "containerPort": OPS, "protocol": "TCP" },
        ],
        "volumeMounts": [
            { "name": VOLUME, "mountPath": DATA },
            { "name": "token", "mountPath": TOKEN, "readOnly": true },
        ],
        // Half an hour, for a volume with many files.
        "startupProbe": probe("/livez", 5, 360),
        "livenessProbe": probe("/livez", 10, 6),
        "readinessProbe": probe("/readyz", 5, 2),
        // The last line of its log says why a node could not start.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": { "preStop": { "sleep": { "seconds": 5 } } },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    });
    let policy = match (&spec.image, &spec.image_pull_policy) {
        (_, Some(policy)) => Some(json!(policy)),
        (None, None) => release.pull_policy.as_ref().map(|policy| json!(policy)),
        (Some(_), None) => None,
    };
    set(&mut container, "imagePullPolicy", policy.is_some(), policy);
    let resources = spec.resources.as_ref().map(|own| json!(own));
    let resources = resources.or_else(|| release.node_resources.clone());
    set(&mut container, "resources", resources.is_some(), resources);
    container
}

fn probe(path: &str, period: i32, failures: i32) -> Value {
    json!({
        "httpGet": { "path": path, "port": "ops" },
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    })
}

fn environment(parts: &Parts<'_>) -> Value {
    let spec = &parts.pool.spec;
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let own = [
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_IP", "status.podIP"),
    ];
    let plain = [
        ("DFS_ID", "$(POD_NAMESPACE)/$(POD_NAME)".to_owned()),
        ("DFS_ADVERTISE", format!("$(POD_IP):{GRPC}")),
        ("DFS_POOL", parts.name.at_manager()),
        ("DFS_MANAGER", parts.release.manager.clone()),
        ("DFS_DATA", DATA.to_owned()),
        ("DFS_REQUIRE_MOUNT", "true".to_owned()),
        ("DFS_TOKEN_FILE", format!("{TOKEN}/token")),
        ("DFS_RESERVE", whole(&spec.storage.reserve).to_string()),
        (
            "DFS_SCRUB_BYTES_PER_SECOND",
            whole(&spec.scrub.bytes_per_second).to_string(),
        ),
        ("DFS_SCRUB_EVERY", format!("{}h", spec.scrub.every_hours)),
    ]
    .map(|(name, value)| json!({ "name": name, "value": value }));
    // Variables that others refer to come first.
    let more: Vec<Value> = spec.extra_env.iter().map(|own| json!(own)).collect();
    json!([&own[..], &plain[..], &more[..]].concat())
}

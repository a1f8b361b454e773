//! What others may rely on in the objects of a pool.

use super::*;
use crate::egress;
use crate::plan::Mark;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use serde_json::{Value, json};

fn pool(spec: Value) -> ValidatedPool {
    ValidatedPool::sample(spec, json!({}))
}

fn set(spec: Value) -> StatefulSet {
    let (release, pool) = (Release::sample(), pool(spec));
    let parts = Parts {
        release: &release,
        pool: &pool,
        frozen: false,
    };
    parts.set(&Shape::default())
}

fn first_claim(spec: Value, mark: Mark) -> PersistentVolumeClaim {
    claim(&Release::sample(), &pool(spec), 0, mark)
}

fn pod(spec: Value) -> PodSpec {
    set(spec).spec.template.spec.expect("a pod")
}

fn node(spec: Value) -> Container {
    pod(spec).containers.remove(0)
}

#[test]
fn all_that_the_pool_has_once_goes_with_it() {
    let (release, pool) = (Release::sample(), pool(json!({})));
    let parts = Parts {
        release: &release,
        pool: &pool,
        frozen: false,
    };
    let Objects {
        account,
        service,
        disruption,
        network,
    } = parts.objects();
    let set = parts.set(&Shape::default());
    for metadata in [
        account.metadata,
        service.metadata,
        disruption.metadata,
        network.metadata,
        set.metadata,
    ] {
        assert_eq!(metadata.name.as_deref(), Some("p-node"));
        assert_eq!(metadata.namespace.as_deref(), Some("team"));
        let owners = metadata.owner_references.expect("an owner");
        let owners: Vec<_> = owners.iter().map(|own| (&*own.name, &*own.uid)).collect();
        assert_eq!(owners, [("p", "1")]);
    }
}

#[test]
fn while_a_claim_would_go_with_its_pod_none_is_evicted_however_ill() {
    let (release, pool) = (Release::sample(), pool(json!({})));
    let budget = |frozen| {
        let parts = Parts {
            release: &release,
            pool: &pool,
            frozen,
        };
        let spec = parts.objects().disruption.spec.expect("a spec");
        (spec.max_unavailable, spec.unhealthy_pod_eviction_policy)
    };
    let says = |most, policy: &str| (Some(IntOrString::Int(most)), Some(policy.to_owned()));
    assert_eq!(budget(false), says(1, "AlwaysAllow"));
    assert_eq!(budget(true), says(0, "IfHealthyBudget"));
}

#[test]
fn a_set_says_whose_it_is_with_the_namespace_and_what_was_decided() {
    let (release, pool) = (Release::sample(), pool(json!({})));
    let parts = Parts {
        release: &release,
        pool: &pool,
        frozen: false,
    };
    let says = |doomed_from, leaving| {
        let set = parts.set(&Shape {
            doomed_from,
            leaving,
            ..Shape::default()
        });
        let says = |key| set.annotations().get(key).cloned();
        [MANAGED_BY, DOOMED_FROM, LEAVING].map(says)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(says(None, None), [text("dfs/files"), None, None]);
    let marked = [text("dfs/files"), text("2"), text("3")];
    assert_eq!(says(Some(2), Some(3)), marked);
}

#[test]
fn a_claim_has_no_owner_and_nothing_by_which_it_is_pruned() {
    let claim = first_claim(json!({}), Mark::Empty);
    assert!(claim.owner_references().is_empty());
    assert_eq!(claim.labels().get("app.kubernetes.io/instance"), None);
    assert_eq!(claim.labels()["fileserver.dev/pool"], "p");
    let options = &claim.annotations()["argocd.argoproj.io/sync-options"];
    assert_eq!(options, "Prune=false,Delete=false");
}

#[test]
fn what_a_claim_says_of_its_volume_is_never_a_pools_own_word() {
    let spec = json!({
        "storage": { "size": "1Gi", "annotations": { crate::annotations::VOLUME: "empty" } },
    });
    for (mark, says) in [(Mark::Missing, None), (Mark::Started, Some("started"))] {
        let claim = first_claim(spec.clone(), mark);
        let found = claim.annotations().get(crate::annotations::VOLUME);
        assert_eq!(found.map(String::as_str), says);
    }
}

#[test]
fn a_pool_on_openshift_has_no_ids_and_one_without_a_word_has_ours() {
    let ids = |security: Value| {
        let context = pod(json!({ "security": security })).security_context;
        let context = context.expect("a context");
        assert_eq!(context.run_as_non_root, Some(true));
        let ids = [context.run_as_user, context.run_as_group, context.fs_group];
        (ids, context.fs_group_change_policy)
    };
    let once = Some("OnRootMismatch".to_owned());
    assert_eq!(ids(json!({})), ([Some(10_001); 3], once));
    let left = json!({ "assignedByCluster": true, "runAsUser": 10_001 });
    assert_eq!(ids(left), ([None; 3], None));
}

#[test]
fn what_a_pool_adds_is_there_and_replaces_nothing_of_ours() {
    let spec = json!({
        "extraEnv": [{ "name": "RUST_LOG", "value": "debug" }],
        "scheduling": { "runtimeClassName": "kata" },
        "podLabels": { "team": "a", "fileserver.dev/pool": "x" },
        "storage": {
            "size": "1Gi",
            "labels": { "backup": "daily", "fileserver.dev/pool": "x" },
            "annotations": { "team": "a" },
        },
    });
    let own = pod(spec.clone());
    assert_eq!(own.runtime_class_name.as_deref(), Some("kata"));
    let variables = own.containers[0].env.as_ref().expect("variables");
    assert_eq!(variables.last().expect("one").name, "RUST_LOG");
    let template = set(spec.clone()).spec.template.metadata;
    let labels = template.and_then(|metadata| metadata.labels);
    let labels = labels.expect("labels");
    assert_eq!(
        (&*labels["team"], &*labels["fileserver.dev/pool"]),
        ("a", "p")
    );
    let claim = first_claim(spec, Mark::Empty);
    assert_eq!(claim.labels()["backup"], "daily");
    assert_eq!(claim.labels()["fileserver.dev/pool"], "p");
    assert_eq!(claim.annotations()["team"], "a");
}

#[test]
fn what_a_pool_does_not_say_is_left_out_of_its_pods() {
    let said = |pod: &PodSpec| {
        [
            pod.image_pull_secrets.is_some(),
            pod.node_selector.is_some(),
            pod.tolerations.is_some(),
            pod.affinity.is_some(),
            pod.priority_class_name.is_some(),
            pod.runtime_class_name.is_some(),
            pod.containers[0].image_pull_policy.is_some(),
        ]
    };
    for nothing in [
        json!({}),
        json!({ "scheduling": {} }),
        json!({ "scheduling": { "nodeSelector": {}, "tolerations": [] } }),
    ] {
        assert_eq!(said(&pod(nothing.clone())), [false; 7], "{nothing}");
    }
}

#[test]
fn the_releases_resources_are_those_of_pools_that_say_nothing() {
    let resources = |spec: Value| node(spec).resources.expect("resources");
    let limits = resources(json!({})).limits.expect("limits");
    assert_eq!(limits["memory"].0, "1Gi");
    let own = resources(json!({ "resources": { "requests": { "cpu": "1" } } }));
    assert_eq!(own.requests.expect("requests")["cpu"].0, "1");
    assert_eq!(own.limits, None);
}

#[test]
fn the_releases_way_to_pull_is_for_its_own_image() {
    let mut release = Release::sample();
    release.pull_policy = Some("IfNotPresent".to_owned());
    release.pull_secrets = vec!["ours".to_owned()];
    for (spec, policy, secrets) in [
        (json!({}), Some("IfNotPresent"), vec!["ours"]),
        (json!({ "image": "x" }), None, vec![]),
        (
            json!({ "imagePullPolicy": "Never", "imagePullSecrets": [{ "name": "own" }] }),
            Some("Never"),
            vec!["ours", "own"],
        ),
        (
            json!({ "image": "x", "imagePullSecrets": [{ "name": "own" }] }),
            None,
            vec!["own"],
        ),
    ] {
        let pool = pool(spec.clone());
        let parts = Parts {
            release: &release,
            pool: &pool,
            frozen: false,
        };
        let set = parts.set(&Shape::default());
        let pod = set.spec.template.spec.expect("a pod");
        let found = pod.containers[0].image_pull_policy.as_deref();
        assert_eq!(found, policy, "{spec}");
        let found = pod.image_pull_secrets.unwrap_or_default();
        let found: Vec<_> = found.into_iter().map(|secret| secret.name).collect();
        assert_eq!(found, secrets, "{spec}");
    }
}

#[test]
fn a_node_is_given_its_pools_key_and_no_other() {
    let volumes = pod(json!({})).volumes.expect("volumes");
    let secret = volumes[0].secret.as_ref().expect("a secret");
    assert_eq!(secret.secret_name.as_deref(), Some("dfs.files-nodes"));
    let items = secret.items.as_ref().expect("its keys");
    let items: Vec<_> = items.iter().map(|item| (&*item.key, &*item.path)).collect();
    assert_eq!(items, [("p", "token")]);
}

/// The policy of a pool's nodes, as JSON.
fn policy(release: &Release) -> Value {
    let pool = pool(json!({}));
    let parts = Parts {
        release,
        pool: &pool,
        frozen: false,
    };
    let spec = parts.objects().network.spec;
    serde_json::to_value(spec).expect("JSON")
}

#[test]
fn a_node_reaches_dns_managers_and_nodes_of_its_release_and_nothing_else() {
    let port = |port: i32, protocol: &str| json!({ "port": port, "protocol": protocol });
    let pods = |namespaces: Value, component: &str| {
        let within = |key: &str, values: Value| json!({ "matchExpressions": [{ "key": key, "operator": "In", "values": values }] });
        let mut pods = within("app.kubernetes.io/component", json!([component]));
        pods["matchLabels"] = json!({
            "app.kubernetes.io/instance": "files",
            "app.kubernetes.io/name": "distributed-file-server",
        });
        let namespaces = within("kubernetes.io/metadata.name", namespaces);
        json!([{ "namespaceSelector": namespaces, "podSelector": pods }])
    };
    let found = policy(&Release::sample());
    assert_eq!(found["policyTypes"], json!(["Ingress", "Egress"]));
    let wanted = json!([
        { "ports": [port(53, "UDP"), port(53, "TCP"), port(5353, "UDP"), port(5353, "TCP")] },
        { "ports": [port(9000, "TCP")], "to": pods(json!(["dfs"]), "manager") },
        { "ports": [port(9100, "TCP")], "to": pods(json!(["dfs", "team"]), "node") },
    ]);
    assert_eq!(found["egress"], wanted);
}

#[test]
fn what_a_release_adds_to_what_nodes_reach_stands_after_our_own() {
    let mut release = Release::sample();
    let before = policy(&release)["egress"].as_array().map(Vec::len);
    let mesh = r#"[{"ports":[{"port":15012}],"to":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"mesh"}}}]}]"#;
    release.node_egress = Some(egress::rules(mesh).expect("rules"));
    let found = policy(&release)["egress"].take();
    let found = found.as_array().expect("rules");
    assert_eq!(Some(found.len() - 1), before);
    let added = found.last().expect("one");
    assert_eq!(
        added["ports"],
        json!([{ "port": 15012, "protocol": "TCP" }])
    );
    let mesh = &added["to"][0]["namespaceSelector"]["matchLabels"];
    assert_eq!(mesh["kubernetes.io/metadata.name"], "mesh");
}

#[test]
fn nodes_reach_anything_where_the_release_says_so_and_are_reached_as_before() {
    let mut release = Release::sample();
    let closed = policy(&release);
    release.node_egress = None;
    let open = policy(&release);
    assert_eq!(open["policyTypes"], json!(["Ingress"]));
    assert_eq!(open["egress"], Value::Null);
    assert_eq!(open["ingress"], closed["ingress"]);
    assert_eq!(open["ingress"][0]["ports"][0]["port"], "grpc");
}

#[test]
fn nodes_have_the_certificate_of_their_pool_where_the_release_has_any() {
    let with = set(json!({}));
    assert_eq!(set_certified_by(&with), Some(Maker::Operator));
    let spec = with.spec.template.spec.expect("a pod");
    let certs = &spec.volumes.expect("volumes")[1];
    let secret = certs.secret.as_ref().expect("a Secret");
    assert_eq!(secret.secret_name.as_deref(), Some("dfs.files-nodes"));
    let items = secret.items.iter().flatten();
    let items: Vec<_> = items.map(|i| (i.key.as_str(), i.path.as_str())).collect();
    let wanted = [
        ("p.tls.crt", "tls.crt"),
        ("p.tls.key", "tls.key"),
        ("ca.crt", "ca.crt"),
    ];
    assert_eq!(items, wanted);
    let node = &spec.containers[0];
    let mut mounts = node.volume_mounts.iter().flatten();
    let mount = mounts
        .find(|mount| mount.name == certs.name)
        .expect("a mount");
    let mut env = node.env.iter().flatten();
    let folder = env.find(|env| env.name == "DFS_CERTS").expect("a variable");
    assert_eq!(folder.value.as_ref(), Some(&mount.mount_path));

    let none = Release {
        certificates: None,
        ..Release::sample()
    };
    let plain = Release {
        plain_nodes: true,
        ..Release::sample()
    };
    for release in [none, plain] {
        let without = set_of(&release);
        assert_eq!(set_certified_by(&without), None);
        let text = serde_json::to_string(&without).expect("JSON");
        assert!(!text.contains("DFS_CERTS") && !text.contains("/etc/dfs/certs"));
    }
}

fn set_of(release: &Release) -> StatefulSet {
    let pool = pool(json!({}));
    let parts = Parts {
        release,
        pool: &pool,
        frozen: false,
    };
    parts.set(&Shape::default())
}

#[test]
fn nodes_mount_the_secret_that_cert_manager_makes_for_their_pool() {
    let set = set_of(&Release::sample_of_cert_manager());
    assert_eq!(set_certified_by(&set), Some(Maker::CertManager));
    let spec = set.spec.template.spec.expect("a pod");
    let volumes = spec.volumes.expect("volumes");
    let secret = volumes[1].secret.as_ref().expect("a Secret");
    assert_eq!(secret.secret_name.as_deref(), Some("p-node-tls"));
    let items = secret.items.iter().flatten();
    let items: Vec<_> = items.map(|i| (i.key.as_str(), i.path.as_str())).collect();
    assert_eq!(items, FILES.map(|name| (name, name)));
    let token = volumes[0].secret.as_ref().expect("a Secret");
    assert_eq!(token.secret_name.as_deref(), Some("dfs.files-nodes"));
}

#[test]
fn cert_manager_is_asked_for_the_identity_that_the_operator_would_write() {
    let pool = pool(json!({}));
    let asked = |release: &Release| {
        let parts = Parts {
            release,
            pool: &pool,
            frozen: false,
        };
        parts.certificate().expect("an identity")
    };
    let wanted = asked(&Release::sample_of_cert_manager()).expect("a Certificate");
    let written = serde_json::to_value(&wanted).expect("JSON");
    assert_eq!(written["apiVersion"], "cert-manager.io/v1");
    assert_eq!(written["kind"], "Certificate");
    assert_eq!(written["metadata"]["namespace"], "team");
    assert_eq!(written["metadata"]["ownerReferences"][0]["name"], "p");
    let spec = wanted.spec();
    assert_eq!(spec["uris"], json!(["spiffe://files.dfs/node/team/p"]));
    assert_eq!(spec["secretName"], "p-node-tls");
    assert_eq!(spec["duration"], "2592000s");
    assert_eq!(spec["renewBefore"], "864000s");
    let issuer = json!({ "name": "inner", "kind": "ClusterIssuer", "group": "cert-manager.io" });
    assert_eq!(spec["issuerRef"], issuer);
    let key = json!({ "algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always" });
    assert_eq!(spec["privateKey"], key);
    assert_eq!(
        spec["usages"],
        json!(["digital signature", "server auth", "client auth"])
    );
    assert_eq!(asked(&Release::sample()), None);
    let plain = Release {
        plain_nodes: true,
        ..Release::sample_of_cert_manager()
    };
    assert_eq!(asked(&plain), None);
}

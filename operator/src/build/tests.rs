//! What others may rely on in the objects of a pool.

use super::*;
use crate::plan::Mark;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use serde_json::{Value, json};

fn pool(spec: Value) -> ValidatedPool {
    ValidatedPool::sample(spec, json!({}))
}

/// The StatefulSet and the first claim of a pool, as the API server gets them.
fn built(spec: Value) -> (Value, Value) {
    let (release, pool) = (Release::sample(), pool(spec));
    let parts = Parts {
        release: &release,
        pool: &pool,
        frozen: false,
    };
    let set = parts.set(&Shape::default());
    let claim = claim(&release, &pool, 0, Mark::Empty);
    (json!(set), json!(claim))
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
fn a_set_says_whose_it_is_with_the_namespace() {
    let (set, _) = built(json!({}));
    let annotations = &set["metadata"]["annotations"];
    assert_eq!(annotations["fileserver.dev/managed-by"], "dfs/files");
}

#[test]
fn a_claim_has_no_owner_and_nothing_by_which_it_is_pruned() {
    let (_, claim) = built(json!({}));
    let metadata = &claim["metadata"];
    assert_eq!(metadata["ownerReferences"], Value::Null);
    assert_eq!(
        metadata["labels"]["app.kubernetes.io/instance"],
        Value::Null
    );
    assert_eq!(metadata["labels"]["fileserver.dev/pool"], "p");
    let options = &metadata["annotations"]["argocd.argoproj.io/sync-options"];
    assert_eq!(options, "Prune=false,Delete=false");
}

#[test]
fn what_a_claim_says_of_its_volume_is_never_a_pools_own_word() {
    let pool = pool(json!({
        "storage": { "size": "1Gi", "annotations": { crate::annotations::VOLUME: "empty" } },
    }));
    for (mark, says) in [(Mark::Missing, None), (Mark::Started, Some("started"))] {
        let claim = claim(&Release::sample(), &pool, 0, mark);
        let found = claim.annotations().get(crate::annotations::VOLUME);
        assert_eq!(found.map(String::as_str), says);
    }
}

#[test]
fn a_pool_on_openshift_has_no_ids_and_one_without_a_word_has_ours() {
    let security = |security: Value| {
        let (set, _) = built(json!({ "security": security }));
        set["spec"]["template"]["spec"]["securityContext"].clone()
    };
    assert_eq!(security(json!({}))["runAsUser"], 10_001);
    assert_eq!(security(json!({}))["fsGroup"], 10_001);
    let left = security(json!({ "assignedByCluster": true, "runAsUser": 10_001 }));
    assert_eq!(left["runAsNonRoot"], true);
    for id in ["runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy"] {
        assert_eq!(left[id], Value::Null, "{id}");
    }
}

#[test]
fn what_a_pool_adds_is_there_and_replaces_nothing_of_ours() {
    let (set, claim) = built(json!({
        "extraEnv": [{ "name": "RUST_LOG", "value": "debug" }],
        "scheduling": { "runtimeClassName": "kata" },
        "storage": {
            "size": "1Gi",
            "labels": { "backup": "daily", "fileserver.dev/pool": "x" },
            "annotations": { "team": "a" },
        },
    }));
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(pod["runtimeClassName"], "kata");
    let variables = pod["containers"][0]["env"].as_array().expect("variables");
    assert_eq!(variables.last().expect("one")["name"], "RUST_LOG");
    let metadata = &claim["metadata"];
    assert_eq!(metadata["labels"]["backup"], "daily");
    assert_eq!(metadata["labels"]["fileserver.dev/pool"], "p");
    assert_eq!(metadata["annotations"]["team"], "a");
}

#[test]
fn the_releases_resources_are_those_of_pools_that_say_nothing() {
    let resources = |spec: Value| {
        let (set, _) = built(spec);
        set["spec"]["template"]["spec"]["containers"][0]["resources"].clone()
    };
    assert_eq!(resources(json!({}))["limits"]["memory"], "1Gi");
    let own = json!({ "resources": { "requests": { "cpu": "1" } } });
    assert_eq!(resources(own), json!({ "requests": { "cpu": "1" } }));
}

#[test]
fn a_node_is_given_its_pools_key_and_no_other() {
    let (set, _) = built(json!({}));
    let secret = &set["spec"]["template"]["spec"]["volumes"][0]["secret"];
    assert_eq!(secret["secretName"], "dfs.files-nodes");
    assert_eq!(secret["items"], json!([{ "key": "p", "path": "token" }]));
}

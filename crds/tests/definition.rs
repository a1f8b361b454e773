//! The definition as it is committed, and what every field of it promises.
#![allow(clippy::unwrap_used)]

use kube::CustomResourceExt;
use serde_json::Value;
use std::path::Path;

/// A definition must fit into etcd's and the API server's bounds with room to grow.
const LARGEST: usize = 200 << 10;
/// Types of Kubernetes' own, which bring their own descriptions.
const FOREIGN: [&str; 6] = [
    "affinity",
    "conditions",
    "extraEnv",
    "imagePullSecrets",
    "tolerations",
    "topologySpreadConstraints",
];

fn schema() -> Value {
    let crd = serde_json::to_value(crds::FileServerPool::crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every field of our own, with its path.
fn fields(at: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, field) in properties {
        let path = format!("{at}.{name}");
        found.push((path.clone(), field.clone()));
        if !FOREIGN.contains(&name.as_str()) && name != "resources" {
            fields(&path, field, found);
            fields(&path, &field["items"], found);
        }
    }
}

#[test]
fn the_committed_yaml_is_what_the_types_yield() {
    for definition in crds::definitions().unwrap() {
        let file = format!("{}.yaml", definition.spec.names.plural);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let yaml = crds::yaml(&definition).unwrap();
        if std::env::var_os("DFS_REGENERATE").is_some() {
            std::fs::write(&file, &yaml).unwrap();
        }
        let committed = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            committed == yaml,
            "run: DFS_REGENERATE=1 cargo test --workspace --test definition"
        );
        assert!(yaml.len() < LARGEST, "{} bytes", yaml.len());
    }
}

#[test]
fn every_field_is_described_and_bounded() {
    let mut found = Vec::new();
    let schema = schema();
    fields("spec", &schema["properties"]["spec"], &mut found);
    assert!(found.len() >= 30, "{} fields", found.len());
    for (path, field) in &found {
        let described = field["description"].as_str().is_some_and(|d| d.len() > 8);
        assert!(described, "{path} has no description");
        match field["type"].as_str() {
            Some("integer") => {
                let bounded = field["minimum"].is_number() && field["maximum"].is_number();
                assert!(bounded, "{path} has no bounds: {field}");
            }
            Some("string") => {
                let bounded = field["maxLength"].is_number() || field["enum"].is_array();
                assert!(bounded, "{path} has no bound: {field}");
            }
            Some("array") => assert!(field["maxItems"].is_number(), "{path} has no bound"),
            Some("object" | "boolean") => {}
            other => panic!("{path}: {other:?}"),
        }
    }
    let mut found = Vec::new();
    fields("status", &schema["properties"]["status"], &mut found);
    for (path, field) in &found {
        assert!(
            field["description"].is_string(),
            "{path} has no description"
        );
    }
}

#[test]
fn what_is_added_to_claims_has_no_keys_of_the_operators() {
    let schema = schema();
    let storage = &schema["properties"]["spec"]["properties"]["storage"]["properties"];
    for map in ["labels", "annotations"] {
        let rule = storage[map]["x-kubernetes-validations"][0]["rule"].as_str();
        let refuses = "!key.startsWith('fileserver.dev/')";
        assert!(rule.unwrap().contains(refuses), "{map}: {rule:?}");
    }
}

#[test]
fn what_is_left_out_has_the_defaults_that_the_yaml_tells() {
    let spec: crds::FileServerPoolSpec =
        serde_json::from_value(serde_json::json!({"storage": {"size": "10Gi"}})).unwrap();
    assert_eq!(spec.replicas, 3);
    assert_eq!(spec.storage.reserve.0, "64Mi");
    assert_eq!(spec.security.run_as_user, Some(10_001));
    assert_eq!(spec.scrub.every_hours, 168);
    assert_eq!(spec.deletion_policy, crds::DeletionPolicy::Protect);
    let spec_schema = &schema()["properties"]["spec"]["properties"];
    assert_eq!(spec_schema["replicas"]["default"], 3);
    assert_eq!(spec_schema["deletionPolicy"]["default"], "Protect");
    assert_eq!(spec_schema["scrub"]["default"]["everyHours"], 168);
}

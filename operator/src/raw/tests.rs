use super::*;
use serde_json::json;

fn pool(spec: Value, status: Value) -> RawPool {
    let object = json!({
        "apiVersion": "fileserver.dev/v1alpha1",
        "kind": "FileServerPool",
        "metadata": { "name": "p", "namespace": "a" },
        "spec": spec,
        "status": status,
    });
    serde_json::from_value(object).expect("whatever is in it")
}

#[test]
fn what_a_later_release_added_is_passed_over() {
    let spec = json!({
        "storage": { "size": "1Gi", "tier": "fast" },
        "scheduling": { "later": 1 },
        "security": { "later": 1 },
        "scrub": { "later": 1 },
        "autoscaling": { "maxReplicas": 2, "filesPerNode": 1, "later": 1 },
        "later": { "a": [1] },
    });
    let read = pool(spec, json!({ "files": 3, "later": true })).read();
    let (spec, status) = read.expect("unknown fields are ignored");
    assert_eq!(spec.storage.size.0, "1Gi");
    assert_eq!(status.map(|status| status.files), Some(3));
}

#[test]
fn a_pool_that_cant_be_read_says_where() {
    let size = json!({ "size": "1Gi" });
    for (spec, status, part) in [
        (json!({ "storage": 7 }), Value::Null, "spec"),
        (
            json!({ "storage": size, "deletionPolicy": "Archive" }),
            Value::Null,
            "Archive",
        ),
        (
            json!({ "storage": size }),
            json!({ "files": "many", "managedBy": "a/b" }),
            "status",
        ),
        (Value::Null, Value::Null, "spec"),
    ] {
        let raw = pool(spec, status);
        let error = raw.read().expect_err(part);
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }
    let raw = pool(Value::Null, json!({ "managedBy": "a/b" }));
    assert_eq!(raw.managed_by(), Some("a/b"));
}

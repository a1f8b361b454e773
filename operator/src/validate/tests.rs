//! What is made of what a person wrote.

use super::*;
use serde_json::{Value, json};

fn pool(spec: Value) -> ValidatedPool {
    ValidatedPool::sample(spec, json!({}))
}

#[test]
fn quantities_and_durations_are_read_once() {
    let whole = pool(json!({
        "storage": { "size": "1.5Gi", "reserve": "100m" },
        "scrub": { "bytesPerSecond": "1k", "everyHours": 2 },
        "autoscaling": { "maxReplicas": 9, "filesPerNode": 5, "shrinkAfterSeconds": 60 },
    }));
    assert_eq!(whole.volume.size.to_string(), "1.5Gi");
    assert_eq!(whole.volume.size.whole(), 3 << 29);
    assert_eq!(whole.volume.reserve, 1);
    assert_eq!(whole.pod.scrub_bytes_per_second, 1000);
    let auto = whole.autoscale.expect("it is on");
    assert_eq!((auto.least, auto.most), (1, 9));
    assert_eq!(auto.patience, Duration::from_secs(60));
}

#[test]
fn ids_are_the_clusters_where_it_assigns_them_or_nobody_says_one() {
    for (security, user, group) in [
        (json!({}), Some(10_001), Some(10_001)),
        (json!({ "runAsUser": null, "fsGroup": 5 }), None, Some(5)),
        (
            json!({ "assignedByCluster": false, "runAsUser": 7 }),
            Some(7),
            Some(10_001),
        ),
        (
            json!({ "assignedByCluster": true, "runAsUser": 7 }),
            None,
            None,
        ),
    ] {
        let pod = pool(json!({ "security": security })).pod;
        assert_eq!((pod.user, pod.volume_group), (user, group), "{security}");
    }
}

#[test]
fn no_key_of_our_group_comes_from_a_person() {
    let volume = pool(json!({ "storage": {
        "size": "1Gi",
        "labels": { "backup": "daily", "fileserver.dev/pool": "x" },
        "annotations": { "team": "a", "fileserver.dev/volume": "empty" },
    }}))
    .volume;
    let keys = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&volume.labels), ["backup"]);
    assert_eq!(keys(&volume.annotations), ["team"]);
}

#[test]
fn an_autoscaling_that_nothing_can_be_divided_by_is_refused() {
    for (auto, field) in [
        (
            json!({ "minReplicas": 3, "maxReplicas": 2, "filesPerNode": 1 }),
            "minReplicas",
        ),
        (
            json!({ "maxReplicas": 2, "filesPerNode": 0 }),
            "filesPerNode",
        ),
        (
            json!({ "maxReplicas": 2, "filesPerNode": 1, "deadBandPercent": 100 }),
            "deadBandPercent",
        ),
    ] {
        let raw = RawPool {
            spec: json!({ "storage": { "size": "1Gi" }, "autoscaling": auto }),
            ..RawPool::default()
        };
        let why = format!("{:#}", validate(&raw).expect_err(field));
        assert!(
            why.contains("spec.autoscaling") && why.contains(field),
            "{why}"
        );
        let deleted = json!({ "deletionTimestamp": "2026-11-29T08:00:00Z" });
        let metadata = serde_json::from_value(deleted).expect("metadata");
        let ends = validate(&RawPool { metadata, ..raw }).expect("it is deleted all the same");
        assert!(ends.autoscale.is_none(), "{field}");
    }
}

//! The claim of a node. It has no owner, so that files are not deleted along with
//! anything else.

use super::Parts;
use crate::names::{PoolName, labels, unowned, unpruned};
use crate::plan::Mark;
use crate::release::Release;
use crds::FileServerPool;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The claim of one ordinal, with what it says about its volume.
pub(crate) fn claim(
    release: &Release,
    pool: &FileServerPool,
    name: &PoolName,
    ordinal: i32,
    mark: Mark,
) -> Value {
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name.claim(ordinal),
            "namespace": name.namespace,
            "labels": over(&pool.spec.storage.labels, unowned(labels(release, name))),
            "annotations": over(&pool.spec.storage.annotations, unpruned()),
        },
        "spec": spec(pool, &pool.spec.storage.size.0),
    });
    if let Some(text) = crate::mark::text(mark) {
        claim["metadata"]["annotations"][crate::annotations::VOLUME] = json!(text);
    }
    claim
}

/// A person's own labels or annotations, and ours over them. Nobody else sets keys of
/// our group, whatever an earlier definition let through.
fn over(
    own: &BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let prefix = format!("{}/", crds::GROUP);
    let mut all = own.clone();
    all.retain(|key, _| !key.starts_with(&prefix));
    all.extend(ours);
    all
}

fn spec(pool: &FileServerPool, size: &str) -> Value {
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": size } },
    });
    if let Some(class) = &pool.spec.storage.storage_class_name {
        spec["storageClassName"] = json!(class);
    }
    spec
}

/// The template in the StatefulSet; the operator makes the claims itself, before pods.
pub(super) fn template(parts: &Parts<'_>, size: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": crate::names::VOLUME },
        "spec": spec(parts.pool, size),
    })
}

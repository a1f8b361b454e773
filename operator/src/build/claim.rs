//! The claim of a node. It has no owner, so that files are not deleted along with
//! anything else.

use super::Parts;
use crate::names::{PoolName, labels, unowned, unpruned};
use crate::plan::Mark;
use crate::release::Release;
use crds::FileServerPool;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// The claim of one ordinal, with what it says about its volume.
pub(crate) fn claim(
    release: &Release,
    pool: &FileServerPool,
    name: &PoolName,
    ordinal: i32,
    mark: Mark,
) -> PersistentVolumeClaim {
    let storage = &pool.spec.storage;
    let mut annotations = over(&storage.annotations, unpruned());
    if let Some(text) = crate::mark::text(mark) {
        annotations.insert(crate::annotations::VOLUME.to_owned(), text);
    }
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(name.claim(ordinal)),
            namespace: Some(name.namespace.clone()),
            labels: Some(over(&storage.labels, unowned(labels(release, name)))),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(spec(pool, &storage.size.0)),
        status: None,
    }
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

fn spec(pool: &FileServerPool, size: &str) -> PersistentVolumeClaimSpec {
    let size = Quantity(size.to_owned());
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
            limits: None,
        }),
        storage_class_name: pool.spec.storage.storage_class_name.clone(),
        ..PersistentVolumeClaimSpec::default()
    }
}

/// The template in the StatefulSet; the operator makes the claims itself, before pods.
pub(super) fn template(parts: &Parts<'_>, size: &str) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(crate::names::VOLUME.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(spec(parts.pool, size)),
        status: None,
    }
}

//! The claim of a node. It has no owner, so that files are not deleted along with
//! anything else.

use super::Parts;
use crate::names::{labels, unowned, unpruned};
use crate::plan::Mark;
use crate::quantity::Amount;
use crate::release::Release;
use crate::validate::{ValidatedPool, Volume};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// The claim of one ordinal, with what it says about its volume.
pub(crate) fn claim(
    release: &Release,
    pool: &ValidatedPool,
    ordinal: i32,
    mark: Mark,
) -> PersistentVolumeClaim {
    let (name, volume) = (&pool.name, &pool.volume);
    let mut annotations = over(&volume.annotations, unpruned());
    if let Some(text) = crate::mark::text(mark) {
        annotations.insert(crate::annotations::VOLUME.to_owned(), text);
    }
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(name.claim(ordinal)),
            namespace: Some(name.namespace.clone()),
            labels: Some(over(&volume.labels, unowned(labels(release, name)))),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(spec(volume, &volume.size)),
        status: None,
    }
}

/// A person's own labels or annotations, and ours over them.
fn over(
    own: &BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = own.clone();
    all.extend(ours);
    all
}

fn spec(volume: &Volume, size: &Amount) -> PersistentVolumeClaimSpec {
    let requests = BTreeMap::from([("storage".to_owned(), size.quantity())]);
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some(requests),
            limits: None,
        }),
        storage_class_name: volume.class.clone(),
        ..PersistentVolumeClaimSpec::default()
    }
}

/// The template in the StatefulSet; the operator makes the claims itself, before pods.
pub(super) fn template(parts: &Parts<'_>, size: &Amount) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(crate::names::VOLUME.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(spec(&parts.pool.volume, size)),
        status: None,
    }
}

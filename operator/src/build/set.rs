//! The StatefulSet of a pool.

use super::{Parts, Shape, claim, matching, pod};
use crate::names::selector;
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec, StatefulSetUpdateStrategy,
};

/// Written on the StatefulSet: ordinals from here on are doomed.
pub(crate) const DOOMED_FROM: &str = "fileserver.dev/doomed-from";
/// Written on the StatefulSet: this ordinal may be taken away.
pub(crate) const LEAVING: &str = "fileserver.dev/leaving";
/// Written on the StatefulSet: the release, with its namespace, whose operator alone
/// may lower the number of pods. The labels have the release's name only, and
/// another namespace may have a release of the same name.
pub(crate) const MANAGED_BY: &str = "fileserver.dev/managed-by";

pub(super) fn set(parts: &Parts<'_>, shape: &Shape) -> StatefulSet {
    let mut metadata = parts.owned();
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(MANAGED_BY.to_owned(), parts.release.owner());
    for (key, ordinal) in [(DOOMED_FROM, shape.doomed_from), (LEAVING, shape.leaving)] {
        if let Some(ordinal) = ordinal {
            annotations.insert(key.to_owned(), ordinal.to_string());
        }
    }
    let size = shape.template_size.as_ref();
    let size = size.unwrap_or(&parts.pool.volume.size);
    StatefulSet {
        metadata,
        spec: StatefulSetSpec {
            replicas: Some(shape.replicas),
            service_name: Some(parts.pool.name.nodes()),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateStatefulSetStrategy {
                    partition: Some(shape.partition),
                    max_unavailable: None,
                }),
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some("Retain".to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            selector: matching(selector(parts.release, &parts.pool.name)),
            template: pod::template(parts),
            volume_claim_templates: Some(vec![claim::template(parts, size)]),
            ..StatefulSetSpec::default()
        },
        status: None,
    }
}

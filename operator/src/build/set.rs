//! The StatefulSet of a pool.

use super::{Parts, Shape, claim, pod};
use crate::names::selector;
use serde_json::{Value, json};

/// Written on the StatefulSet: ordinals from here on are doomed.
pub(crate) const DOOMED_FROM: &str = "fileserver.dev/doomed-from";
/// Written on the StatefulSet: this ordinal may be taken away.
pub(crate) const LEAVING: &str = "fileserver.dev/leaving";
/// Written on the StatefulSet: the release, with its namespace, whose operator alone
/// may lower the number of pods. The labels have the release's name only, and
/// another namespace may have a release of the same name.
pub(crate) const MANAGED_BY: &str = "fileserver.dev/managed-by";

pub(super) fn set(parts: &Parts<'_>, shape: &Shape) -> Value {
    let mut metadata = parts.owned(&parts.name.nodes());
    metadata["annotations"] = json!({ MANAGED_BY: parts.release.owner() });
    for (key, ordinal) in [(DOOMED_FROM, shape.doomed_from), (LEAVING, shape.leaving)] {
        if let Some(ordinal) = ordinal {
            metadata["annotations"][key] = json!(ordinal.to_string());
        }
    }
    let size = shape.template_size.as_ref();
    let size = size.unwrap_or(&parts.pool.spec.storage.size.0);
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": shape.replicas,
            "serviceName": parts.name.nodes(),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": { "partition": shape.partition },
            },
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain",
                "whenScaled": "Retain",
            },
            "selector": { "matchLabels": selector(parts.release, parts.name) },
            "template": pod::template(parts),
            "volumeClaimTemplates": [claim::template(parts, size)],
        },
    })
}

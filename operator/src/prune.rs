//! Keeps GitOps tools from pruning what has no owner and bears the release's label:
//! the claim of the managers' store, whose labels are those of a template that can't
//! be changed, and what earlier versions made.

use crate::context::Context;
use crate::names::{FIELD_MANAGER, INSTANCE, MANAGED_BY, component, selects, unpruned};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::time::Duration;

/// How often such objects are searched for. A claim comes when its pod does, and
/// while its StatefulSet is there nothing prunes it.
const EVERY: Duration = Duration::from_secs(30);

/// Searches for such objects for as long as the operator leads, and marks them.
pub(crate) async fn keep(context: &Context) {
    loop {
        if let Err(error) = protect(context).await {
            tracing::warn!(%error, "what must not be pruned is not marked yet");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn protect(context: &Context) -> kube::Result<()> {
    let release = &context.release;
    let mut labels = component(release, "");
    labels.remove("app.kubernetes.io/component");
    let ours = ListParams::default().labels(&selects(&labels));
    let as_before = PatchParams::default();
    for namespace in &release.namespaces {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), namespace);
        let found = match claims.list(&ours).await {
            Ok(found) => found,
            // Each namespace stands by itself; one that is gone has nothing to prune.
            Err(error) => {
                tracing::warn!(namespace, %error, "claims can't be listed");
                continue;
            }
        };
        for claim in found {
            if let Some(change) = change(&claim) {
                let (name, patch) = (claim.name_any(), Patch::Merge(change));
                // A write that is refused must not keep the others, or the Secret, from it.
                if let Err(error) = claims.patch(&name, &as_before, &patch).await {
                    tracing::warn!(namespace, name, %error, "a claim can be pruned");
                }
            }
        }
    }
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &release.namespace);
    let token = secrets.get_opt(&release.token.secret).await?;
    // A Secret that a person made is left alone.
    let token = token.filter(made_here);
    if let Some(change) = token.as_ref().and_then(change) {
        let patch = Patch::Merge(change);
        secrets
            .patch(&release.token.secret, &as_before, &patch)
            .await?;
    }
    Ok(())
}

fn made_here(object: &impl ResourceExt) -> bool {
    object.labels().get(MANAGED_BY).map(String::as_str) == Some(FIELD_MANAGER)
}

/// What has to change of an object so that nothing prunes it; pure. What the
/// operator made loses the release's label; the store's claim keeps it, being found
/// by it.
fn change(object: &impl ResourceExt) -> Option<Value> {
    if !object.owner_references().is_empty() {
        return None;
    }
    let wanted = unpruned();
    let marked = wanted
        .iter()
        .all(|(key, value)| object.annotations().get(key) == Some(value));
    let loses = made_here(object) && object.labels().contains_key(INSTANCE);
    if marked && !loses {
        return None;
    }
    let mut metadata = json!({ "annotations": wanted });
    if loses {
        metadata["labels"] = json!({ INSTANCE: null });
    }
    Some(json!({ "metadata": metadata }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(metadata: Value) -> PersistentVolumeClaim {
        serde_json::from_value(json!({ "metadata": metadata })).expect("a claim")
    }

    #[test]
    fn what_has_no_owner_is_marked_once_and_what_is_ours_loses_the_release() {
        let store = json!({ "name": "x", "labels": { INSTANCE: "files" } });
        let marks = change(&claim(store.clone())).expect("a change");
        assert_eq!(marks["metadata"]["labels"], Value::Null);
        let mut marked = store.clone();
        marked["annotations"] = marks["metadata"]["annotations"].clone();
        assert_eq!(change(&claim(marked.clone())), None);
        // A claim that an earlier version made.
        marked["labels"][MANAGED_BY] = json!(FIELD_MANAGER);
        let changed = change(&claim(marked)).expect("a change");
        assert!(changed["metadata"]["labels"][INSTANCE].is_null());
        let mut owned = store;
        owned["ownerReferences"] =
            json!([{ "apiVersion": "v1", "kind": "X", "name": "x", "uid": "1" }]);
        assert_eq!(change(&claim(owned)), None);
    }
}

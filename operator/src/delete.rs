//! The end of a pool. Only the policy `Delete` has work to do, and so a
//! finalizer: the pods go, the records go, and the claims go by their UIDs. In a
//! namespace that is being deleted nothing is held up.

use crate::context::Context;
use crate::managers::{Bearer, View};
use crate::names::PoolName;
use crate::observe::Observed;
use crate::raw::RawPool;
use crds::{DeletionPolicy, FileServerPool};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use std::time::Duration;

/// Held while files are to be deleted with the pool.
pub const FINALIZER: &str = "fileserver.dev/files";

/// Whether a pool shall have the finalizer; pure.
pub fn wants_finalizer(pool: &FileServerPool) -> bool {
    pool.spec.deletion_policy == DeletionPolicy::Delete
}

/// How long a finalizer is there before a deletion is let through: longer than the
/// API server takes for one. It decides by what it read at first whether it deletes
/// at once, and asks its admission policies about what is there later; a finalizer
/// that came in between is lost.
pub const SETTLES: Duration = Duration::from_secs(1);

/// Has the finalizer there, or not; answers whether it had to be changed.
///
/// # Errors
/// Where the API server does not answer.
pub async fn keep_finalizer(
    client: &Client,
    pool: &impl ResourceExt,
    name: &PoolName,
    wanted: bool,
) -> kube::Result<bool> {
    let mut finalizers = pool.finalizers().to_vec();
    if finalizers.iter().any(|f| f == FINALIZER) == wanted {
        return Ok(false);
    }
    match wanted {
        true => finalizers.push(FINALIZER.to_owned()),
        false => finalizers.retain(|f| f != FINALIZER),
    }
    let pools: Api<RawPool> = Api::namespaced(client.clone(), &name.namespace);
    let patch = json!({ "metadata": {
        "finalizers": finalizers,
        // Others have finalizers too.
        "resourceVersion": pool.resource_version(),
    }});
    let patched = pools
        .patch(&name.name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    match patched {
        // It went meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(true),
        done => done.map(|_| true),
    }
}

/// Takes the finalizer off every pool of a namespace that is the release's, or
/// nobody's; answers their names.
///
/// # Errors
/// Where the API server does not answer.
pub async fn release_all(
    client: &Client,
    namespace: &str,
    owner: &str,
) -> kube::Result<Vec<PoolName>> {
    // As they are: one that can't be read is released all the same.
    let pools: Api<RawPool> = Api::namespaced(client.clone(), namespace);
    let mut released = Vec::new();
    for pool in pools.list(&ListParams::default()).await? {
        let holds = pool.finalizers().iter().any(|f| f == FINALIZER);
        if !holds || pool.managed_by().is_some_and(|by| by != owner) {
            continue;
        }
        let name = PoolName {
            namespace: namespace.to_owned(),
            name: pool.name_any(),
        };
        keep_finalizer(client, &pool, &name, false).await?;
        released.push(name);
    }
    Ok(released)
}

/// What a deleted pool waits for; nothing once its files are gone.
///
/// # Errors
/// Where the API server or the managers do not answer.
pub async fn delete_files(
    context: &Context,
    bearer: &Bearer,
    name: &PoolName,
    observed: &Observed,
    view: Result<&View, &str>,
) -> anyhow::Result<Option<String>> {
    if observed.replicas().unwrap_or(0) > 0 {
        let sets: Api<StatefulSet> = Api::namespaced(context.client.clone(), &name.namespace);
        // A person has ordered the loss of every file: nothing is drained.
        let set = observed.set.as_ref();
        let none = json!({
            // That very set: another one's files are another pool's.
            "metadata": {
                "uid": set.and_then(|set| set.uid()),
                "resourceVersion": set.and_then(|set| set.resource_version()),
            },
            "spec": { "replicas": 0 },
        });
        sets.patch(&name.nodes(), &PatchParams::default(), &Patch::Merge(none))
            .await?;
    }
    if !observed.pods.is_empty() {
        return Ok(Some(format!(
            "{} nodes are being stopped",
            observed.pods.len()
        )));
    }
    let view = match view {
        Ok(view) => view,
        Err(why) => return Ok(Some(format!("no manager removes the records: {why}"))),
    };
    for (ordinal, (known, _)) in &view.nodes {
        let node_id = name.node_id(*ordinal);
        let ask = |lose| {
            context
                .managers
                .abandon(bearer, &node_id, known.volume, lose)
        };
        let cost = ask(None).await?;
        ask(Some(cost.files)).await?;
        tracing::warn!(node = node_id, files = cost.files, "deleted with its pool");
    }
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(context.client.clone(), &name.namespace);
    let mut left = 0;
    for claim in &observed.claims {
        left += 1;
        if claim.metadata.deletion_timestamp.is_some() {
            continue;
        }
        // By its UID: another claim of that name is another one's files.
        let this = DeleteParams {
            preconditions: Some(Preconditions {
                uid: claim.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        claims.delete(&claim.name_any(), &this).await?;
    }
    Ok((left > 0).then(|| format!("{left} claims are being deleted")))
}

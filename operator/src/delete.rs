//! The end of a pool. Only the policy `Delete` has work to do, and so a
//! finalizer: the pods go, the records go, and the claims go by their UIDs. In a
//! namespace that is being deleted nothing is held up.

use crate::annotations::RELEASED;
use crate::context::Context;
use crate::managers::{Bearer, View};
use crate::names::PoolName;
use crate::observe::Observed;
use crate::raw::RawPool;
use crate::released::is_released;
use crate::trouble::Left;
use crate::unserved::{self, Unserved};
use crate::validate::ValidatedPool;
use crds::DeletionPolicy;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use std::time::Duration;

/// Held while files are to be deleted with the pool.
pub(crate) const FINALIZER: &str = "fileserver.dev/files";

/// Whether a pool needs the finalizer; pure.
pub(crate) fn wants_finalizer(pool: &ValidatedPool, now: Timestamp) -> bool {
    pool.deletion == DeletionPolicy::Delete && !is_released(pool, now)
}

/// How long a finalizer must be there before a deletion is let through: longer than the
/// API server takes for one. The API server decides by its first read whether it deletes
/// at once, but asks its admission policies about what is there later, so that a
/// finalizer that came in between would not hold.
pub(crate) const SETTLES: Duration = Duration::from_secs(1);

/// Sees to it that the finalizer is there, or is not; returns whether that was a change.
///
/// # Errors
/// Where the API server does not answer.
pub(crate) async fn keep_finalizer(
    client: &Client,
    pool: &ObjectMeta,
    name: &PoolName,
    wanted: bool,
) -> kube::Result<bool> {
    let mut finalizers = pool.finalizers.clone().unwrap_or_default();
    if finalizers.iter().any(|f| f == FINALIZER) == wanted {
        return Ok(false);
    }
    match wanted {
        true => finalizers.push(FINALIZER.to_owned()),
        false => finalizers.retain(|f| f != FINALIZER),
    }
    let change = json!({ "finalizers": finalizers });
    change_metadata(client, pool, name, change).await?;
    Ok(true)
}

/// Changes metadata only if the pool is as it was read: others have finalizers too.
async fn change_metadata(
    client: &Client,
    pool: &ObjectMeta,
    name: &PoolName,
    mut change: serde_json::Value,
) -> kube::Result<()> {
    let pools: Api<RawPool> = Api::namespaced(client.clone(), &name.namespace);
    change["resourceVersion"] = json!(pool.resource_version);
    let patch = json!({ "metadata": change });
    let patched = pools
        .patch(&name.name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    match patched {
        // It went meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done.map(drop),
    }
}

/// Takes the finalizer off every pool of a namespace that is the release's, or
/// nobody's; returns their names.
///
/// # Errors
/// Where the API server does not answer.
pub(crate) async fn release_all(
    client: &Client,
    namespace: &str,
    owner: &str,
) -> kube::Result<Vec<PoolName>> {
    // Not parsed: a pool that this release can't read is released all the same.
    let pools: Api<RawPool> = Api::namespaced(client.clone(), namespace);
    let (mut released, mut failed) = (Vec::new(), None);
    for pool in pools.list(&ListParams::default()).await? {
        let holds = pool.finalizers().iter().any(|f| f == FINALIZER);
        if !holds || pool.managed_by().is_some_and(|by| by != owner) {
            continue;
        }
        let name = PoolName::of(&pool);
        match keep_finalizer(client, &pool.metadata, &name, false).await {
            Ok(_) => released.push(name),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    // One that can't be written has not kept the others from being released.
    failed.map_or(Ok(released), Err)
}

/// Lets go of every pool of a namespace that is the release's, or nobody's, whether
/// it has the finalizer or not; returns their names. One write takes the finalizer
/// off and notes that on the pool: an operator that is still there sees both or
/// neither, and takes the finalizer back only after `until`. A second write makes the
/// status say that nobody serves the pool.
///
/// # Errors
/// Where the API server does not answer, or somebody changed a pool meanwhile.
pub(crate) async fn let_go(
    client: &Client,
    namespace: &str,
    owner: &str,
    until: Timestamp,
) -> kube::Result<Vec<PoolName>> {
    let pools: Api<RawPool> = Api::namespaced(client.clone(), namespace);
    let all = pools.list(&ListParams::default()).await?;
    let ours = all
        .iter()
        .filter(|pool| pool.managed_by().is_none_or(|by| by == owner));
    let_go_of(client, ours, until, Unserved::Left(owner)).await
}

/// Lets go of these pools, of each by itself; returns their names.
///
/// # Errors
/// Where one of them could not be let go: the first reason.
pub(crate) async fn let_go_of<'a>(
    client: &Client,
    pools: impl Iterator<Item = &'a RawPool>,
    until: Timestamp,
    why: Unserved<'_>,
) -> kube::Result<Vec<PoolName>> {
    let (mut released, mut failed) = (Vec::new(), None);
    for pool in pools {
        match let_one_go(client, pool, until, why).await {
            Ok(name) => released.push(name),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(released), Err)
}

async fn let_one_go(
    client: &Client,
    pool: &RawPool,
    until: Timestamp,
    why: Unserved<'_>,
) -> kube::Result<PoolName> {
    let mut finalizers = pool.finalizers().to_vec();
    finalizers.retain(|f| f != FINALIZER);
    let change = json!({
        "finalizers": finalizers,
        "annotations": { RELEASED: until.to_string() },
    });
    let name = PoolName::of(pool);
    change_metadata(client, &pool.metadata, &name, change).await?;
    // This must not hold up an uninstall, or an upgrade.
    if let Err(error) = unserved::tell(client, pool, &name, why).await {
        tracing::warn!(pool = name.at_manager(), %error, "it still says how it was");
    }
    Ok(name)
}

/// Deletes a pool's files, a step at a time; returns what is left, or None once
/// all are gone.
///
/// # Errors
/// Where the API server or the managers do not answer.
pub(crate) async fn delete_files(
    context: &Context,
    bearer: &Bearer,
    name: &PoolName,
    observed: &Observed,
    view: Result<&View, &str>,
) -> anyhow::Result<Option<Left>> {
    if observed.replicas().unwrap_or(0) > 0 {
        let sets: Api<StatefulSet> = Api::namespaced(context.client.clone(), &name.namespace);
        // A person has ordered the loss of every file: nothing is drained.
        let set = observed.set.as_ref();
        let none = json!({
            // Only this very set: the files of another set are another pool's.
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
        return Ok(Some(Left::Pods(observed.pods.len())));
    }
    let view = match view {
        Ok(view) => view,
        Err(why) => return Ok(Some(Left::Records(why.to_owned()))),
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
    for claim in &observed.claims {
        if claim.metadata.deletion_timestamp.is_some() {
            continue;
        }
        // By its UID: another claim of that name has somebody else's files.
        let this = DeleteParams {
            preconditions: Some(Preconditions {
                uid: claim.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        claims.delete(&claim.name_any(), &this).await?;
    }
    let claims = observed.claims.len();
    Ok((claims > 0).then_some(Left::Claims(claims)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::released::RELEASED_FOR;

    fn pool(policy: &str, released: Option<&str>) -> ValidatedPool {
        ValidatedPool::sample(
            json!({ "deletionPolicy": policy }),
            json!({ "annotations": { RELEASED: released.unwrap_or("") } }),
        )
    }

    #[test]
    fn a_pool_that_was_let_go_has_no_finalizer_for_a_while_and_then_as_before() {
        let now: Timestamp = "2026-11-28T06:00:00Z".parse().expect("a time");
        let until = (now + RELEASED_FOR).to_string();
        assert!(wants_finalizer(&pool("Delete", None), now));
        assert!(!wants_finalizer(&pool("Delete", Some(&until)), now));
        assert!(wants_finalizer(
            &pool("Delete", Some(&until)),
            now + RELEASED_FOR
        ));
        assert!(wants_finalizer(&pool("Delete", Some("soon")), now));
        assert!(!wants_finalizer(&pool("Retain", None), now));
    }
}

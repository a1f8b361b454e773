//! The keys of a namespace's pools, in one Secret. It has a name that is known
//! beforehand, so that the operator need not be allowed to read any other: the rights
//! of an account name objects, they can't say "those that I made".

use crate::apply::ApplyError;
use crate::build::MANAGED_BY;
use crate::conflict::Conflict;
use crate::names::{self, FIELD_MANAGER, PoolName, component, unowned, unpruned};
use crate::release::Release;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use proto::keys::pool_key;
use serde_json::json;
use std::collections::BTreeMap;

/// Sees to it that the keys of a pool are there, and returns the Secret with them. Its
/// nodes get nothing else: the keys admit joins as its nodes and calls to these.
///
/// # Errors
/// `NameConflict` where somebody else's Secret has the name; it is left as it is.
pub(crate) async fn keep(
    client: &Client,
    release: &Release,
    pool: &PoolName,
    token: &str,
) -> Result<Secret, ApplyError> {
    let name = release.keys_secret(&pool.namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &pool.namespace);
    let what = format!("Secret {}/{name}", pool.namespace);
    let failed = |source| ApplyError::of(&what, source);
    let wanted = keys(token, pool);
    let Some(there) = secrets.get_opt(&name).await.map_err(failed)? else {
        let secret = first(release, &name, pool, wanted);
        let made = secrets.create(&PostParams::default(), &secret).await;
        return made.map_err(failed);
    };
    let (says, owner) = (there.annotations().get(MANAGED_BY), release.owner());
    if says != Some(&owner) {
        return Err(ApplyError::NameConflict(vec![Conflict::Keys {
            namespace: pool.namespace.clone(),
            name,
            says: says.cloned(),
            release: owner,
        }]));
    }
    if of_pool(&there, pool) == Some(&wanted) {
        return Ok(there);
    }
    let patch = Patch::Merge(json!({ "data": { pool.name.as_str(): wanted } }));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let written = secrets.patch(&name, &params, &patch).await;
    written.map_err(failed)
}

fn of_pool<'a>(secret: &'a Secret, pool: &PoolName) -> Option<&'a ByteString> {
    secret.data.as_ref()?.get(&pool.name)
}

/// Whether a Secret is the release's and has the keys of a pool; pure.
pub(crate) fn are_in(secret: &Secret, release: &Release, pool: &PoolName, token: &str) -> bool {
    let ours = secret.annotations().get(MANAGED_BY) == Some(&release.owner());
    ours && of_pool(secret, pool) == Some(&keys(token, pool))
}

/// One for each line of the token; pure.
fn keys(token: &str, pool: &PoolName) -> ByteString {
    let pool = pool.at_manager();
    let keys: Vec<String> = token.lines().map(|token| pool_key(token, &pool)).collect();
    ByteString(keys.join("\n").into_bytes())
}

/// The Secret with the keys of its first pool; pure. Pools come and go, it stays.
fn first(release: &Release, name: &str, pool: &PoolName, keys: ByteString) -> Secret {
    let mut labels = unowned(component(release, "node"));
    labels.insert(names::MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    let mut annotations = unpruned();
    annotations.insert(MANAGED_BY.to_owned(), release.owner());
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.labels = Some(labels);
    secret.metadata.annotations = Some(annotations);
    secret.data = Some(BTreeMap::from([(pool.name.clone(), keys)]));
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_at_the_secret_answers_for_every_pool_in_it() {
        let release = Release::sample();
        let pool = |name: &str| PoolName {
            namespace: "team".to_owned(),
            name: name.to_owned(),
        };
        let (p, q, token) = (pool("p"), pool("q"), "a token that is long enough");
        let mut secret = first(&release, "dfs.files-nodes", &p, keys(token, &p));
        assert!(are_in(&secret, &release, &p, token));
        assert!(!are_in(&secret, &release, &q, token), "another pool");
        assert!(!are_in(&secret, &release, &p, "another"), "it was changed");
        secret
            .annotations_mut()
            .insert(MANAGED_BY.to_owned(), "other/files".to_owned());
        assert!(!are_in(&secret, &release, &p, token), "another release's");
    }
}

//! The keys of a namespace's pools, and their certificates, in one Secret of a name that is
//! known beforehand: the rights of an account name objects, they can't say "those that I
//! made".

use crate::apply::ApplyError;
use crate::build::MANAGED_BY;
use crate::certificates::Certificates;
use crate::conflict::Conflict;
use crate::kept::{self, Entries, Kept};
use crate::names::PoolName;
use crate::release::Release;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, ResourceExt};
use proto::keys::pool_key;

/// What opens the inner ports to the nodes of a pool: keys that are made of the token, and
/// certificates where there are any.
#[derive(Clone, Copy)]
pub(crate) struct Openers<'a> {
    /// The release's token.
    pub(crate) token: &'a str,
    /// The release's certificates.
    pub(crate) certificates: Option<&'a Certificates>,
}

impl Openers<'_> {
    /// What has to be written beside what is there.
    fn lacking(&self, there: Option<&Secret>, pool: &PoolName) -> anyhow::Result<Entries> {
        let data = there.and_then(|there| there.data.as_ref());
        let mut lacking = match self.certificates {
            Some(certificates) => certificates.of_pool(pool, data)?,
            None => Entries::new(),
        };
        let wanted = keys(self.token, pool);
        if there.and_then(|there| of_pool(there, pool)) != Some(&wanted) {
            lacking.insert(pool.name.clone(), wanted);
        }
        Ok(lacking)
    }

    /// Whether a Secret is the release's and nothing of a pool has to be written.
    pub(crate) fn are_in(&self, secret: &Secret, release: &Release, pool: &PoolName) -> bool {
        let ours = kept::is_of(secret, release);
        let has_keys = of_pool(secret, pool) == Some(&keys(self.token, pool));
        let has_certificates = self.certificates.is_none_or(|certificates| {
            let data = secret.data.as_ref();
            data.is_some_and(|data| certificates.are_in(data, pool))
        });
        ours && has_keys && has_certificates
    }
}

/// Sees to it that the keys and certificates of a pool are there, and returns the Secret
/// with them. Its nodes get nothing else: these admit joins as its nodes and calls to them.
///
/// # Errors
/// `NameConflict` where somebody else's Secret has the name; it is left as it is.
pub(crate) async fn keep(
    client: &Client,
    release: &Release,
    pool: &PoolName,
    openers: Openers<'_>,
) -> Result<Secret, ApplyError> {
    let kept = Kept::of_pools(client, release, &pool.namespace);
    let what = kept.what();
    let failed = |source| ApplyError::of(&what, source);
    let there = kept.get().await.map_err(failed)?;
    if let Some(there) = &there
        && !kept.is_ours(there)
    {
        return Err(ApplyError::NameConflict(vec![Conflict::Keys {
            namespace: pool.namespace.clone(),
            name: release.keys_secret(&pool.namespace),
            says: there.annotations().get(MANAGED_BY).cloned(),
            release: release.owner(),
        }]));
    }
    let lacking = openers.lacking(there.as_ref(), pool)?;
    match there {
        Some(there) if lacking.is_empty() => Ok(there),
        there => {
            let changed = kept.change(there.as_ref(), lacking, &[]).await;
            changed.map_err(failed)
        }
    }
}

fn of_pool<'a>(secret: &'a Secret, pool: &PoolName) -> Option<&'a ByteString> {
    secret.data.as_ref()?.get(&pool.name)
}

/// One for each line of the token; pure.
fn keys(token: &str, pool: &PoolName) -> ByteString {
    let pool = pool.at_manager();
    let keys: Vec<String> = token.lines().map(|token| pool_key(token, &pool)).collect();
    ByteString(keys.join("\n").into_bytes())
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
        let (p, q) = (pool("p"), pool("q"));
        let openers = |token| Openers {
            token,
            certificates: None,
        };
        let own = openers("a token that is long enough");
        let entries = own.lacking(None, &p).expect("made");
        let mut secret = kept::first(&release, "dfs.files-nodes", "node", entries);
        assert!(own.are_in(&secret, &release, &p));
        assert!(own.lacking(Some(&secret), &p).expect("made").is_empty());
        assert!(!own.are_in(&secret, &release, &q), "another pool");
        let another = openers("another");
        assert!(!another.are_in(&secret, &release, &p), "it was changed");
        secret
            .annotations_mut()
            .insert(MANAGED_BY.to_owned(), "other/files".to_owned());
        assert!(!own.are_in(&secret, &release, &p), "another release's");
    }
}

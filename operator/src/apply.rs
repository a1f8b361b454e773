//! Writes objects to the API server, by server-side apply under one field
//! manager, and only where something differs: at rest nothing is written. An apply
//! leaves what others added to our own lists; a patch removes it, once: where a
//! webhook adds it again, it stays.

mod prepared;
mod written;

pub(crate) use prepared::{Applied, Change, Judged, Prepared};

use crate::adopt::Owner;
use crate::cache::Cache;
use crate::conflict::{self, Conflict};
use crate::differs::{correction, lacks};
use crate::names::FIELD_MANAGER;
use crate::trouble::{Trouble, Uncertified};
use kube::api::{Patch, PatchParams, PostParams, ValidationDirective};
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use prepared::{Kind, json};
use serde_json::Value;
use std::collections::HashMap;
use written::{Written, essence, hash};

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// Objects of these names are there, and are not ours.
    #[error("{}", conflict::said(.0))]
    NameConflict(Vec<Conflict>),
    /// Somebody changed it since it was read.
    #[error("{0} was changed by somebody else meanwhile")]
    Raced(String),
    /// The API server refuses, or does not answer.
    #[error("{what}: {}", said(source))]
    Api {
        /// Which object.
        what: String,
        /// Why.
        source: kube::Error,
    },
    /// cert-manager has not made the certificate that its nodes need.
    #[error("{0}")]
    Uncertified(Uncertified),
    /// It is no object of that kind.
    #[error(transparent)]
    Malformed(#[from] anyhow::Error),
}

/// Kinds that hold no state and may be replaced as a whole.
const REPLACED: [&str; 3] = ["PodDisruptionBudget", "NetworkPolicy", "Service"];

/// The API server's message, without the rest of its answer.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

impl ApplyError {
    pub(crate) fn of(what: &str, source: kube::Error) -> Self {
        let what = what.to_owned();
        match source {
            kube::Error::Api(status) if status.code == 409 => Self::Raced(what),
            source => Self::Api { what, source },
        }
    }

    /// Whether a pool only reports it, and goes on: nothing has failed.
    pub(crate) fn is_reported(&self) -> bool {
        match self {
            Self::NameConflict(_) | Self::Uncertified(Uncertified::NotReady { .. }) => true,
            Self::Uncertified(Uncertified::NoCertManager { .. }) => false,
            Self::Raced(_) | Self::Api { .. } | Self::Malformed(_) => false,
        }
    }

    /// What a pool reports of it.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::NameConflict(conflicts) => Trouble::Conflicts(conflicts.clone()),
            Self::Uncertified(why) => Trouble::Uncertified(why.clone()),
            Self::Raced(_) | Self::Api { .. } | Self::Malformed(_) => {
                Trouble::NotApplied(self.to_string())
            }
        }
    }
}

/// Writes, and remembers what it has written.
pub(crate) struct Applier {
    client: Client,
    /// What was last written of each object.
    written: Mutex<HashMap<String, Written>>,
}

impl Applier {
    /// One that has written nothing yet.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            written: Mutex::default(),
        }
    }

    /// Brings an object to what is wanted, or as near to it as others permit. `owner`
    /// is the owner of an object that has one.
    ///
    /// # Errors
    /// `NameConflict` for one that is not ours, which is left as it is.
    pub(crate) async fn apply<K: Kind>(
        &self,
        wanted: Prepared<K>,
        owner: Option<Owner<'_>>,
        cache: Option<&Cache>,
    ) -> Result<Applied<K>, ApplyError> {
        let target = Target::of(&self.client, wanted.object());
        let there = target.there(cache).await?;
        if wanted.is_only_new() && there.is_some() {
            return Err(ApplyError::Raced(target.what));
        }
        if let (Some(there), Some(owner)) = (&there, owner)
            && !owner.has(there)
        {
            return Err(ApplyError::NameConflict(vec![Conflict::Owned {
                object: format!("{} {}", K::kind(&()), target.name),
                pool: owner.name.clone(),
            }]));
        }
        let before = self.written.lock().get(&target.what).copied();
        let (whole, timeless) = (wanted.json()?, wanted.timeless().json()?);
        let hashed = hash(&timeless);
        let found = there.as_ref().map(json).transpose()?;
        let bears = before.and_then(|before| before.bears);
        let borne = bears.is_some() && bears == found.as_ref().map(essence);
        if let Some(found) = &found {
            let as_before = before.is_some_and(|before| before.wanted == Some(hashed));
            if as_before && (borne || !lacks(found, &whole)) {
                return Ok(wanted.applied(Change::Same));
            }
        }
        if let (Some(there), Some(found)) = (&there, found.as_ref().filter(|_| !borne))
            && let Some(excess) = correction(found, &whole)
        {
            // Done alone: all else is decided anew by what is there then.
            let left = target.take_away(excess, there).await?;
            let written = before.and_then(|before| before.wanted);
            let written = Written::of(written, &json(&left)?, &timeless);
            self.written.lock().insert(target.what.clone(), written);
            return Err(ApplyError::Raced(target.what));
        }
        let left = target.write(wanted.object(), there.as_ref()).await?;
        let written = Written::of(Some(hashed), &json(&left)?, &timeless);
        let overridden = written.bears.is_some() && before.is_none_or(|b| b.bears.is_none());
        self.written.lock().insert(target.what.clone(), written);
        Ok(wanted.applied(match overridden {
            true => Change::Overridden(target.what),
            false => Change::Written,
        }))
    }

    /// Makes an object that is not there. It is for objects without an owner: one that
    /// came meanwhile may be anybody's and stays as it is, while an apply would change it.
    ///
    /// # Errors
    /// `Raced` where it is there by now.
    pub(crate) async fn create<K: Kind>(&self, wanted: Prepared<K>) -> Result<(), ApplyError> {
        let target = Target::of(&self.client, wanted.object());
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let made = target.api.create(&params, wanted.object()).await;
        made.map_err(|source| ApplyError::of(&target.what, source))?;
        tracing::info!(object = target.what, "made");
        Ok(())
    }

    /// Drops what is remembered of the objects of a pool that is gone.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let part = format!(" {namespace}/{name}");
        self.written.lock().retain(|what, _| !what.ends_with(&part));
    }
}

/// Where an object is, or will be.
struct Target<K> {
    api: Api<K>,
    name: String,
    /// How people are told of it.
    what: String,
}

impl<K: Kind> Target<K> {
    fn of(client: &Client, object: &K) -> Self {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        Self {
            api: Api::namespaced(client.clone(), &namespace),
            what: format!("{} {namespace}/{name}", K::kind(&())),
            name,
        }
    }

    /// The object that is there.
    async fn there(&self, cache: Option<&Cache>) -> Result<Option<K>, ApplyError> {
        let namespace = self.api.namespace().unwrap_or_default();
        // What watches have not shown may be there all the same.
        if let Some(there) = cache.and_then(|cache| cache.get::<K>(namespace, &self.name)) {
            return Ok(Some((*there).clone()));
        }
        let there = self.api.get_opt(&self.name).await;
        there.map_err(|source| ApplyError::of(&self.what, source))
    }

    /// Removes what others added; returns the object as it is then.
    async fn take_away(&self, mut excess: Value, there: &K) -> Result<K, ApplyError> {
        excess["metadata"]["resourceVersion"] = there.resource_version().into();
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(excess);
        let done = self.api.patch(&self.name, &params, &patch).await;
        let left = done.map_err(|source| ApplyError::of(&self.what, source))?;
        tracing::info!(object = self.what, "what others added was taken away");
        Ok(left)
    }

    /// Writes what is wanted; returns the object as it is then.
    async fn write(&self, wanted: &K, there: Option<&K>) -> Result<K, ApplyError> {
        let mut params = PatchParams::apply(FIELD_MANAGER).force();
        params.field_validation = Some(ValidationDirective::Strict);
        let patch = Patch::Apply(wanted);
        let mut done = self.api.patch(&self.name, &params, &patch).await;
        if let (Err(kube::Error::Api(status)), Some(there)) = (&done, there)
            && status.code == 422
            && REPLACED.contains(&K::kind(&()).as_ref())
        {
            // What others wrote into the object makes it invalid.
            tracing::warn!(object = self.what, %status, "replaced");
            let mut whole = wanted.clone();
            whole.meta_mut().resource_version = there.resource_version();
            let params = PostParams::default();
            done = self.api.replace(&self.name, &params, &whole).await;
        }
        let left = done.map_err(|source| ApplyError::of(&self.what, source))?;
        tracing::info!(object = self.what, "written");
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::played::Played;
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    use serde_json::json;

    #[tokio::test]
    async fn an_object_that_came_meanwhile_is_not_changed() {
        let claim = json!({ "metadata": { "name": "data-p-node-0", "namespace": "a" } });
        let exists = json!({
            "kind": "Status", "status": "Failure", "reason": "AlreadyExists", "code": 409,
            "message": "persistentvolumeclaims \"data-p-node-0\" already exists",
        });
        let server = Played::new(vec![(201, claim.clone()), (409, exists)]).await;
        let applier = Applier::new(server.client());
        let claim: PersistentVolumeClaim = serde_json::from_value(claim).expect("a claim");
        let make = || applier.create(Prepared::new(claim.clone()));
        make().await.expect("it was not there");
        let raced = make().await.expect_err("somebody was quicker");
        assert!(matches!(&raced, ApplyError::Raced(what) if what.contains("a/data-p-node-0")));
        let post =
            "POST /api/v1/namespaces/a/persistentvolumeclaims?&fieldManager=fileserver-operator";
        assert_eq!(
            server.asked(),
            [post, post],
            "a write that makes and changes nothing"
        );
    }

    #[tokio::test]
    async fn an_object_that_may_only_be_made_is_not_written_over() {
        let claim = json!({ "metadata": { "name": "data-p-node-0", "namespace": "a" } });
        let server = Played::new(vec![(200, claim.clone())]).await;
        let applier = Applier::new(server.client());
        let claim: PersistentVolumeClaim = serde_json::from_value(claim).expect("a claim");
        let wanted = Prepared::new(claim).only_new();
        let raced = applier.apply(wanted, None, None).await;
        assert!(matches!(raced, Err(ApplyError::Raced(_))), "{raced:?}");
        assert_eq!(server.asked().len(), 1, "it is only looked for");
    }
}

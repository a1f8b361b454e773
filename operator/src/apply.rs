//! Writes objects to the API server, by server-side apply under one field
//! manager, and only where something differs: at rest nothing is written. An apply
//! leaves what others added to our own lists; a patch removes it, once: where a
//! webhook adds it again, it stays.

use crate::adopt::Owner;
use crate::cache::Cache;
use crate::conflict::{self, Conflict};
use crate::differs::{correction, lacks};
use crate::names::FIELD_MANAGER;
use crate::report::Trouble;
use anyhow::Context;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams, PostParams, ValidationDirective};
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

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
    /// It is no object of that kind.
    #[error(transparent)]
    Malformed(#[from] anyhow::Error),
}

/// Kinds that hold no state and may be replaced as a whole.
const REPLACED: [&str; 3] = ["PodDisruptionBudget", "NetworkPolicy", "Service"];

/// Stands for a resource version where an object may only be made, not changed.
const ONLY_NEW: &str = "none";

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

    /// What a pool reports of it.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::NameConflict(conflicts) => Trouble::Conflicts(conflicts.clone()),
            Self::Raced(_) | Self::Api { .. } | Self::Malformed(_) => {
                Trouble::NotApplied(self.to_string())
            }
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It already was as it is wanted, or others keep it different.
    Same,
    /// It was written.
    Written,
    /// It was written, and somebody changed it in that moment. It stays so, and is written
    /// again only when what is wanted or what is there changes. Names the object.
    Overridden(String),
}

/// Writes, and remembers what it has written.
pub(crate) struct Applier {
    client: Client,
    /// What was last written of each object: which of its fields are not wanted any
    /// more can't be seen in the object itself.
    written: Mutex<HashMap<String, Written>>,
}

/// What is remembered of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    /// What was written.
    wanted: Option<u64>,
    /// The object as it was after the write, where others changed it in that moment, as
    /// a webhook or a policy does.
    bears: Option<u64>,
}

impl Written {
    fn of(wanted: Option<u64>, left: &Value, object: &Value) -> Self {
        let differs = correction(left, object).is_some() || lacks(left, &timeless(object));
        Self {
            wanted,
            bears: differs.then(|| essence(left)),
        }
    }
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
    pub(crate) async fn apply<K>(
        &self,
        mut wanted: Value,
        owner: Option<Owner<'_>>,
        cache: Option<&Cache>,
    ) -> Result<Applied, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize
            + Send
            + Sync
            + 'static,
    {
        let at = |key: &str| wanted["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (at("namespace").to_owned(), at("name").to_owned());
        let api: Api<K> = Api::namespaced(self.client.clone(), &namespace);
        let what = format!("{} {namespace}/{name}", K::kind(&()));
        // What watches have not shown may be there all the same.
        let there = match cache.and_then(|cache| cache.get::<K>(&namespace, &name)) {
            Some(there) => Some((*there).clone()),
            None => {
                let there = api.get_opt(&name).await;
                there.map_err(|source| ApplyError::of(&what, source))?
            }
        };
        if wanted["metadata"]["resourceVersion"] == ONLY_NEW {
            if there.is_some() {
                return Err(ApplyError::Raced(what));
            }
            if let Some(metadata) = wanted["metadata"].as_object_mut() {
                metadata.remove("resourceVersion");
            }
        }
        if let (Some(there), Some(owner)) = (&there, owner)
            && !owner.has(there)
        {
            return Err(ApplyError::NameConflict(vec![Conflict::Owned {
                object: format!("{} {name}", K::kind(&())),
                pool: owner.name.clone(),
            }]));
        }
        let before = self.written.lock().get(&what).copied();
        let hashed = hash(&wanted);
        let there = there.map(|there| serde_json::to_value(there).context("an object as JSON"));
        let there = there.transpose()?;
        let bears = before.and_then(|before| before.bears);
        let borne = bears.is_some() && bears == there.as_ref().map(essence);
        if let Some(there) = &there {
            let as_before = before.is_some_and(|before| before.wanted == Some(hashed));
            if as_before && (borne || !lacks(there, &wanted)) {
                return Ok(Applied::Same);
            }
        }
        if let Some(there) = there.as_ref().filter(|_| !borne)
            && let Some(excess) = correction(there, &wanted)
        {
            // Done alone: all else is decided anew by what is there then.
            let left = self.take_away(&api, &name, &what, excess, there).await?;
            let written = before.and_then(|before| before.wanted);
            let written = Written::of(written, &left, &wanted);
            self.written.lock().insert(what.clone(), written);
            return Err(ApplyError::Raced(what));
        }
        let left = self.write(&api, &name, &what, &wanted, there.as_ref());
        let written = Written::of(Some(hashed), &left.await?, &wanted);
        let overridden = written.bears.is_some() && before.is_none_or(|b| b.bears.is_none());
        self.written.lock().insert(what.clone(), written);
        Ok(match overridden {
            true => Applied::Overridden(what),
            false => Applied::Written,
        })
    }

    /// Makes an object that is not there. It is for objects without an owner: one that
    /// came meanwhile may be anybody's and stays as it is, while an apply would change it.
    ///
    /// # Errors
    /// `Raced` where it is there by now.
    pub(crate) async fn create<K>(&self, wanted: Value) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let wanted: K = serde_json::from_value(wanted).context("an object from JSON")?;
        let namespace = wanted.namespace().unwrap_or_default();
        let what = format!("{} {namespace}/{}", K::kind(&()), wanted.name_any());
        let api: Api<K> = Api::namespaced(self.client.clone(), &namespace);
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let made = api.create(&params, &wanted).await;
        made.map_err(|source| ApplyError::of(&what, source))?;
        tracing::info!(object = what, "made");
        Ok(())
    }

    /// Removes what others added; returns the object as it is then.
    async fn take_away<K>(
        &self,
        api: &Api<K>,
        name: &str,
        what: &str,
        mut excess: Value,
        there: &Value,
    ) -> Result<Value, ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
    {
        excess["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let done = api.patch(name, &params, &Patch::Merge(excess)).await;
        let left = done.map_err(|source| ApplyError::of(what, source))?;
        tracing::info!(object = what, "what others added was taken away");
        Ok(serde_json::to_value(left).context("an object as JSON")?)
    }

    async fn write<K>(
        &self,
        api: &Api<K>,
        name: &str,
        what: &str,
        wanted: &Value,
        there: Option<&Value>,
    ) -> Result<Value, ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
    {
        let mut params = PatchParams::apply(FIELD_MANAGER).force();
        params.field_validation = Some(ValidationDirective::Strict);
        let mut done = api.patch(name, &params, &Patch::Apply(wanted)).await;
        if let (Err(kube::Error::Api(status)), Some(there)) = (&done, there)
            && status.code == 422
            && REPLACED.contains(&K::kind(&()).as_ref())
        {
            // What others wrote into the object makes it invalid.
            tracing::warn!(object = what, %status, "replaced");
            let mut whole = wanted.clone();
            whole["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
            let whole: K = serde_json::from_value(whole).context("an object from JSON")?;
            done = api.replace(name, &PostParams::default(), &whole).await;
        }
        let left = done.map_err(|source| ApplyError::of(what, source))?;
        tracing::info!(object = what, "written");
        Ok(serde_json::to_value(left).context("an object as JSON")?)
    }

    /// Drops what is remembered of the objects of a pool that is gone.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let part = format!(" {namespace}/{name}");
        self.written.lock().retain(|what, _| !what.ends_with(&part));
    }
}

/// Makes a write fail where the object is not exactly the one that was read.
pub(crate) fn if_unchanged(wanted: &mut Value, there: &impl ResourceExt) {
    if let Some(version) = there.resource_version() {
        wanted["metadata"]["resourceVersion"] = json!(version);
    }
    if let Some(uid) = there.uid() {
        wanted["metadata"]["uid"] = json!(uid);
    }
}

/// Makes a write fail where the object exists by now.
pub(crate) fn only_new(wanted: &mut Value) {
    wanted["metadata"]["resourceVersion"] = json!(ONLY_NEW);
}

/// What is wanted, without the version and the UID of the object that is there.
fn timeless(wanted: &Value) -> Value {
    let mut wanted = wanted.clone();
    if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
        metadata.remove("uid");
    }
    wanted
}

/// A hash of an object, without what the API server and controllers write by themselves.
fn essence(object: &Value) -> u64 {
    let metadata = &object["metadata"];
    hash(&json!({
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "spec": object["spec"],
        "data": object["data"],
    }))
}

/// A hash of what is wanted, whatever version of the object is there.
pub(crate) fn hash(wanted: &Value) -> u64 {
    let wanted = timeless(wanted);
    let mut hasher = DefaultHasher::new();
    wanted.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::played::Played;

    #[tokio::test]
    async fn an_object_that_came_meanwhile_is_not_changed() {
        use k8s_openapi::api::core::v1::PersistentVolumeClaim;
        let claim = json!({ "metadata": { "name": "data-p-node-0", "namespace": "a" } });
        let exists = json!({
            "kind": "Status", "status": "Failure", "reason": "AlreadyExists", "code": 409,
            "message": "persistentvolumeclaims \"data-p-node-0\" already exists",
        });
        let server = Played::new(vec![(201, claim.clone()), (409, exists)]).await;
        let applier = Applier::new(server.client());
        let make = || applier.create::<PersistentVolumeClaim>(claim.clone());
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

    #[test]
    fn what_a_policy_changes_in_the_moment_of_the_write_is_borne() {
        let wanted = json!({
            "metadata": { "name": "p", "resourceVersion": "1", "labels": { "a": "b" } },
            "spec": { "maxUnavailable": 1 },
        });
        let left = |unavailable: i32, version: &str| {
            json!({
                "metadata": { "name": "p", "resourceVersion": version, "labels": { "a": "b" } },
                "spec": { "maxUnavailable": unavailable },
            })
        };
        let written = |left: &Value| Written::of(Some(1), left, &wanted);
        assert_eq!(written(&left(1, "2")).bears, None);
        let changed = left(0, "2");
        assert_eq!(written(&changed).bears, Some(essence(&changed)));
        assert_eq!(essence(&changed), essence(&left(0, "3")), "it rests so");
        assert_ne!(essence(&changed), essence(&left(2, "3")), "somebody else");
    }
}

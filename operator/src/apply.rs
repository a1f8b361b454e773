//! Writes objects to the API server, by server-side apply under one field
//! manager, and only where something differs: at rest nothing is written.

use crate::differs::lacks;
use crate::names::FIELD_MANAGER;
use anyhow::Context;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams, ValidationDirective};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It is there, and not ours.
    #[error("{kind} {name} exists and does not belong to the pool; rename or delete it")]
    NameConflict {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Somebody changed it since it was looked at.
    #[error("{0} was changed by somebody else meanwhile")]
    Raced(String),
    /// The API server refuses, or does not answer.
    #[error("{what}: {source}")]
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

/// Writes, and remembers what it has written.
pub struct Applier {
    client: Client,
    /// What was last written of each object. The fields that were taken back
    /// since can't be seen in the object itself.
    written: Mutex<HashMap<String, u64>>,
}

impl Applier {
    /// One that has written nothing yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            written: Mutex::default(),
        }
    }

    /// Has an object as it is wanted; answers whether it wrote. `uid` is the
    /// owner's, for an object that has one.
    ///
    /// # Errors
    /// `NameConflict` for one that is not ours, which is left as it is.
    pub async fn apply<K>(&self, wanted: Value, uid: Option<&str>) -> Result<bool, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let at = |key: &str| wanted["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (at("namespace").to_owned(), at("name").to_owned());
        let api: Api<K> = Api::namespaced(self.client.clone(), &namespace);
        let what = format!("{} {namespace}/{name}", K::kind(&()));
        let failed = |source| ApplyError::Api {
            what: what.clone(),
            source,
        };
        let there = api.get_opt(&name).await.map_err(failed)?;
        if let (Some(there), Some(uid)) = (&there, uid)
            && !owned(there, uid)
        {
            return Err(ApplyError::NameConflict {
                kind: K::kind(&()).into_owned(),
                name,
            });
        }
        let hash = hash(&wanted);
        if let Some(there) = &there {
            let there = serde_json::to_value(there).context("an object as JSON")?;
            let as_before = self.written().get(&what) == Some(&hash);
            if as_before && !lacks(&there, &wanted) {
                return Ok(false);
            }
        }
        self.write(&api, &name, &what, &wanted).await?;
        self.written().insert(what, hash);
        Ok(true)
    }

    async fn write<K>(
        &self,
        api: &Api<K>,
        name: &str,
        what: &str,
        wanted: &Value,
    ) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let mut params = PatchParams::apply(FIELD_MANAGER).force();
        params.field_validation = Some(ValidationDirective::Strict);
        match api.patch(name, &params, &Patch::Apply(wanted)).await {
            Ok(_) => {
                tracing::info!(object = what, "written");
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Err(ApplyError::Raced(what.to_owned()))
            }
            Err(source) => Err(ApplyError::Api {
                what: what.to_owned(),
                source,
            }),
        }
    }

    /// Forgets what was written of a pool that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let part = format!(" {namespace}/{name}");
        self.written().retain(|what, _| !what.ends_with(&part));
    }

    fn written(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a write fail where the object is not the very one that was looked at.
pub fn if_unchanged(wanted: &mut Value, there: &impl ResourceExt) {
    if let Some(version) = there.resource_version() {
        wanted["metadata"]["resourceVersion"] = json!(version);
    }
    if let Some(uid) = there.uid() {
        wanted["metadata"]["uid"] = json!(uid);
    }
}

fn owned(object: &impl ResourceExt, uid: &str) -> bool {
    object
        .owner_references()
        .iter()
        .any(|owner| owner.uid == uid)
}

/// Of what is wanted, whatever version of the object it is wanted of.
fn hash(wanted: &Value) -> u64 {
    let mut wanted = wanted.clone();
    if let Some(metadata) = wanted["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("uid");
    }
    let mut hasher = DefaultHasher::new();
    wanted.to_string().hash(&mut hasher);
    hasher.finish()
}

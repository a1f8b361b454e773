//! An object on its way: as it is wanted, and as the API server has taken it. Nothing
//! that needs the second can be given the first.

use super::ApplyError;
use anyhow::Context;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A kind of objects in namespaces.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static
{
}

/// An object as it is wanted. Whether the API server has anything of it is not known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared<K> {
    object: K,
    /// Whether it may only be made, not changed.
    only_new: bool,
}

impl<K> Prepared<K> {
    /// An object that is wanted, whatever is there.
    pub(crate) fn new(object: K) -> Self {
        Self {
            object,
            only_new: false,
        }
    }

    /// As it is wanted.
    pub(crate) fn object(&self) -> &K {
        &self.object
    }

    /// Makes a write fail where the object exists by now.
    pub(crate) fn only_new(self) -> Self {
        Self {
            only_new: true,
            ..self
        }
    }

    pub(super) fn is_only_new(&self) -> bool {
        self.only_new
    }
}

impl<K: Kind> Prepared<K> {
    /// Makes a write fail where the object is not exactly the one that was read.
    pub(crate) fn if_unchanged(mut self, there: &K) -> Self {
        let metadata = self.object.meta_mut();
        metadata.resource_version = there.resource_version();
        metadata.uid = there.uid();
        self
    }

    /// The same, whatever version of the object is there.
    pub(super) fn timeless(&self) -> Self {
        let mut timeless = self.clone();
        let metadata = timeless.object.meta_mut();
        metadata.resource_version = None;
        metadata.uid = None;
        timeless
    }

    pub(super) fn json(&self) -> Result<Value, ApplyError> {
        json(&self.object)
    }

    /// It was written, or need not be.
    pub(super) fn applied(self, change: Change) -> Applied<K> {
        Applied {
            object: self.object,
            change,
        }
    }
}

/// An object as JSON: what is compared and hashed, whatever its kind.
pub(super) fn json(object: &impl Serialize) -> Result<Value, ApplyError> {
    Ok(serde_json::to_value(object).context("an object as JSON")?)
}

/// An object that the API server has as it was wanted, or as near to that as others
/// permit. Only a write makes one, or a look that found it so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Applied<K> {
    object: K,
    change: Change,
}

impl<K> Applied<K> {
    /// What became of it.
    pub(crate) fn change(&self) -> &Change {
        &self.change
    }

    /// As it was wanted.
    pub(crate) fn object(&self) -> &K {
        &self.object
    }
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It already was as it is wanted, or others keep it different.
    Same,
    /// It was written.
    Written,
    /// It was written, and somebody changed it in that moment. It stays so, and is written
    /// again only when what is wanted or what is there changes. Names the object.
    Overridden(String),
}

/// The pod template that was applied last: a set may restart pods for no other, since
/// none was judged for it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged(u64);

impl Judged {
    /// The template of a set that was applied.
    pub(crate) fn of(applied: &Applied<StatefulSet>) -> Self {
        Self(template(applied.object()))
    }

    /// Whether a set that is wanted has this template.
    pub(crate) fn is_of(self, wanted: &Prepared<StatefulSet>) -> bool {
        self.0 == template(wanted.object())
    }
}

fn template(set: &StatefulSet) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", set.spec.template).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(image: &str, replicas: i32) -> StatefulSet {
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "p-node", "resourceVersion": "7", "uid": "u" },
            "spec": {
                "replicas": replicas,
                "selector": {},
                "template": { "spec": { "containers": [{ "name": "node", "image": image }] } },
            },
        }))
        .expect("a set")
    }

    #[test]
    fn a_template_is_judged_once_a_set_with_it_was_applied_whatever_else_it_has() {
        let applied = Prepared::new(set("node:1", 3)).applied(Change::Written);
        let judged = Judged::of(&applied);
        assert!(judged.is_of(&Prepared::new(set("node:1", 5))));
        assert!(!judged.is_of(&Prepared::new(set("node:2", 3))));
    }

    #[test]
    fn a_write_that_must_not_race_names_the_very_object_that_was_read() {
        let mut wanted = set("node:1", 3);
        wanted.metadata.resource_version = None;
        wanted.metadata.uid = None;
        let bound = Prepared::new(wanted.clone()).if_unchanged(&set("node:1", 2));
        let metadata = &bound.object().metadata;
        assert_eq!(metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(metadata.uid.as_deref(), Some("u"));
        assert_eq!(bound.timeless(), Prepared::new(wanted));
    }
}

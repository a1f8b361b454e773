//! The objects of a pool, as the API server must have them. Pure: values come in, and
//! objects go out.

mod claim;
mod guards;
mod pod;
mod set;

pub(crate) use claim::claim;
pub(crate) use pod::CONTAINER;
pub(crate) use set::{DOOMED_FROM, LEAVING, MANAGED_BY};

use crate::names::{PoolName, labels};
use crate::release::Release;
use crds::FileServerPool;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

/// What the plan decided about the StatefulSet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Pods.
    pub(crate) replicas: i32,
    /// Ordinals below it keep the revision they have.
    pub(crate) partition: i32,
    /// Ordinals from here on are doomed, or were and are not all opened again.
    pub(crate) doomed_from: Option<i32>,
    /// The ordinal that may be taken away.
    pub(crate) leaving: Option<i32>,
    /// Size of the claim template, which can't change: what it was made with.
    pub(crate) template_size: Option<String>,
}

/// A pool with all that building needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// The release.
    pub(crate) release: &'a Release,
    /// The pool.
    pub(crate) pool: &'a FileServerPool,
    /// Its name.
    pub(crate) name: &'a PoolName,
    /// Whether no node may be evicted.
    pub(crate) frozen: bool,
}

/// Everything of a pool but its keys, StatefulSet and claims.
#[derive(Debug)]
pub(crate) struct Objects {
    /// The pods' account, which may do nothing.
    pub(crate) account: Value,
    /// Gives the pods their names.
    pub(crate) service: Value,
    /// At most one node is evicted at a time.
    pub(crate) disruption: Value,
    /// Who may reach the nodes.
    pub(crate) network: Value,
}

impl Parts<'_> {
    /// Everything but keys, StatefulSet and claims.
    pub(crate) fn objects(&self) -> Objects {
        Objects {
            account: guards::account(self),
            service: guards::service(self),
            disruption: guards::disruption(self),
            network: guards::network(self),
        }
    }

    /// The StatefulSet.
    pub(crate) fn set(&self, shape: &Shape) -> Value {
        set::set(self, shape)
    }

    /// Metadata of an object that goes with the pool.
    fn owned(&self, name: &str) -> Value {
        json!({
            "name": name,
            "namespace": self.name.namespace,
            "labels": labels(self.release, self.name),
            "ownerReferences": [self.owner()],
        })
    }

    fn owner(&self) -> Value {
        json!({
            "apiVersion": FileServerPool::api_version(&()),
            "kind": FileServerPool::kind(&()),
            "name": self.pool.name_any(),
            "uid": self.pool.uid().unwrap_or_default(),
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }
}

#[cfg(test)]
mod tests;

//! The objects of a pool, as the API server must have them. Pure: values come in, and
//! objects go out.

mod claim;
mod guards;
mod pod;
mod set;

pub use claim::claim;
pub use pod::CONTAINER;
pub use set::{DOOMED_FROM, LEAVING, MANAGED_BY};

use crate::names::{PoolName, labels};
use crate::release::Release;
use crds::FileServerPool;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

/// What the plan decided about the StatefulSet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Pods.
    pub replicas: i32,
    /// Ordinals below it keep the revision they have.
    pub partition: i32,
    /// Ordinals from here on are doomed, or were and are not all opened again.
    pub doomed_from: Option<i32>,
    /// The ordinal that may be taken away.
    pub leaving: Option<i32>,
    /// Size of the claim template, which can't change: what it was made with.
    pub template_size: Option<String>,
}

/// A pool with all that building needs.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The release.
    pub release: &'a Release,
    /// The pool.
    pub pool: &'a FileServerPool,
    /// Its name.
    pub name: &'a PoolName,
    /// Whether no node may be evicted.
    pub frozen: bool,
}

/// Everything of a pool but its keys, StatefulSet and claims.
#[derive(Debug)]
pub struct Objects {
    /// The pods' account, which may do nothing.
    pub account: Value,
    /// Gives the pods their names.
    pub service: Value,
    /// At most one node is evicted at a time.
    pub disruption: Value,
    /// Who may reach the nodes.
    pub network: Value,
}

impl Parts<'_> {
    /// Everything but keys, StatefulSet and claims.
    pub fn objects(&self) -> Objects {
        Objects {
            account: guards::account(self),
            service: guards::service(self),
            disruption: guards::disruption(self),
            network: guards::network(self),
        }
    }

    /// The StatefulSet.
    pub fn set(&self, shape: &Shape) -> Value {
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

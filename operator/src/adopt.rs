//! Objects that a pool made and that lost their owner, as a backup that was restored
//! or `--cascade=orphan` leaves them: taken over on a person's word, and only where
//! nothing speaks against it.

use crate::names::{FIELD_MANAGER, POOL_LABEL, PoolName};
use crate::validate::ValidatedPool;
use crds::FileServerPool;
use kube::{Resource, ResourceExt};

/// The label of everything that the operator made.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The pool that an object has to belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    /// The pool's UID.
    pub(crate) uid: &'a str,
    /// Its name.
    pub(crate) name: &'a PoolName,
    /// Whether objects that lost their owner are taken over.
    pub(crate) adopts: bool,
}

impl<'a> Owner<'a> {
    /// A pool, as the owner of its objects.
    pub(crate) fn of(pool: &'a ValidatedPool) -> Self {
        Self {
            uid: &pool.uid,
            name: &pool.name,
            adopts: pool.orders.adopt == Some(true),
        }
    }

    /// Whether an object is its own, or may be taken over.
    pub(crate) fn has(&self, object: &impl ResourceExt) -> bool {
        let owners = object.owner_references();
        owners.iter().any(|owner| owner.uid == self.uid) || (self.adopts && self.may_adopt(object))
    }

    /// Whether an operator made the object for a pool of this name, and it has no owner
    /// but earlier pools of this name: of two in a namespace one is gone.
    fn may_adopt(&self, object: &impl ResourceExt) -> bool {
        let labels = object.labels();
        let says = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
        let earlier = object
            .owner_references()
            .iter()
            .all(|owner| owner.kind == FileServerPool::kind(&()) && owner.name == self.name.name);
        says(POOL_LABEL, &self.name.name) && says(MANAGED_BY, FIELD_MANAGER) && earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Service;
    use serde_json::{Value, json};

    #[test]
    fn only_what_the_pool_made_and_nobody_else_owns_is_taken_over() {
        let name = PoolName {
            namespace: "a".to_owned(),
            name: "p".to_owned(),
        };
        let made = json!({
            POOL_LABEL: "p",
            "app.kubernetes.io/managed-by": FIELD_MANAGER,
        });
        let owner = |kind: &str, name: &str, uid: &str| json!([{ "apiVersion": "v1", "kind": kind, "name": name, "uid": uid }]);
        let none = json!([]);
        let pool = "FileServerPool";
        let other = json!({ POOL_LABEL: "q", "app.kubernetes.io/managed-by": FIELD_MANAGER });
        for (labels, owners, has, adopts) in [
            (&made, owner(pool, "p", "own"), true, true),
            (&made, none.clone(), false, true),
            (&made, owner(pool, "p", "earlier"), false, true),
            (&made, owner(pool, "q", "other"), false, false),
            (&made, owner("Deployment", "p", "other"), false, false),
            (&json!({}), none.clone(), false, false),
            (&json!({ POOL_LABEL: "p" }), none.clone(), false, false),
            (&other, none, false, false),
        ] {
            let object: Value = json!({
                "metadata": { "name": "p-node", "labels": labels, "ownerReferences": owners },
            });
            let object: Service = serde_json::from_value(object).expect("a service");
            for (word, wanted) in [(false, has), (true, adopts)] {
                let owner = Owner {
                    uid: "own",
                    name: &name,
                    adopts: word,
                };
                assert_eq!(owner.has(&object), wanted, "{labels} {owners} {word}");
            }
        }
    }
}

//! The names and labels of everything that belongs to a pool. Fixed: claims and
//! records of earlier releases are found by them.

use crate::release::Release;
use kube::ResourceExt;
use std::collections::BTreeMap;

/// The label that names the pool.
pub(crate) const POOL_LABEL: &str = "fileserver.dev/pool";
/// The label that says who made an object.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label with the release's name.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";
/// The name under which fields of objects are ours.
pub(crate) const FIELD_MANAGER: &str = "fileserver-operator";
/// The volume of each node, and the first word of its claim.
pub(crate) const VOLUME: &str = "data";

/// A pool's name and namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PoolName {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl PoolName {
    /// The name of a pool.
    pub(crate) fn of(pool: &impl ResourceExt) -> Self {
        Self {
            namespace: pool.namespace().unwrap_or_default(),
            name: pool.name_any(),
        }
    }

    /// The name of all objects that a pool has once: StatefulSet, Service, and so on.
    pub(crate) fn nodes(&self) -> String {
        format!("{}-node", self.name)
    }

    /// The pod of an ordinal.
    pub(crate) fn pod(&self, ordinal: i32) -> String {
        format!("{}-{ordinal}", self.nodes())
    }

    /// The claim of an ordinal, as a StatefulSet names it.
    pub(crate) fn claim(&self, ordinal: i32) -> String {
        format!("{VOLUME}-{}", self.pod(ordinal))
    }

    /// The node's id, unique among all namespaces of a release.
    pub(crate) fn node_id(&self, ordinal: i32) -> String {
        format!("{}/{}", self.namespace, self.pod(ordinal))
    }

    /// The pool as managers know it.
    pub(crate) fn at_manager(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The entry with its nodes' certificate, in the Secret with its key.
    pub(crate) fn certificate(&self) -> String {
        format!("{}.tls.crt", self.name)
    }

    /// The entry with that certificate's private key.
    pub(crate) fn private_key(&self) -> String {
        format!("{}.tls.key", self.name)
    }

    /// The Secret with that certificate, where cert-manager makes it.
    pub(crate) fn issued_secret(&self) -> String {
        format!("{}-tls", self.nodes())
    }

    /// The ordinal of a node id or pod name of this pool.
    pub(crate) fn ordinal(&self, node: &str) -> Option<i32> {
        let name = match node.split_once('/') {
            Some((namespace, pod)) if namespace == self.namespace => pod,
            Some(_) => return None,
            None => node,
        };
        let digits = name.strip_prefix(&self.nodes())?.strip_prefix('-')?;
        let ordinal: i32 = digits.parse().ok()?;
        (ordinal.to_string() == digits).then_some(ordinal)
    }
}

/// The API's text that selects objects by labels.
pub(crate) fn selects(labels: &BTreeMap<String, String>) -> String {
    let each: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    each.join(",")
}

/// The labels that all pods of a component of the release have.
pub(crate) fn component(release: &Release, component: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", release.chart.as_str()),
        (INSTANCE, release.name.as_str()),
        ("app.kubernetes.io/component", component),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// What selects the pods of a pool; part of a StatefulSet that can't change.
pub(crate) fn selector(release: &Release, pool: &PoolName) -> BTreeMap<String, String> {
    let mut labels = component(release, "node");
    labels.insert(POOL_LABEL.to_owned(), pool.name.clone());
    labels
}

/// The labels of everything of a pool. No version is among them: the pods must
/// not change because the operator did.
pub(crate) fn labels(release: &Release, pool: &PoolName) -> BTreeMap<String, String> {
    let mut labels = selector(release, pool);
    labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
    labels
}

/// The labels of what has no owner, such as a claim. The release's is left out: by
/// it a GitOps tool would take the object for one of its own that is not wanted any
/// more, and prune it.
pub(crate) fn unowned(labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = labels;
    labels.remove(INSTANCE);
    labels
}

/// The annotations of what has no owner: Argo CD neither prunes it nor deletes it
/// with the application, nor reports it as one too many.
pub(crate) fn unpruned() -> BTreeMap<String, String> {
    [
        (
            "argocd.argoproj.io/sync-options",
            "Prune=false,Delete=false",
        ),
        ("argocd.argoproj.io/compare-options", "IgnoreExtraneous"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_read_back_from_names_and_from_nothing_else() {
        let pool = PoolName {
            namespace: "files".to_owned(),
            name: "small".to_owned(),
        };
        assert_eq!(pool.ordinal(&pool.node_id(12)), Some(12));
        assert_eq!(pool.ordinal(&pool.pod(0)), Some(0));
        for other in [
            "files/small-node-01",
            "other/small-node-1",
            "files/small-node-",
            "files/small-node-x",
            "files/smaller-node-1",
            "node-1",
        ] {
            assert_eq!(pool.ordinal(other), None, "{other}");
        }
    }
}

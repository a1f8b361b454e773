//! Objects that have a name which a pool needs, and are not its own: which they are, and
//! what a person can do.

use crate::annotations::ADOPT;
use crate::build::MANAGED_BY;
use crate::names::PoolName;

/// An object that is there, and is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// One that the pool would own.
    Owned {
        /// Its kind and name.
        object: String,
        /// The pool.
        pool: PoolName,
    },
    /// The Secret with the keys of all pools of a namespace, which has no owner.
    Keys {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The release that it says it is of.
        says: Option<String>,
        /// The release that it has to be of.
        release: String,
    },
}

/// All of them, and what to do about each kind; pure.
pub(crate) fn said(conflicts: &[Conflict]) -> String {
    let mut sentences = Vec::new();
    let owned = conflicts.iter().filter_map(|conflict| match conflict {
        Conflict::Owned { object, pool } => Some((object.as_str(), pool)),
        Conflict::Keys { .. } => None,
    });
    let (objects, pools): (Vec<_>, Vec<_>) = owned.unzip();
    if let Some(PoolName { namespace, name }) = pools.first() {
        sentences.push(format!(
            "not the pool's: {}. Delete or rename, or, if the pool made them: kubectl -n \
             {namespace} annotate fsp {name} {ADOPT}=true",
            objects.join(", ")
        ));
    }
    for conflict in conflicts {
        if let Conflict::Keys {
            namespace,
            name,
            says,
            release,
        } = conflict
        {
            let whose = match says {
                Some(other) => format!("is of release {other}, not of {release}"),
                None => format!("does not say that it is of release {release}"),
            };
            sentences.push(format!(
                "Secret {name}, for the pools' keys, {whose}. If nobody needs it: kubectl -n \
                 {namespace} delete secret {name}, and it is made anew; if this release made it: \
                 kubectl -n {namespace} annotate secret {name} --overwrite {MANAGED_BY}={release}"
            ));
        }
    }
    sentences.join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(object: &str) -> Conflict {
        Conflict::Owned {
            object: object.to_owned(),
            pool: PoolName {
                namespace: "team".to_owned(),
                name: "p".to_owned(),
            },
        }
    }

    fn keys(says: Option<&str>) -> Conflict {
        Conflict::Keys {
            namespace: "team".to_owned(),
            name: "dfs.files-nodes".to_owned(),
            says: says.map(str::to_owned),
            release: "dfs/files".to_owned(),
        }
    }

    #[test]
    fn each_kind_of_object_has_a_way_out_that_leads_out() {
        let text = said(&[owned("Service p-node"), owned("StatefulSet p-node")]);
        for part in [
            "Service p-node, StatefulSet p-node",
            "kubectl -n team annotate fsp p fileserver.dev/adopt=true",
        ] {
            assert!(text.contains(part), "{text}");
        }
        for says in [None, Some("dfs/other")] {
            let text = said(&[keys(says)]);
            // The annotation of the pool takes over no Secret.
            assert!(!text.contains(ADOPT) && !text.contains("fsp"), "{text}");
            for part in [
                "Secret dfs.files-nodes",
                "kubectl -n team delete secret dfs.files-nodes",
                "annotate secret dfs.files-nodes --overwrite fileserver.dev/managed-by=dfs/files",
                says.unwrap_or("does not say"),
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
        let both = said(&[keys(None), owned("Service p-node")]);
        assert!(
            both.contains(ADOPT) && both.contains("delete secret"),
            "{both}"
        );
    }
}

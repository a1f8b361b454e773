//! For whom a caller's files count: all callers of its prefix, or of its namespace.

use names::{Budget, Owner, Quota};
use sha2::{Digest, Sha256};

/// The bit that owners of namespaces have, and those of prefixes don't: which limit holds
/// for an owner is known by it, where nothing else is.
const NAMESPACE: u64 = 1 << 63;

/// All callers whose names of files begin with `prefix`.
pub(crate) fn prefix_owner(prefix: &str) -> Owner {
    Owner(digest(b"prefix\n", prefix) & !NAMESPACE)
}

/// The ServiceAccounts of a namespace.
#[cfg(any(test, feature = "kubernetes"))]
pub(crate) fn namespace_owner(namespace: &str) -> Owner {
    Owner(digest(b"namespace\n", namespace) | NAMESPACE)
}

/// The budget of a prefix.
pub(crate) fn of_prefix(prefix: &str, quota: Quota) -> Budget {
    Budget {
        owner: prefix_owner(prefix),
        whose: format!("the prefix {prefix:?}").into(),
        quota,
    }
}

/// The budget of a namespace.
#[cfg(feature = "kubernetes")]
pub(crate) fn of_namespace(namespace: &str, quota: Quota) -> Budget {
    Budget {
        owner: namespace_owner(namespace),
        whose: format!("the namespace {namespace}").into(),
        quota,
    }
}

/// Whether an owner is a namespace.
#[cfg(feature = "kubernetes")]
pub(crate) fn is_namespace(owner: Owner) -> bool {
    owner.0 & NAMESPACE != 0
}

/// The first eight bytes of a SHA-256.
pub(crate) fn digest(kind: &[u8], name: &str) -> u64 {
    let digest = Sha256::new().chain_update(kind).chain_update(name);
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(digest.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_one_prefix_or_one_namespace() {
        let owners = [
            prefix_owner("a"),
            prefix_owner("b"),
            namespace_owner("a"),
            namespace_owner("b"),
        ];
        for (at, owner) in owners.iter().enumerate() {
            assert!(!owners[..at].contains(owner), "{owner}");
            assert_eq!(owner.0 & NAMESPACE != 0, at >= 2);
        }
    }
}

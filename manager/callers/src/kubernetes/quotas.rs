//! How much the ServiceAccounts of each namespace may store.

use crate::budget::{is_namespace, namespace_owner, of_namespace};
use names::{Budget, Owner, Quota};
use std::collections::HashMap;

/// What the name of a ServiceAccount begins with; its namespace and name follow.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// What bounds namespaces.
#[derive(Debug, Clone, Default)]
pub struct Quotas {
    of: HashMap<Owner, Quota>,
    others: Quota,
}

impl Quotas {
    /// Those of some namespaces, and without a name what holds for each of the others.
    pub fn new<'a>(all: impl IntoIterator<Item = (Option<&'a str>, Quota)>) -> Self {
        let mut quotas = Self::default();
        for (namespace, quota) in all {
            match namespace {
                Some(namespace) => {
                    quotas.of.insert(namespace_owner(namespace), quota);
                }
                None => quotas.others = quota,
            }
        }
        quotas
    }

    /// What bounds an owner, if that is a namespace.
    pub(crate) fn of(&self, owner: Owner) -> Option<Quota> {
        let quota = || self.of.get(&owner).copied().unwrap_or(self.others);
        is_namespace(owner).then(quota)
    }

    /// For whom the files of a user count: for nobody, if it is no ServiceAccount.
    pub(super) fn budget(&self, username: &str) -> Option<Budget> {
        let account = username.strip_prefix(SERVICE_ACCOUNT)?;
        let (namespace, _) = account.split_once(':')?;
        let quota = self.of(namespace_owner(namespace))?;
        Some(of_namespace(namespace, quota))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::prefix_owner;

    #[test]
    fn each_namespace_has_its_own_limits_and_the_others_have_theirs() {
        let files = |most| Quota {
            files: Some(most),
            bytes: None,
        };
        let quotas = Quotas::new([
            (Some("a"), files(1)),
            (None, files(7)),
            (Some("b"), Quota::default()),
        ]);
        let of = |user: &str| quotas.budget(user).map(|budget| budget.quota);
        assert_eq!(of("system:serviceaccount:a:x"), Some(files(1)));
        assert_eq!(of("system:serviceaccount:b:x"), Some(Quota::default()));
        assert_eq!(of("system:serviceaccount:c:x"), Some(files(7)));
        for other in ["jane", "system:node:a", "system:serviceaccount:a", "a:x"] {
            assert_eq!(of(other), None, "{other}");
        }
        let owner = |user: &str| quotas.budget(user).map(|budget| budget.owner);
        assert_eq!(
            owner("system:serviceaccount:a:x"),
            owner("system:serviceaccount:a:y")
        );
        assert_eq!(quotas.of(prefix_owner("a")), None);
    }
}

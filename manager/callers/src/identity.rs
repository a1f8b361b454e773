//! Who somebody is, once that is known.

use crate::budget::digest;
use names::{Budget, FileName, written_in_hex};
use std::fmt;
use std::sync::Arc;

/// What the names of a cluster's own accounts begin with, and of nobody else's.
const SYSTEM: &str = "system:";

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// By a token of the file.
    Token,
    /// By a token that the cluster's API server knows.
    Kubernetes,
}

/// A caller's name in eight bytes, by which it is counted and its links name it: they show
/// no name to whoever has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account(pub u64);

written_in_hex!(Account);

impl Account {
    fn of(kind: Kind, name: &str) -> Self {
        let kind: &[u8] = match kind {
            Kind::Token => b"token\n",
            Kind::Kubernetes => b"kubernetes\n",
        };
        Self(digest(kind, name))
    }
}

/// How much a caller may ask for and move in a second, where that is its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rates {
    /// Requests; 0 is no bound.
    pub requests: Option<u32>,
    /// Bytes of files; 0 is no bound.
    pub bytes: Option<u64>,
}

/// A caller's name, and which names of files are open to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    kind: Kind,
    name: Arc<str>,
    account: Account,
    prefix: Option<Arc<str>>,
    rates: Rates,
    budget: Option<Budget>,
}

impl Identity {
    /// A caller whose rights are on files whose names begin with `prefix`, or on all.
    pub fn new(kind: Kind, name: &str, prefix: Option<&str>) -> Self {
        let prefix = prefix.filter(|prefix| !prefix.is_empty());
        Self {
            kind,
            name: name.into(),
            account: Account::of(kind, name),
            prefix: prefix.map(Into::into),
            rates: Rates::default(),
            budget: None,
        }
    }

    /// The same caller with rates of its own.
    #[must_use]
    pub fn with_rates(self, rates: Rates) -> Self {
        Self { rates, ..self }
    }

    /// The same caller, whose files count for somebody.
    #[must_use]
    pub fn with_budget(self, budget: Option<Budget>) -> Self {
        Self { budget, ..self }
    }

    /// For whom its files count, if for anybody.
    pub fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// Its own rates.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// By what it is counted, whatever its rights and rates.
    pub fn account(&self) -> Account {
        self.account
    }

    /// What the names of its files begin with, where that is bounded.
    pub fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Whether a file of this name is open to it.
    pub fn may_name(&self, name: &FileName) -> bool {
        self.may_list(name.as_str())
    }

    /// Whether a listing of names that begin with `prefix` is.
    pub fn may_list(&self, prefix: &str) -> bool {
        self.prefix().is_none_or(|own| prefix.starts_with(own))
    }
}

/// In logs: neither a token of the file nor a user of the cluster is taken for another.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Token => write!(f, "token:{}", self.name),
            Kind::Kubernetes if self.name.starts_with(SYSTEM) => f.write_str(&self.name),
            Kind::Kubernetes => write!(f, "kubernetes:{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_taken_for_another() {
        let shown = |kind, name| Identity::new(kind, name, None).to_string();
        assert_eq!(shown(Kind::Token, "ci"), "token:ci");
        let account = "system:serviceaccount:a:b";
        assert_eq!(shown(Kind::Kubernetes, account), account);
        for forged in ["token:ci", "anyone", "link:0", "jane"] {
            let wanted = format!("kubernetes:{forged}");
            assert_eq!(shown(Kind::Kubernetes, forged), wanted);
        }
    }

    #[test]
    fn an_account_is_of_a_name_and_of_nothing_else() {
        let account = |kind, name, prefix| Identity::new(kind, name, prefix).account();
        let own = account(Kind::Token, "ci", None);
        assert_eq!(own, account(Kind::Token, "ci", Some("ci-")));
        let rates = Rates {
            requests: Some(1),
            bytes: None,
        };
        let slow = Identity::new(Kind::Token, "ci", None).with_rates(rates);
        assert_eq!(own, slow.account());
        assert_ne!(own, account(Kind::Token, "web", None));
        assert_ne!(own, account(Kind::Kubernetes, "ci", None));
    }

    #[test]
    fn a_prefix_bounds_names_and_listings() {
        let name = |text| FileName::new(text).expect("a name");
        let bounded = Identity::new(Kind::Token, "ci", Some("ci-"));
        assert!(bounded.may_name(&name("ci-1")) && bounded.may_list("ci-1"));
        assert!(bounded.may_list("ci-"));
        for other in ["c", "ci", "CI-1", "x"] {
            assert!(!bounded.may_name(&name(other)), "{other}");
        }
        assert!(!bounded.may_list(""));
        let open = Identity::new(Kind::Kubernetes, "system:serviceaccount:a:b", Some(""));
        assert!(open.may_name(&name("x")) && open.may_list(""));
    }
}

//! What a caller may do: a few verbs, as RBAC has them on the resource `files`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is done to files, or to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Read a file or its head.
    Get,
    /// List files.
    List,
    /// Store a file.
    Create,
    /// Delete a file.
    Delete,
    /// Operate the service.
    Admin,
}

impl Verb {
    /// Every verb, in the order of their values.
    pub const ALL: [Self; 5] = [
        Self::Get,
        Self::List,
        Self::Create,
        Self::Delete,
        Self::Admin,
    ];

    /// As RBAC and the file of tokens write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no verb.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no right: get, list, create, delete and admin are")]
pub struct UnknownVerb(String);

impl FromStr for Verb {
    type Err = UnknownVerb;

    fn from_str(text: &str) -> Result<Self, UnknownVerb> {
        let known = Self::ALL.into_iter().find(|verb| verb.as_str() == text);
        known.ok_or_else(|| UnknownVerb(text.to_owned()))
    }
}

/// A set of verbs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Whether a verb is among them.
    pub fn has(self, verb: Verb) -> bool {
        self.0 & (1 << verb as u8) != 0
    }
}

impl FromIterator<Verb> for Rights {
    fn from_iter<I: IntoIterator<Item = Verb>>(verbs: I) -> Self {
        let bits = verbs.into_iter().map(|verb| 1 << verb as u8);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_is_made_of_and_nothing_else() {
        let rights: Rights = [Verb::Get, Verb::Admin, Verb::Get].into_iter().collect();
        let has = Verb::ALL.map(|verb| rights.has(verb));
        assert_eq!(has, [true, false, false, false, true]);
        assert!(!Verb::ALL.iter().any(|verb| Rights::default().has(*verb)));
    }

    #[test]
    fn a_verb_is_written_as_it_is_read() {
        for verb in Verb::ALL {
            assert_eq!(verb.as_str().parse::<Verb>().expect("a verb"), verb);
            let json = serde_json::to_value(verb).expect("JSON");
            assert_eq!(json, verb.as_str());
        }
        assert!("GET".parse::<Verb>().is_err());
    }
}

//! Who a process of the service is: its release, its role, and of a node its pool. A
//! certificate of the inner ports carries it as its one URI, in the form of a SPIFFE ID
//! (<https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>):
//!
//! - `spiffe://RELEASE/manager`
//! - `spiffe://RELEASE/operator`, who may give the managers commands
//! - `spiffe://RELEASE/node/POOL`

use std::fmt;
use std::str::FromStr;

/// The scheme of a SPIFFE ID.
const SCHEME: &str = "spiffe://";
/// The longest name of a release, which is the trust domain of a SPIFFE ID.
const LONGEST_RELEASE: usize = 255;
/// The longest SPIFFE ID.
const LONGEST: usize = 2048;

/// Who a process of the service is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    release: String,
    role: Role,
}

/// What a process is within its release.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// A manager.
    Manager,
    /// Who may give the managers commands: the operator, or a person.
    Operator,
    /// A node of a pool.
    Node {
        /// Its pool.
        pool: String,
    },
}

/// Why something is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnIdentity {
    /// The name of the release can't be that of a trust domain.
    #[error(
        "release {0:?}: must be 1 to {LONGEST_RELEASE} lower-case letters, digits or any of . _ -"
    )]
    Release(String),
    /// The name of the pool can't be part of a path.
    #[error(
        "pool {0:?}: must be letters, digits or any of . _ - in parts that / separates, none of them . or .."
    )]
    Pool(String),
    /// It is none of the forms.
    #[error("{0:?} is not spiffe://RELEASE/ with manager, operator or node/POOL")]
    Form(String),
    /// It is too long.
    #[error("an identity has {LONGEST} characters at the most")]
    Long,
}

impl Identity {
    /// The identity of a role within a release.
    ///
    /// # Errors
    /// Where a name has characters that a SPIFFE ID can't have.
    pub fn new(release: &str, role: Role) -> Result<Self, NotAnIdentity> {
        let in_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let fits = (1..=LONGEST_RELEASE).contains(&release.len());
        if !fits || !release.bytes().all(in_domain) {
            return Err(NotAnIdentity::Release(release.to_owned()));
        }
        if let Role::Node { pool } = &role
            && !pool.split('/').all(is_segment)
        {
            return Err(NotAnIdentity::Pool(pool.clone()));
        }
        let release = release.to_owned();
        let identity = Self { release, role };
        match identity.to_string().len() <= LONGEST {
            true => Ok(identity),
            false => Err(NotAnIdentity::Long),
        }
    }

    /// The release that it belongs to.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// What it is there.
    pub fn role(&self) -> &Role {
        &self.role
    }
}

/// Whether a text can be a part of a path.
fn is_segment(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !matches!(text, "" | "." | "..") && text.bytes().all(fits)
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.release, self.role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager => f.write_str("manager"),
            Self::Operator => f.write_str("operator"),
            Self::Node { pool } => write!(f, "node/{pool}"),
        }
    }
}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let parts = text.strip_prefix(SCHEME).and_then(|it| it.split_once('/'));
        let role = |path: &str| match path {
            "manager" => Some(Role::Manager),
            "operator" => Some(Role::Operator),
            _ => path.strip_prefix("node/").map(|pool| Role::Node {
                pool: pool.to_owned(),
            }),
        };
        match parts.map(|(release, path)| (release, role(path))) {
            Some((release, Some(role))) => Self::new(release, role),
            _ => Err(NotAnIdentity::Form(text.chars().take(LONGEST).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(pool: &str) -> Role {
        Role::Node {
            pool: pool.to_owned(),
        }
    }

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        for (role, text) in [
            (Role::Manager, "spiffe://files.dfs/manager"),
            (Role::Operator, "spiffe://files.dfs/operator"),
            (node("dfs/fast"), "spiffe://files.dfs/node/dfs/fast"),
            (node("manager"), "spiffe://files.dfs/node/manager"),
        ] {
            let identity = Identity::new("files.dfs", role).expect("an identity");
            assert_eq!(identity.to_string(), text);
            assert_eq!(text.parse(), Ok(identity));
        }
    }

    #[test]
    fn what_could_be_read_as_another_identity_is_none() {
        for release in [
            "",
            "Files",
            "files/a",
            "a b",
            "a:1",
            "a%2e",
            &"a".repeat(256),
        ] {
            assert!(Identity::new(release, Role::Manager).is_err(), "{release}");
        }
        for pool in [
            "", "/", "a/", "/a", "a//b", ".", "a/..", "a b", "a%2fb", "ä",
        ] {
            assert!(Identity::new("files", node(pool)).is_err(), "{pool}");
        }
        assert_eq!(
            Identity::new("files", node(&"a".repeat(2048))),
            Err(NotAnIdentity::Long)
        );
        for text in [
            "",
            "files/manager",
            "https://files/manager",
            "SPIFFE://files/manager",
            "spiffe://files",
            "spiffe://files/",
            "spiffe://files/managers",
            "spiffe://files/manager/",
            "spiffe://files/manager?a",
            "spiffe://files/node",
            "spiffe://files/node/",
            "spiffe:///manager",
            "spiffe://user@files/manager",
            "spiffe://files:9000/manager",
        ] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }
}

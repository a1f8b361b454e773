//! Why a caller is turned away.

use crate::Verb;

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no credential.
    #[error("a bearer token is wanted in `Authorization`")]
    Missing,
    /// There is one that nobody knows, or that has ended.
    #[error("the token or link is not known here, or has ended")]
    Unknown,
    /// The caller is known, and may not do this.
    #[error("{who} may not {verb} {what}")]
    Forbidden {
        /// The caller.
        who: String,
        /// What was asked for.
        verb: Verb,
        /// Of what: the file's name, or what else it is.
        what: String,
    },
    /// Whoever decides can't be reached, or is asked by too many at once.
    #[error("who calls can't be checked now: {0}")]
    Away(String),
}

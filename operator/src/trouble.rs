//! What kept a pass from doing what was decided, and what a person's order waits for.
//! Their words are made in `report/words`.

use crate::conflict::Conflict;
use std::fmt;

/// What kept a pass from doing what was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The token can't be used, for this reason.
    Token(String),
    /// Objects have names that the pool needs.
    Conflicts(Vec<Conflict>),
    /// cert-manager has not made the certificate that its nodes need.
    Uncertified(Uncertified),
    /// An object was not written: which, and what the API server says.
    NotApplied(String),
    /// An order to give a node up is not carried out.
    Abandon(AbandonRefused),
    /// An order to empty a node is not carried out.
    Drain(DrainRefused),
    /// The managers refuse an order of the operator, as they say it.
    Manager(String),
    /// The pool is being deleted, and something is left of it.
    Deleting(Left),
    /// A person holds everything but the report.
    Paused,
}

/// Why cert-manager has not made a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Uncertified {
    /// The cluster does not know what a Certificate is.
    NoCertManager {
        /// Which one is wanted.
        what: String,
        /// As the API server says it.
        says: String,
    },
    /// It is not issued yet.
    NotReady {
        /// The Certificate's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// As cert-manager says it.
        why: String,
    },
}

impl fmt::Display for Uncertified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertManager { what, says } => write!(
                f,
                "{what} can't be made, since the cluster has no cert-manager.io/v1 ({says}): install \
                 cert-manager, or set tls.inner.mode back"
            ),
            Self::NotReady {
                namespace,
                name,
                why,
            } => write!(
                f,
                "nodes wait for Certificate {namespace}/{name}, which is not ready: {why} (kubectl -n \
                 {namespace} describe certificate {name})"
            ),
        }
    }
}

/// Why an order to give a node up is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AbandonRefused {
    /// The annotation names no node and volume of the pool.
    Malformed,
    /// The managers refuse.
    Managers {
        /// The node's ordinal.
        ordinal: i32,
        /// As they say it.
        why: String,
    },
    /// The managers' store may not be the one that was told to give this ordinal up.
    Untold(i32),
    /// The API server did not take what is to be written.
    Api(String),
}

/// Why an order to empty a node is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DrainRefused {
    /// The annotation names no node of the pool.
    Malformed,
    /// The managers refuse.
    Managers {
        /// The node's ordinal.
        ordinal: i32,
        /// As they say it.
        why: String,
    },
    /// The API server did not take what is to be written.
    Api(String),
}

/// What is left of a pool that is being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// So many pods.
    Pods(usize),
    /// Records, which no manager removes, for this reason.
    Records(String),
    /// So many claims.
    Claims(usize),
}

impl Trouble {
    /// Whether it usually ends by itself within seconds.
    pub(crate) fn is_brief(&self) -> bool {
        matches!(self, Self::Uncertified(Uncertified::NotReady { .. }))
    }

    /// Whether it ends only when a person does something.
    pub(crate) fn is_by_hand(&self) -> bool {
        match self {
            Self::Token(_) | Self::Conflicts(_) | Self::Abandon(_) | Self::Drain(_) => true,
            Self::Uncertified(Uncertified::NoCertManager { .. }) => true,
            Self::Uncertified(Uncertified::NotReady { .. }) => false,
            Self::NotApplied(_) | Self::Manager(_) | Self::Deleting(_) | Self::Paused => false,
        }
    }
}

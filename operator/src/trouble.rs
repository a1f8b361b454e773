//! What kept a pass from doing what was decided, and what a person's order waits for.
//! Their words are made in `report/words`.

use crate::conflict::Conflict;

/// What kept a pass from doing what was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The token can't be used, for this reason.
    Token(String),
    /// Objects have names that the pool needs.
    Conflicts(Vec<Conflict>),
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
    /// Whether it ends only when a person does something.
    pub(crate) fn is_by_hand(&self) -> bool {
        match self {
            Self::Token(_) | Self::Conflicts(_) | Self::Abandon(_) | Self::Drain(_) => true,
            Self::NotApplied(_) | Self::Manager(_) | Self::Deleting(_) | Self::Paused => false,
        }
    }
}

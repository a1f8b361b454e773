//! A user of the cluster.

use super::reviews::UserInfo;
use super::slot::Slot;
use crate::{Identity, Kind, Verb};
use names::Budget;
use std::fmt;
use std::sync::Arc;

/// A user that the API server knows, with what it may do as far as that was asked.
pub struct User {
    identity: Identity,
    info: UserInfo,
    rights: [Arc<Slot<bool>>; Verb::ALL.len()],
}

impl User {
    /// A user whose rights nobody has asked for yet.
    pub(super) fn new(info: UserInfo, budget: Option<Budget>) -> Self {
        Self {
            identity: Identity::new(Kind::Kubernetes, &info.username, None).with_budget(budget),
            info,
            rights: Default::default(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// All that the API server said of it.
    pub(super) fn info(&self) -> &UserInfo {
        &self.info
    }

    /// Whether it has a right.
    pub(super) fn right(&self, verb: Verb) -> &Arc<Slot<bool>> {
        &self.rights[verb as usize]
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.identity)
    }
}

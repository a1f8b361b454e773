//! What the cluster's API server is asked, whatever the way to it.

use crate::{Denied, Verb};
use async_trait::async_trait;
use std::collections::BTreeMap;

/// A user as the cluster knows it. All of it goes into an access review.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UserInfo {
    /// The name, which is never empty.
    pub(crate) username: String,
    /// What sets it apart from an earlier user of the same name.
    pub(crate) uid: Option<String>,
    /// The groups it is in.
    pub(crate) groups: Vec<String>,
    /// What else its authenticator knows of it.
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

/// There is no answer now. The text names what failed, and has nothing of the request
/// or the answer in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Away(pub(crate) String);

impl From<Away> for Denied {
    fn from(Away(why): Away) -> Self {
        Self::Away(why)
    }
}

/// Who decides: an API server, or a test in its place.
#[async_trait]
pub(crate) trait Reviews: Send + Sync {
    /// Whose token it is, where that is known and the token is for this audience.
    ///
    /// # Errors
    /// [`Away`] if there is no answer.
    async fn token(&self, token: &str, audience: &str) -> Result<Option<UserInfo>, Away>;

    /// Whether a user has a right on the files of a namespace.
    ///
    /// # Errors
    /// [`Away`] if there is no answer.
    async fn access(&self, user: &UserInfo, namespace: &str, verb: Verb) -> Result<bool, Away>;
}

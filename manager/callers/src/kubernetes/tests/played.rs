//! An API server that is played.

use super::super::reviews::{Away, Reviews, UserInfo};
use super::AUDIENCE;
use crate::Verb;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// What it knows, how it behaves, and how often it was asked.
#[derive(Default)]
pub(super) struct Played {
    users: Mutex<HashMap<String, UserInfo>>,
    rights: Mutex<HashSet<(String, Verb)>>,
    /// Whether it answers with errors.
    pub(super) is_away: AtomicBool,
    /// How long each answer takes, in milliseconds.
    pub(super) takes: AtomicU64,
    tokens: AtomicUsize,
    accesses: AtomicUsize,
    open: AtomicUsize,
    /// The most that was asked at once.
    pub(super) most_open: AtomicUsize,
}

impl Played {
    pub(super) fn know(&self, token: &str, info: UserInfo) {
        self.users.lock().insert(token.to_owned(), info);
    }

    pub(super) fn forget(&self, token: &str) {
        self.users.lock().remove(token);
    }

    pub(super) fn allow(&self, username: &str, verb: Verb) {
        self.rights.lock().insert((username.to_owned(), verb));
    }

    pub(super) fn revoke(&self, username: &str, verb: Verb) {
        self.rights.lock().remove(&(username.to_owned(), verb));
    }

    pub(super) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    pub(super) fn set_takes(&self, milliseconds: u64) {
        self.takes.store(milliseconds, Ordering::Relaxed);
    }

    /// How many token reviews there were.
    pub(super) fn tokens(&self) -> usize {
        self.tokens.load(Ordering::Relaxed)
    }

    /// How many access reviews there were.
    pub(super) fn accesses(&self) -> usize {
        self.accesses.load(Ordering::Relaxed)
    }

    async fn answer(&self, count: &AtomicUsize) -> Result<(), Away> {
        count.fetch_add(1, Ordering::Relaxed);
        let open = Open(&self.open);
        let now_open = open.0.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_open.fetch_max(now_open, Ordering::Relaxed);
        let takes = self.takes.load(Ordering::Relaxed);
        if takes > 0 {
            sleep(Duration::from_millis(takes)).await;
        }
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(Away("the API server does not answer: played".to_owned())),
            false => Ok(()),
        }
    }
}

/// A request that is open, until it is dropped.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Reviews for Played {
    async fn token(&self, token: &str, audience: &str) -> Result<Option<UserInfo>, Away> {
        self.answer(&self.tokens).await?;
        assert_eq!(audience, AUDIENCE);
        Ok(self.users.lock().get(token).cloned())
    }

    async fn access(&self, user: &UserInfo, namespace: &str, verb: Verb) -> Result<bool, Away> {
        self.answer(&self.accesses).await?;
        assert_eq!(namespace, "files-here");
        let rights = self.rights.lock();
        Ok(rights.contains(&(user.username.clone(), verb)))
    }
}

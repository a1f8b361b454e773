//! Callers with a bearer token that the cluster's API server knows: a TokenReview says
//! whose it is, SubjectAccessReviews say what they may do. The answers are kept for a
//! while, so that most requests cost the API server nothing and some of its outages go
//! unnoticed; without an answer that still counts nobody is let in.

mod asking;
mod cluster;
mod decision;
mod quotas;
mod reviews;
mod seen;
mod slot;
mod token;
mod user;

pub use cluster::ConnectError;
pub use quotas::Quotas;
use reviews::{Away, Reviews};
pub use user::User;

use crate::{Denied, Share, Verb};
use asking::{Asking, Place};
use cluster::Cluster;
use decision::{Decision, Spans};
use names::{Owner, Quota};
use seen::{Seen, TokenSlot};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use token::Key;
use tokio::time::Instant;

/// What is asked, and how long the answers are used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The audience that a token must be for.
    pub audience: String,
    /// The namespace in which callers need rights on the resource `files`.
    pub namespace: String,
    /// How long a decision is used; a denial is never used for more than 5 s.
    pub fresh: Duration,
    /// How much longer it is used while the API server can't be reached. This holds for
    /// users that are known and their rights, and not for a token that is not known.
    pub stale: Duration,
    /// How many tokens of known users are remembered.
    pub most: usize,
    /// How much the callers of a namespace may store.
    pub quotas: Quotas,
}

/// The users of a cluster.
pub struct Kubernetes(Arc<Shared>);

/// What reviews work with, which go on when their request has gone.
struct Shared {
    reviews: Arc<dyn Reviews>,
    settings: Settings,
    seen: Seen,
    asking: Asking,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kubernetes").field(&self.0.settings).finish()
    }
}

impl Kubernetes {
    /// The users of the cluster that this pod is in, or that the kubeconfig names. It
    /// makes a client, and asks nothing yet.
    ///
    /// # Errors
    /// If there is neither, or it can't be read.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        Ok(Self::new(Arc::new(Cluster::infer().await?), settings))
    }

    /// The users that `reviews` knows.
    pub(crate) fn new(reviews: Arc<dyn Reviews>, settings: Settings) -> Self {
        Self(Arc::new(Shared {
            reviews,
            seen: Seen::new(settings.most),
            asking: Asking::default(),
            settings,
        }))
    }

    /// Who sent a bearer token; one that is not known is asked about within `share`.
    ///
    /// # Errors
    /// [`Denied::Unknown`] or [`Denied::Away`].
    pub async fn authenticate(&self, token: &str, share: &Share) -> Result<Arc<User>, Denied> {
        if !token::is_plausible(token) {
            return Err(Denied::Unknown);
        }
        let key = Key::of(token);
        let slot = self.0.seen.slot(&key);
        let place = async {
            let stranger = slot.last().flatten().is_none().then_some(share);
            self.0.asking.place(stranger).await
        };
        let (shared, kept) = (&self.0, &slot);
        let review = |place| {
            let (shared, token) = (shared.clone(), token.to_owned());
            shared.review_token(place, token, key, kept.clone())
        };
        slot.decide(place, review).await?.ok_or(Denied::Unknown)
    }

    /// What bounds an owner, if it is a namespace.
    pub(crate) fn quota(&self, owner: Owner) -> Option<Quota> {
        self.0.settings.quotas.of(owner)
    }

    /// Whether a user has a right.
    ///
    /// # Errors
    /// [`Denied::Away`].
    pub async fn may(&self, user: &Arc<User>, verb: Verb) -> Result<bool, Denied> {
        let place = self.0.asking.place(None);
        let review = |place| self.0.clone().review_access(place, user.clone(), verb);
        Ok(user.right(verb).decide(place, review).await?)
    }
}

impl Shared {
    async fn review_token(
        self: Arc<Self>,
        place: Place,
        token: String,
        key: Key,
        slot: Arc<TokenSlot>,
    ) -> Result<Decision<Option<Arc<User>>>, Away> {
        let review = self.reviews.token(&token, &self.settings.audience);
        let (info, asked) = self.asking.ask(place, review).await?;
        // A user of whom nothing has changed keeps the rights that were asked for.
        let user = info.map(|info| match slot.last().flatten() {
            Some(last) if *last.info() == info => last,
            _ => {
                let budget = self.settings.quotas.budget(&info.username);
                Arc::new(User::new(info, budget))
            }
        });
        let answered = Instant::now();
        let is_known = user.is_some();
        let end = is_known.then(|| token::claimed_end(&token)).flatten();
        self.seen.place(key, slot, is_known);
        Ok(Decision {
            value: user,
            times: self.spans().of_token(is_known),
            asked,
            answered,
            ends: end.and_then(|end| token::moment(end, answered, SystemTime::now())),
        })
    }

    async fn review_access(
        self: Arc<Self>,
        place: Place,
        user: Arc<User>,
        verb: Verb,
    ) -> Result<Decision<bool>, Away> {
        let namespace = &self.settings.namespace;
        let review = self.reviews.access(user.info(), namespace, verb);
        let (allowed, asked) = self.asking.ask(place, review).await?;
        Ok(Decision {
            value: allowed,
            times: self.spans().of_access(allowed),
            asked,
            answered: Instant::now(),
            ends: None,
        })
    }

    fn spans(&self) -> Spans {
        Spans {
            fresh: self.settings.fresh,
            stale: self.settings.stale,
        }
    }
}

#[cfg(test)]
mod tests;

//! All ways by which a caller may be known, and what it may do then.

#[cfg(feature = "kubernetes")]
use crate::kubernetes::{Kubernetes, User};
use crate::tokens::{Named, Tokens};
use crate::{Denied, Identity, Share, Verb};
use names::{Budget, Owner, Quota};
use std::sync::Arc;

/// A caller that is known.
#[derive(Debug, Clone)]
pub enum Known {
    /// By the file of tokens.
    Token(Arc<Named>),
    /// By the cluster.
    #[cfg(feature = "kubernetes")]
    Kubernetes(Arc<User>),
}

impl Known {
    /// Who it is.
    pub fn identity(&self) -> &Identity {
        match self {
            Self::Token(named) => &named.identity,
            #[cfg(feature = "kubernetes")]
            Self::Kubernetes(user) => user.identity(),
        }
    }
}

/// Who is let in; one of both at least.
#[derive(Debug, Default)]
pub struct Callers {
    /// The file of tokens.
    pub tokens: Option<Tokens>,
    /// The cluster's API server.
    #[cfg(feature = "kubernetes")]
    pub kubernetes: Option<Kubernetes>,
}

impl Callers {
    /// Who sent a bearer token; where that has to be asked, within the client's share.
    ///
    /// # Errors
    /// [`Denied::Missing`], [`Denied::Unknown`] or [`Denied::Away`].
    #[cfg_attr(
        not(feature = "kubernetes"),
        expect(unused_variables, reason = "nobody is asked")
    )]
    pub async fn authenticate(&self, bearer: Option<&str>, share: &Share) -> Result<Known, Denied> {
        let bearer = bearer.ok_or(Denied::Missing)?;
        let named = self.tokens.as_ref().and_then(|tokens| tokens.find(bearer));
        if let Some(named) = named {
            return Ok(Known::Token(named));
        }
        #[cfg(feature = "kubernetes")]
        if let Some(kubernetes) = &self.kubernetes {
            return kubernetes
                .authenticate(bearer, share)
                .await
                .map(Known::Kubernetes);
        }
        Err(Denied::Unknown)
    }

    /// Whether a caller has a right, whatever the name of the file.
    ///
    /// # Errors
    /// [`Denied::Away`].
    pub async fn may(&self, known: &Known, verb: Verb) -> Result<bool, Denied> {
        match known {
            Known::Token(named) => Ok(named.rights.has(verb)),
            #[cfg(feature = "kubernetes")]
            Known::Kubernetes(user) => match &self.kubernetes {
                Some(kubernetes) => kubernetes.may(user, verb).await,
                None => Ok(false),
            },
        }
    }

    /// For whom a file counts that the holder of a link stores, which names the owner.
    pub fn budget(&self, owner: Owner) -> Budget {
        Budget {
            owner,
            whose: "whoever made the link".into(),
            quota: self.quota(owner).unwrap_or_default(),
        }
    }

    fn quota(&self, owner: Owner) -> Option<Quota> {
        let of_prefix = self.tokens.as_ref().and_then(|tokens| tokens.quota(owner));
        #[cfg(feature = "kubernetes")]
        if let Some(kubernetes) = &self.kubernetes {
            return of_prefix.or_else(|| kubernetes.quota(owner));
        }
        of_prefix
    }
}

//! Whether a request is let in: who sent it, by a bearer token or a signed link, and
//! whether that caller has the right that the operation needs.

use super::name;
use super::needs::Needs;
use super::signed::Link;
use crate::callers::Admits;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use manager_callers::link::{Allows, Terms};
use manager_callers::{Account, Denied, Known, Share, Verb};
use proto::{Budget, FileName};
use std::fmt;

/// Who sent a request.
#[derive(Debug)]
pub(super) enum Who {
    /// Nobody asked.
    Anyone,
    /// A caller that is known.
    Known(Known),
    /// Whoever holds this link.
    Holder(Terms),
}

/// As the audit names them.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Known(known) => known.identity().fmt(f),
            Self::Holder(terms) => write!(f, "link:{}", terms.number),
        }
    }
}

impl Who {
    /// Refuses a name that lies outside of the caller's own.
    pub(super) fn may_name(&self, verb: Verb, name: &FileName) -> Result<(), Denied> {
        match self {
            Self::Known(known) => within(known, verb, name),
            // The name is one of the terms, and was checked with them.
            Self::Anyone | Self::Holder(_) => Ok(()),
        }
    }

    /// Refuses a listing that shows other names than the caller's own.
    pub(super) fn may_list(&self, prefix: &str) -> Result<(), Denied> {
        match self {
            Self::Known(known) if !known.identity().may_list(prefix) => {
                let what = format!("names that begin with {prefix:?}");
                Err(outside(known, Verb::List, &what))
            }
            Self::Anyone | Self::Known(_) | Self::Holder(_) => Ok(()),
        }
    }

    /// Whose share is taken, if not that of an address: a link counts as its maker.
    pub(super) fn account(&self) -> Option<Account> {
        match self {
            Self::Anyone => None,
            Self::Known(known) => Some(known.identity().account()),
            Self::Holder(terms) => Some(terms.by),
        }
    }

    /// What a link allows, if this is one's holder.
    pub(super) fn link(&self) -> Option<Allows> {
        match self {
            Self::Holder(terms) => Some(terms.allows),
            Self::Anyone | Self::Known(_) => None,
        }
    }
}

/// Refuses a name that lies outside of a caller's own.
fn within(known: &Known, verb: Verb, name: &FileName) -> Result<(), Denied> {
    match known.identity().may_name(name) {
        true => Ok(()),
        false => Err(outside(known, verb, name.as_str())),
    }
}

/// The refusal names the prefix that bounds the caller.
fn outside(known: &Known, verb: Verb, what: &str) -> Denied {
    let identity = known.identity();
    let own = identity.prefix().unwrap_or_default();
    Denied::Forbidden {
        who: identity.to_string(),
        verb,
        what: format!("{what}: only names that begin with {own:?}"),
    }
}

impl Admits {
    /// Who sent a request, if they may do this at all. Where the path names a file it is
    /// one of theirs; a name within a body is checked when it is read. `now` is in seconds
    /// since 1970.
    ///
    /// # Errors
    /// Why it is refused, and who was refused where that is known.
    pub(super) async fn admit(
        &self,
        needs: Needs,
        uri: &Uri,
        headers: &HeaderMap,
        share: &Share,
        now: u64,
    ) -> Result<Who, (Denied, Who)> {
        if needs == Needs::Nothing {
            return Ok(Who::Anyone);
        }
        let nobody = |denied| (denied, Who::Anyone);
        if let Some(link) = Link::of(uri) {
            let link = link.map_err(nobody)?;
            let terms = self.holder(link, needs, now).await;
            return terms.map(Who::Holder).map_err(nobody);
        }
        let Some(callers) = &self.callers else {
            return Ok(Who::Anyone);
        };
        let bearer = bearer(headers).map_err(nobody)?;
        let known = callers.authenticate(bearer, share).await.map_err(nobody)?;
        let allowed = match needs {
            // A malformed name is refused by its route.
            Needs::Right(verb) => {
                self.may(&known, verb, name::in_path(uri).ok().as_ref())
                    .await
            }
            Needs::Caller | Needs::Nothing => Ok(()),
        };
        let who = Who::Known(known);
        match allowed {
            Ok(()) => Ok(who),
            Err(denied) => Err((denied, who)),
        }
    }

    /// Refuses a caller without a right, or with one on other names than this.
    pub(super) async fn may(
        &self,
        known: &Known,
        verb: Verb,
        name: Option<&FileName>,
    ) -> Result<(), Denied> {
        let Some(callers) = &self.callers else {
            return Ok(());
        };
        if !callers.may(known, verb).await? {
            return Err(Denied::Forbidden {
                who: known.identity().to_string(),
                verb,
                what: what(verb, name),
            });
        }
        name.map_or(Ok(()), |name| within(known, verb, name))
    }

    /// For whom a file counts that somebody stores.
    pub(super) fn budget(&self, who: &Who) -> Option<Budget> {
        match (who, &self.callers) {
            (Who::Known(known), _) => known.identity().budget().cloned(),
            (Who::Holder(terms), Some(callers)) => terms.owner.map(|owner| callers.budget(owner)),
            (Who::Holder(_), None) | (Who::Anyone, _) => None,
        }
    }

    /// The terms of a link that holds now, for this request.
    async fn holder(&self, link: Link, needs: Needs, now: u64) -> Result<Terms, Denied> {
        let Link { terms, signature } = link;
        if needs != Needs::Right(terms.allows.verb()) || now >= terms.ends {
            return Err(Denied::Unknown);
        }
        // Only now: the store may have to be asked for them.
        let keys = self.links.keys().await;
        let keys = keys.map_err(|_| Denied::Away("the metadata store does not answer".into()))?;
        match keys.signed(&terms, &signature) {
            true => Ok(terms),
            false => Err(Denied::Unknown),
        }
    }
}

/// What a refusal names: the file, or what else is meant.
fn what(verb: Verb, name: Option<&FileName>) -> String {
    match (name, verb) {
        (Some(name), _) => name.as_str().to_owned(),
        (None, Verb::Admin) => "the service".to_owned(),
        (None, Verb::Get | Verb::List | Verb::Create | Verb::Delete) => "files".to_owned(),
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), more) = (given.next(), given.next()) else {
        return Ok(None);
    };
    if more.is_some() {
        return Err(Denied::Unknown);
    }
    let text = only.to_str().map_err(|_| Denied::Unknown)?;
    let (scheme, token) = text.split_once(' ').ok_or(Denied::Unknown)?;
    match scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        true => Ok(Some(token.trim())),
        false => Err(Denied::Unknown),
    }
}

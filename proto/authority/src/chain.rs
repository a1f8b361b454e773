//! The authorities of a release, one after another. Each is trusted everywhere before it
//! signs, and for as long as anything that it signed is good.

mod entries;
mod step;

use crate::authority::{Authority, Pair};
use crate::error::AuthorityError;
use crate::read::Certificate;
use proto::identity::Identity;
use std::time::{Duration, SystemTime};
use step::{Ages, Step, step};

/// The most steps that are due at the same time, after a long sleep: the previous one is
/// dropped, the next one signs and expired as well, is dropped, and another one comes.
const MOST_STEPS: usize = 8;

/// How long authorities and certificates are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The life of an authority.
    pub authority: Duration,
    /// The life of a certificate.
    pub certificate: Duration,
    /// How long it takes until every process trusts a new authority.
    pub spread: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            authority: DAY * 730,
            certificate: DAY * 30,
            spread: Duration::from_secs(600),
        }
    }
}

/// The authorities of a release.
#[derive(Debug)]
pub struct Chain {
    /// It signs no more, and is trusted until it expires.
    previous: Option<Previous>,
    /// It signs.
    current: Authority,
    /// It is trusted, and signs once all processes trust it.
    next: Option<Authority>,
}

/// An authority that signs no more: its key is gone.
#[derive(Debug)]
struct Previous {
    cert: String,
    read: Certificate,
}

impl Chain {
    /// The first authority of a release.
    ///
    /// # Errors
    /// Where the release can't have an identity, or the terms are too long.
    pub fn first(release: &str, terms: &Terms, now: SystemTime) -> Result<Self, AuthorityError> {
        Ok(Self {
            previous: None,
            current: Authority::new(release, terms.authority, now)?,
            next: None,
        })
    }

    /// Does what is due, and says whether anything was: then the entries have to be kept,
    /// and after that the trust handed out.
    ///
    /// # Errors
    /// Where no authority can be made; what there is goes on.
    pub fn advance(&mut self, terms: &Terms, now: SystemTime) -> Result<bool, AuthorityError> {
        for taken in 0..MOST_STEPS {
            let Some(step) = step(&self.ages(), terms.spread, now) else {
                return Ok(taken > 0);
            };
            self.take(step, terms, now)?;
        }
        Ok(true)
    }

    /// The authority that signs.
    pub fn current(&self) -> &Authority {
        &self.current
    }

    /// Whether there is one that is trusted and does not sign yet.
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Whom to trust, as PEM: the current authority, the next and the previous one.
    pub fn trust(&self) -> String {
        let next = self.next.as_ref().map_or("", Authority::cert);
        let previous = self.previous.as_ref().map_or("", |it| &it.cert);
        [self.current.cert(), next, previous].concat()
    }

    /// Makes a certificate, signed by the current authority.
    ///
    /// # Errors
    /// Where the authority has expired, which `advance` prevents, or the terms are too long.
    pub fn sign(
        &self,
        identity: &Identity,
        terms: &Terms,
        now: SystemTime,
    ) -> Result<Pair, AuthorityError> {
        self.current.sign(identity, terms.certificate, now)
    }

    /// Whether a certificate has to be made anew: it is malformed, another identity's, not
    /// signed by the current authority, or two thirds of its life are over.
    pub fn is_due(&self, cert: &str, identity: &Identity, now: SystemTime) -> bool {
        self.current.is_due(cert, identity, now)
    }

    fn ages(&self) -> Ages {
        Ages {
            previous: self.previous.as_ref().map(|it| it.read.validity()),
            current: self.current.validity(),
            next: self.next.as_ref().map(Authority::validity),
        }
    }

    fn take(&mut self, step: Step, terms: &Terms, now: SystemTime) -> Result<(), AuthorityError> {
        match step {
            Step::Drop => self.previous = None,
            Step::Make => {
                let release = self.current.release();
                self.next = Some(Authority::new(release, terms.authority, now)?);
            }
            Step::Promote => {
                if let Some(next) = self.next.take() {
                    let before = std::mem::replace(&mut self.current, next);
                    self.previous = Some(Previous::of(before.cert())?);
                }
            }
        }
        Ok(())
    }
}

impl Previous {
    fn of(cert: &str) -> Result<Self, AuthorityError> {
        let read = Certificate::from_pem(cert)?;
        read.release()?;
        let cert = format!("{}\n", cert.trim());
        Ok(Self { cert, read })
    }
}

#[cfg(test)]
mod tests;

//! Tokens of a ServiceAccount, requested anew before they end, and where one is refused.

use super::patience::asked;
use super::words::Doing;
use crate::outcome::NotReached;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// How long a token is to last. The API server may choose otherwise; none is kept for longer.
const LIFE: Duration = Duration::from_secs(3600);
/// For how long a token that came in place of a refused one is shown, even if it is refused too:
/// yet another one would be no better.
const NO_BETTER: Duration = Duration::from_secs(60);

/// A ServiceAccount, and whom its tokens are for.
#[derive(Clone)]
pub(crate) struct Tokens {
    api: Api<ServiceAccount>,
    namespace: String,
    name: String,
    audience: String,
    last: Arc<Mutex<Option<Kept>>>,
}

/// A token, and for how long it is used.
struct Kept {
    token: String,
    requested: Instant,
    /// A machine that sleeps may count no time meanwhile: both must be within their bounds.
    used: Duration,
    until: SystemTime,
    /// Whether it came in place of one that the service refused.
    replaces: bool,
}

impl Kept {
    /// Of a token that ends then.
    fn new(token: String, ends: SystemTime, now: SystemTime, replaces: bool) -> Self {
        let life = ends.duration_since(now).unwrap_or_default();
        // There is time left for another one.
        let used = life.min(LIFE).mul_f64(0.8);
        Self {
            token,
            requested: Instant::now(),
            used,
            until: now + used,
            replaces,
        }
    }

    /// Whether it is shown at the age that it has by then, after the service refused that one.
    fn is_used(&self, refused: Option<&str>, age: Duration, now: SystemTime) -> bool {
        let lasts = age < self.used && now < self.until;
        match refused == Some(self.token.as_str()) {
            true => lasts && self.replaces && age < NO_BETTER,
            false => lasts,
        }
    }
}

impl Tokens {
    pub(crate) fn new(client: Client, namespace: &str, name: &str, audience: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            audience: audience.to_owned(),
            last: Arc::default(),
        }
    }

    /// A token that lasts for a while, and another one than the service refused.
    pub(crate) async fn token(&self, refused: Option<&str>) -> Result<String, NotReached> {
        let mut last = self.last.lock().await;
        if let Some(kept) = last.as_ref()
            && kept.is_used(refused, kept.requested.elapsed(), SystemTime::now())
        {
            return Ok(kept.token.clone());
        }
        let (ends, token) = self.request().await?;
        let kept = Kept::new(token.clone(), ends, SystemTime::now(), refused.is_some());
        *last = Some(kept);
        Ok(token)
    }

    /// The same, for a client.
    pub(crate) async fn read(self, refused: Option<String>) -> io::Result<String> {
        let token = self.token(refused.as_deref()).await;
        token.map_err(io::Error::other)
    }

    /// A new one, and when it ends.
    async fn request(&self) -> Result<(SystemTime, String), NotReached> {
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![self.audience.clone()]),
                expiration_seconds: i64::try_from(LIFE.as_secs()).ok(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let params = PostParams::default();
        let made = self.api.create_token_request(&self.name, &params, &wanted);
        let made = asked(made, Doing::RequestToken(&self.name), &self.namespace).await?;
        let nothing = || NotReached("the API server gave no token".to_owned());
        let status = made.status.ok_or_else(nothing)?;
        let ends = status.expiration_timestamp.map(|at| at.0.as_second());
        let ends = ends.and_then(|at| u64::try_from(at).ok());
        let ends = UNIX_EPOCH + Duration::from_secs(ends.unwrap_or_default());
        Ok((ends, status.token.ok_or_else(nothing)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Whether a token that lasts so many minutes is used at that age of it, after the wall
    /// clock went on by so many.
    fn is_used(kept: u32, age: u32, wall: u32) -> bool {
        let now = UNIX_EPOCH + 60 * 24 * 365 * MINUTE;
        let kept = Kept::new("a".to_owned(), now + kept * MINUTE, now, false);
        kept.is_used(None, age * MINUTE, now + wall * MINUTE)
    }

    #[test]
    fn a_token_is_used_for_four_fifths_of_its_life_and_never_for_longer_than_an_hour() {
        assert!(is_used(60, 0, 0) && is_used(60, 47, 47));
        assert!(!is_used(60, 48, 48));
        // The machine slept, or its clock was set back.
        assert!(!is_used(60, 1, 48));
        assert!(!is_used(60, 48, 1));
        assert!(is_used(10, 7, 7) && !is_used(10, 8, 8));
        assert!(is_used(24 * 60, 47, 47) && !is_used(24 * 60, 48, 48));
        assert!(!is_used(0, 0, 0));
    }

    #[test]
    fn a_token_that_was_refused_is_replaced_and_the_next_one_not_at_once() {
        let now = UNIX_EPOCH + 60 * 24 * 365 * MINUTE;
        let of = |replaces| Kept::new("a".to_owned(), now + 60 * MINUTE, now, replaces);
        let used = |replaces, refused, minutes| {
            of(replaces).is_used(refused, minutes * MINUTE, now + minutes * MINUTE)
        };
        assert!(!used(false, Some("a"), 0));
        // Another call has replaced it meanwhile.
        assert!(used(false, Some("b"), 0));
        assert!(used(true, Some("a"), 0) && !used(true, Some("a"), 1));
        assert!(used(true, None, 1) && used(true, Some("b"), 1));
        assert!(!used(true, Some("a"), 48) && !used(true, None, 48));
    }
}

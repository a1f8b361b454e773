//! Sends requests, and sends them again where that may help.

use crate::Error;
use crate::credential::Credential;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use reqwest::{RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The first pause between two attempts, which doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// To what it doubles. Up to as much is added by chance.
const DOUBLED: Duration = Duration::from_millis(2500);
/// What chance adds at the most to a pause that the service asks for.
const SPREAD: Duration = Duration::from_secs(1);
/// The longest answer in JSON that is read: a page of a listing with its longest names, or
/// the status of a service with 10,000 nodes.
const LONGEST_ANSWER: usize = 64 << 20;
/// What is read of an error.
const LONGEST_ERROR: usize = 64 << 10;

/// How requests reach the service.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) credential: Credential,
    pub(crate) deadline: Duration,
    pub(crate) silence: Duration,
    pub(crate) on_retry: Option<OnRetry>,
}

/// Who is told of pauses.
pub(crate) struct OnRetry(pub(crate) Arc<Called>);

type Called = dyn Fn(&Error, Duration) + Send + Sync;

impl fmt::Debug for OnRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRetry")
    }
}

/// Bytes of a body that went out, so that a long upload does not count as silence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<AtomicU64>);

impl Sent {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wire {
    /// The address of a path, whose parts need no escaping.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A request with a body of JSON.
    pub(crate) fn post(&self, path: &[&str], body: &serde_json::Value) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json");
        let request = self.request(Method::POST, path);
        request.header(CONTENT_TYPE, json).body(body.to_string())
    }

    /// Sends what `make` makes until there is an answer that is none of those that pass, or
    /// the deadline is over.
    pub(crate) async fn send(&self, make: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        self.retry(|| self.once(make(), Sent::default())).await
    }

    /// Sends an order that must not be given twice: there is no other attempt after one of
    /// which nobody knows whether it was carried out. It may last for `patience`.
    pub(crate) async fn order(
        &self,
        patience: Duration,
        make: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Error> {
        let mut pauses = Pauses::new(self.deadline);
        loop {
            let answer = self.once_within(make(), &Sent::default(), patience).await;
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.is_uncertain() {
                return Err(error);
            }
            self.pause(&mut pauses, error).await?;
        }
    }

    /// The same, of which the answer is JSON.
    pub(crate) async fn order_json<T: DeserializeOwned>(
        &self,
        patience: Duration,
        make: impl Fn() -> RequestBuilder,
    ) -> Result<T, Error> {
        let answer = self.order(patience, make).await?;
        self.read(answer).await
    }

    /// Does it until it succeeds, or fails for good, or the deadline is over.
    async fn retry<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut pauses = Pauses::new(self.deadline);
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => self.pause(&mut pauses, error).await?,
            }
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The error itself where no other attempt may help, or none fits within the deadline.
    pub(crate) async fn pause(&self, pauses: &mut Pauses, error: Error) -> Result<(), Error> {
        let Some(pause) = pauses.next(&error) else {
            return Err(error);
        };
        if let Some(OnRetry(call)) = &self.on_retry {
            call(&error, pause);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Sends one request, a second time only where the service did not know the token and
    /// there is another one by now, and the request can be sent again.
    pub(crate) async fn once(
        &self,
        request: RequestBuilder,
        sent: Sent,
    ) -> Result<Response, Error> {
        self.once_within(request, &sent, self.silence).await
    }

    async fn once_within(
        &self,
        request: RequestBuilder,
        sent: &Sent,
        silence: Duration,
    ) -> Result<Response, Error> {
        let again = request.try_clone();
        let shown = self.shown().await?;
        let error = match self.attempt(request, shown.as_ref(), sent, silence).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match again {
            Some(request) if self.has_another(shown.as_ref(), &error).await => {
                let shown = self.shown().await?;
                self.attempt(request, shown.as_ref(), sent, silence).await
            }
            _ => Err(error),
        }
    }

    /// Sends one request as it is, once.
    pub(crate) async fn as_it_is(
        &self,
        request: RequestBuilder,
        sent: &Sent,
    ) -> Result<Response, Error> {
        self.attempt(request, None, sent, self.silence).await
    }

    /// Whether the service did not know this token, and there is another one by now.
    pub(crate) async fn has_another(&self, shown: Option<&HeaderValue>, error: &Error) -> bool {
        let status = error.refusal().map(|refusal| refusal.status);
        status == Some(StatusCode::UNAUTHORIZED)
            && self.credential.is_another(shown, self.silence).await
    }

    /// What the service is shown of the caller.
    pub(crate) async fn shown(&self) -> Result<Option<HeaderValue>, Error> {
        self.credential.value(self.silence).await
    }

    async fn attempt(
        &self,
        request: RequestBuilder,
        credential: Option<&HeaderValue>,
        sent: &Sent,
        silence: Duration,
    ) -> Result<Response, Error> {
        let mut answer = pin!(showing(request, credential).send());
        let answer = loop {
            let before = sent.seen();
            match tokio::time::timeout(silence, &mut answer).await {
                Ok(answer) => break answer.map_err(|source| self.no_answer(source))?,
                Err(_) if sent.seen() != before => {}
                Err(_) => return Err(self.silent(silence)),
            }
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let headers = answer.headers().clone();
        let body = self.body(answer, LONGEST_ERROR).await.unwrap_or_default();
        Err(Error::refused(status, &headers, &body))
    }

    /// The next bytes of a body.
    pub(crate) async fn chunk(&self, answer: &mut Response) -> Result<Option<Bytes>, Error> {
        match tokio::time::timeout(self.silence, answer.chunk()).await {
            Ok(chunk) => chunk.map_err(|source| self.no_answer(source)),
            Err(_) => Err(self.silent(self.silence)),
        }
    }

    async fn body(&self, mut answer: Response, longest: usize) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk(&mut answer).await? {
            if body.len() + chunk.len() > longest {
                return Err(self.not_understood(format!("it is longer than {longest} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Sends until there is a whole answer in JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        make: impl Fn() -> RequestBuilder,
    ) -> Result<T, Error> {
        self.retry(|| self.json_once(make())).await
    }

    async fn json_once<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let answer = self.once(request, Sent::default()).await?;
        self.read(answer).await
    }

    /// The answer in JSON.
    pub(crate) async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<T, Error> {
        let body = self.body(answer, LONGEST_ANSWER).await?;
        serde_json::from_slice(&body).map_err(|error| self.not_understood(error))
    }

    /// Who was asked, for people.
    pub(crate) fn whom(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    fn no_answer(&self, source: reqwest::Error) -> Error {
        Error::NoAnswer {
            url: self.whom(),
            source: source.without_url(),
        }
    }

    fn silent(&self, waited: Duration) -> Error {
        Error::Silent {
            url: self.whom(),
            waited,
        }
    }

    pub(crate) fn not_understood(&self, why: impl std::fmt::Display) -> Error {
        Error::NotUnderstood {
            url: self.whom(),
            why: why.to_string(),
        }
    }
}

/// The pauses between attempts: they grow with some chance in them, so that many clients do
/// not come back at the same moment, and are at least as long as the service asks for.
#[derive(Debug)]
pub(crate) struct Pauses {
    deadline: Duration,
    first: Option<Instant>,
    backoff: ExponentialBackoff,
}

impl Pauses {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self {
            deadline,
            first: None,
            backoff: backoff(),
        }
    }

    /// Begins anew: what was tried has come on.
    pub(crate) fn reset(&mut self) {
        if self.first.take().is_some() {
            self.backoff = backoff();
        }
    }

    /// The pause before the next attempt; `None` where there is none.
    fn next(&mut self, error: &Error) -> Option<Duration> {
        if !error.is_retryable() {
            return None;
        }
        let elapsed = self.first.get_or_insert_with(Instant::now).elapsed();
        let left = self
            .deadline
            .checked_sub(elapsed)
            .filter(|left| !left.is_zero())?;
        let pause = self.backoff.next().unwrap_or(DOUBLED);
        match error.refusal().and_then(|refusal| refusal.retry_after) {
            Some(asked) => Some(asked.saturating_add(pause.min(SPREAD))).filter(|_| asked <= left),
            None => Some(pause.min(left)),
        }
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(DOUBLED)
        .without_max_times()
        .build()
}

/// The request with what the service is shown of the caller.
pub(crate) fn showing(request: RequestBuilder, credential: Option<&HeaderValue>) -> RequestBuilder {
    match credential {
        Some(value) => request.header(AUTHORIZATION, value),
        None => request,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::HeaderMap;
    use http::header::RETRY_AFTER;

    fn refused(status: u16, retry_after: Option<&str>) -> Error {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        Error::refused(StatusCode::from_u16(status).unwrap(), &headers, b"")
    }

    #[test]
    fn pauses_grow_to_a_bound_and_end_with_the_deadline() {
        let mut pauses = Pauses::new(Duration::from_secs(1000));
        let error = refused(503, None);
        let all: Vec<Duration> = (0..50).map(|_| pauses.next(&error).unwrap()).collect();
        assert!(
            all[0] >= FIRST_PAUSE && all[0] <= 2 * FIRST_PAUSE,
            "{all:?}"
        );
        assert!(all.iter().all(|pause| *pause <= 2 * DOUBLED), "{all:?}");
        assert!(
            all.iter().skip(10).all(|pause| *pause >= DOUBLED),
            "{all:?}"
        );
        // The last attempt is made at the deadline.
        let mut pauses = Pauses::new(Duration::from_millis(10));
        assert!(pauses.next(&error).unwrap() <= Duration::from_millis(10));
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(pauses.next(&error), None);
        assert_eq!(Pauses::new(Duration::ZERO).next(&error), None);
        assert_eq!(Pauses::new(DOUBLED).next(&refused(404, None)), None);
    }

    #[test]
    fn whoever_asks_for_a_pause_gets_it_if_it_fits() {
        let mut pauses = Pauses::new(Duration::from_secs(10));
        let pause = pauses.next(&refused(429, Some("7"))).unwrap();
        assert!(
            pause >= Duration::from_secs(7) && pause <= Duration::from_secs(8),
            "{pause:?}"
        );
        assert_eq!(pauses.next(&refused(429, Some("11"))), None);
        assert_eq!(
            pauses.next(&refused(429, Some(&u64::MAX.to_string()))),
            None
        );
        let soon = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(5));
        let pause = pauses.next(&refused(503, Some(&soon))).unwrap();
        assert!(pause >= Duration::from_secs(3), "{pause:?}");
    }
}

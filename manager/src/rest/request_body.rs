//! A request's body as it comes in: bounded, with a deadline for its pauses,
//! and drained when the request is refused, so that the client reads why.

use super::RestLimits;
use super::answer::Refusal;
use super::io::Alarm;
use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::EXPECT;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use manager_body::BodyError;
use manager_body::digest::Checker;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long the rest of a refused body is read: a connection that is closed
/// with bytes unread is reset, and the client may never see its answer.
const DRAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The client waits to be asked for its body.
    Awaiting,
    Flowing,
    /// Ended well, broke, or fell silent.
    Over,
}

/// The body.
pub(super) struct RequestBody {
    body: Body,
    state: State,
    limit: u64,
    left: u64,
    idle: Duration,
    alarm: Alarm,
    timed_out: bool,
    /// Over the body as sent, base64 and all.
    checker: Option<Checker>,
}

impl RequestBody {
    pub(super) fn new(body: Body, headers: &HeaderMap, limits: &RestLimits) -> Self {
        let state = match headers.contains_key(EXPECT) {
            true => State::Awaiting,
            false => State::Flowing,
        };
        Self {
            body,
            state,
            limit: limits.max_body_bytes,
            left: limits.max_body_bytes,
            idle: limits.body_idle_timeout,
            alarm: Alarm::default(),
            timed_out: false,
            checker: None,
        }
    }

    /// Its length in bytes, if the client told it.
    ///
    /// # Errors
    /// 413 when it is over the limit.
    pub(super) fn length(&self) -> Result<Option<u64>, Refusal> {
        let length = self.body.size_hint().exact();
        match length {
            Some(length) if length > self.limit => {
                Err(self.refusal(BodyError::TooLarge { limit: self.limit }))
            }
            length => Ok(length),
        }
    }

    /// Has the bytes checked as they come.
    pub(super) fn check(&mut self, checker: Checker) {
        self.checker = Some(checker);
    }

    /// Tells, after the end, whether the bytes were those stated.
    ///
    /// # Errors
    /// Code 6 when they were not.
    pub(super) fn checked(&mut self) -> Result<(), Refusal> {
        match self.checker.take() {
            Some(checker) => checker.finish(None).map_err(Refusal::bad),
            None => Ok(()),
        }
    }

    /// What an error of this body says to the client.
    pub(super) fn refusal(&self, error: BodyError) -> Refusal {
        match error {
            _ if self.timed_out => Refusal::invalid(
                StatusCode::REQUEST_TIMEOUT,
                format_args!("body: paused for longer than {:?}", self.idle),
            ),
            error @ BodyError::TooLarge { .. } => {
                Refusal::invalid(StatusCode::PAYLOAD_TOO_LARGE, error)
            }
            BodyError::Read(cause) => Refusal::bad(format_args!(
                "body: ended before its end: {}",
                innermost(&*cause)
            )),
            BodyError::Invalid { field, reason } => {
                Refusal::bad(format_args!("`{field}`: {reason}"))
            }
            BodyError::Missing { field } => Refusal::bad(format_args!("`{field}` is missing")),
        }
    }

    /// Reads and forgets what is still to come, for a while.
    pub(super) async fn drain(&mut self) {
        if self.state != State::Flowing {
            // It is over, or the client was never asked to send it.
            return;
        }
        self.left = u64::MAX;
        self.checker = None;
        let rest = async { while let Some(Ok(_)) = self.next().await {} };
        if tokio::time::timeout(DRAIN, rest).await.is_err() {
            tracing::debug!("the rest of a refused body is not read");
        }
    }
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

impl Stream for RequestBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    self.state = State::Flowing;
                    let idle = self.idle;
                    if self.alarm.poll(idle, cx).is_pending() {
                        return Poll::Pending;
                    }
                    (self.state, self.timed_out) = (State::Over, true);
                    return Poll::Ready(Some(Err(BodyError::Read("paused for too long".into()))));
                }
            };
            self.alarm.disarm();
            match frame {
                None => {
                    self.state = State::Over;
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(BodyError::Read(Box::new(error)))));
                }
                Some(Ok(frame)) => {
                    self.state = State::Flowing;
                    // Trailers say nothing that is wanted here.
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    if data.is_empty() {
                        continue;
                    }
                    return Poll::Ready(Some(self.took(data)));
                }
            }
        }
    }
}

impl RequestBody {
    fn took(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        let limit = self.limit;
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or(BodyError::TooLarge { limit })?;
        if let Some(checker) = &mut self.checker {
            checker.update(&data);
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use futures::stream;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        rest: RestLimits,
    }

    fn body(body: Body) -> RequestBody {
        let flags = ["x", "--max-body-bytes=10B", "--body-idle-timeout=5s"];
        let limits = Flags::try_parse_from(flags).expect("good flags").rest;
        RequestBody::new(body, &HeaderMap::new(), &limits)
    }

    fn status(refusal: Refusal) -> u16 {
        refusal.response().status().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_falls_silent_is_408() {
        let silent =
            stream::once(async { Ok::<_, std::io::Error>("abc") }).chain(stream::pending());
        let mut body = body(Body::from_stream(silent));
        assert_eq!(body.next().await.expect("a piece").expect("good"), "abc");
        let begun = tokio::time::Instant::now();
        let error = body.next().await.expect("an item").expect_err("silence");
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert_eq!(status(body.refusal(error)), 408);
        body.drain().await;
        assert_eq!(
            begun.elapsed().as_secs(),
            5,
            "a silent client is not waited for again"
        );
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_413_told_or_not() {
        let told = body(Body::from("12345678901"));
        assert_eq!(told.length().map_err(status), Err(413));
        let pieces = stream::iter(["12345", "678901"].map(Ok::<_, std::io::Error>));
        let mut untold = body(Body::from_stream(pieces));
        assert_eq!(untold.length().map_err(status), Ok(None));
        assert!(untold.next().await.expect("a piece").is_ok());
        let error = untold.next().await.expect("an item").expect_err("too long");
        assert_eq!(status(untold.refusal(error)), 413);
    }

    #[tokio::test]
    async fn a_broken_body_is_400() {
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]);
        let mut body = body(Body::from_stream(broken));
        let error = body.next().await.expect("an item").expect_err("broken");
        assert_eq!(status(body.refusal(error)), 400);
    }
}

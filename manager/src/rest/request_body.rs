//! A request's body as it comes in: bounded, with a deadline for its pauses and
//! a rate that it must keep.

use super::answer::Refusal;
use super::io::Alarm;
use super::pace::Pace;
use crate::limits::RestLimits;
use axum::body::Body;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use manager_body::BodyError;
use manager_body::digest::Checker;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Why a body is not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    Paused,
    TooSlow,
}

/// The body.
pub(super) struct RequestBody {
    body: Body,
    limit: u64,
    left: u64,
    idle: Duration,
    pace: Pace,
    alarm: Alarm,
    /// Since when nothing has come though it is wanted.
    since: Option<Instant>,
    late: Option<Late>,
    /// Over the body as sent, base64 and all.
    checker: Option<Checker>,
    /// The fields that came after it.
    trailers: Option<HeaderMap>,
}

impl RequestBody {
    pub(super) fn new(body: Body, limits: &RestLimits) -> Self {
        Self {
            body,
            limit: limits.max_body_bytes,
            left: limits.max_body_bytes,
            idle: limits.body_idle_timeout,
            pace: Pace::new(limits.upload_rate()),
            alarm: Alarm::default(),
            since: None,
            late: None,
            checker: None,
            trailers: None,
        }
    }

    /// Bounds it by `most` bytes, where that is less than any body may have.
    pub(super) fn at_most(&mut self, most: u64) {
        self.limit = self.limit.min(most);
        self.left = self.left.min(most);
    }

    /// Its length in bytes, if the client stated it.
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

    /// The fields that came after it, at its end.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// Checks, after the end, that the bytes were those stated.
    ///
    /// # Errors
    /// Code 6 when they were not.
    pub(super) fn checked(&mut self) -> Result<(), Refusal> {
        match self.checker.take() {
            Some(checker) => checker
                .finish(None, self.trailers.as_ref())
                .map_err(Refusal::bad),
            None => Ok(()),
        }
    }

    /// The client's answer for an error of this body.
    pub(super) fn refusal(&self, error: BodyError) -> Refusal {
        match error {
            _ if self.late == Some(Late::Paused) => Refusal::invalid(
                StatusCode::REQUEST_TIMEOUT,
                format_args!("body: paused for longer than {:?}", self.idle),
            ),
            _ if self.late == Some(Late::TooSlow) => Refusal::invalid(
                StatusCode::REQUEST_TIMEOUT,
                format_args!("body: slower than {}", self.pace.rule()),
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
            BodyError::Unsupported { reason } => Refusal::invalid(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format_args!("`Content-Type`: {reason}"),
            ),
            BodyError::Missing { field } => Refusal::bad(format_args!("`{field}` is missing")),
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
                    self.since.get_or_insert_with(Instant::now);
                    let (after, late) = match self.pace.left_for(0) {
                        Some(left) if left < self.idle => (left, Late::TooSlow),
                        _ => (self.idle, Late::Paused),
                    };
                    if self.alarm.poll(after, cx).is_pending() {
                        return Poll::Pending;
                    }
                    return Poll::Ready(Some(Err(self.give_up(late))));
                }
            };
            self.alarm.disarm();
            let waited = self.since.take().map(|since| since.elapsed());
            let bytes = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => 0,
            };
            self.pace.moved(bytes as u64, waited.unwrap_or_default());
            if self.pace.too_slow() {
                return Poll::Ready(Some(Err(self.give_up(Late::TooSlow))));
            }
            match frame {
                None => {
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(BodyError::Read(Box::new(error)))));
                }
                Some(Ok(frame)) => {
                    let data = match frame.into_data() {
                        Ok(data) => data,
                        Err(other) => {
                            self.trailers = other.into_trailers().ok();
                            continue;
                        }
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
    fn give_up(&mut self, late: Late) -> BodyError {
        self.late = Some(late);
        BodyError::Read("it takes too long".into())
    }

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
    use futures::{StreamExt, stream};

    fn body(body: Body) -> RequestBody {
        let flags = [
            "--max-body-bytes=10B",
            "--body-idle-timeout=5s",
            "--rate-grace=12s",
        ];
        let limits = RestLimits::given(&flags).expect("good flags");
        RequestBody::new(body, &limits)
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
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_408_once_its_grace_is_used_up() {
        let trickle = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Some((Ok::<_, std::io::Error>("x"), ()))
        });
        let mut body = body(Body::from_stream(trickle));
        let begun = tokio::time::Instant::now();
        let error = loop {
            if let Err(error) = body.next().await.expect("an item") {
                break error;
            }
        };
        assert_eq!(begun.elapsed().as_secs(), 12);
        assert_eq!(status(body.refusal(error)), 408);
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

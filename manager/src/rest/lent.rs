//! A request's body, lent to its handler. What the handler leaves unread is read and
//! discarded for a while: a connection that is closed, or a stream that is reset, with
//! bytes unread may cost the client the answer. Over HTTP/1 it comes back for that
//! before the answer goes out; over HTTP/2 it is read beside the answer, so that it
//! neither delays it nor keeps anything of the connection's window.

use super::activity::Activity;
use super::io::LINGER;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How long the rest of a refused body is read over HTTP/1 before the answer goes out.
/// What comes later is read and discarded while the connection is closed.
const DRAIN: Duration = Duration::from_secs(1);

/// The body, while the handler has it.
pub(super) struct Lent {
    body: Option<Incoming>,
    /// The client waits to be asked for its body.
    awaited: bool,
    /// None over HTTP/2.
    back: Option<oneshot::Sender<Unread>>,
}

/// A body that was not read to its end.
struct Unread {
    body: Incoming,
    awaited: bool,
}

/// Where the body comes back to.
pub(super) struct Lender {
    back: oneshot::Receiver<Unread>,
}

/// Lends out the body of a request.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Lent>, Lender) {
    let (sender, back) = oneshot::channel();
    let comes_back = request.version() < Version::HTTP_2;
    let awaited = request.headers().contains_key(EXPECT);
    let request = request.map(|body| Lent {
        back: comes_back.then_some(sender),
        body: Some(body),
        awaited,
    });
    (request, Lender { back })
}

impl Lender {
    /// Reads and discards, for a while, what the handler left. A body that is still not at
    /// its end must be kept until the answer has gone, and the connection ends with it.
    pub(super) async fn settle<B>(
        mut self,
        response: &mut Response<B>,
        activity: &Activity,
    ) -> Option<Incoming> {
        let mut unread = self.back.try_recv().ok()?;
        // A body that the client was not asked for is not on its way, and one that came
        // too slowly is not waited for again.
        let wait = !unread.awaited && response.status() != StatusCode::REQUEST_TIMEOUT;
        if wait && drained(&mut unread.body, DRAIN).await {
            return None;
        }
        // RFC 9110, section 10.1.1, and RFC 9112, section 9.3: without this field the
        // client sends its next request into the closed connection.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        activity.leave_unread();
        Some(unread.body)
    }
}

/// Whether the body ended, well or not, in time.
async fn drained(body: &mut Incoming, within: Duration) -> bool {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    tokio::time::timeout(within, rest).await.is_ok()
}

/// Reads and discards the rest of a body over HTTP/2, whatever becomes of the answer.
/// Of a stream whose body was dropped the library discards what comes, and once the
/// answer has gone it resets it with NO_ERROR (RFC 9113, section 8.1).
fn discard(mut body: Incoming) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { drained(&mut body, LINGER).await });
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.awaited = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        let Some(body) = unread else { return };
        let awaited = self.awaited;
        match self.back.take() {
            Some(back) => {
                // The front may have gone with its connection.
                let _ = back.send(Unread { body, awaited });
            }
            None if awaited => {}
            None => discard(body),
        }
    }
}

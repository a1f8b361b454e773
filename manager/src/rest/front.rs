//! What happens to every request on its way to its route and back: its id, its
//! metrics, its line in the log, and an answer even if a handler panics.

use super::Rest;
use super::answer;
use super::io::InFlight;
use super::routes;
use crate::Failure;
use crate::metrics::RequestLabels;
use crate::trace::Trace;
use axum::Router;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use proto::Code;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::Service;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The way in.
#[derive(Clone)]
pub(super) struct Front {
    rest: Arc<Rest>,
    router: Router,
}

impl Front {
    pub(super) fn new(rest: Arc<Rest>, router: Router) -> Self {
        Self { rest, router }
    }

    /// Serves one request.
    pub(super) async fn serve(
        mut self,
        request: Request<Incoming>,
        in_flight: InFlight,
    ) -> Result<Response<Counted>, Infallible> {
        let begun = Instant::now();
        let trace = trace_of(request.headers());
        let method = request.method().clone();
        let route = routes::label(request.uri().path());
        let head = head_bytes(&method, request.uri(), request.headers());
        let mut response = if head > self.rest.limits.max_header_bytes {
            head_too_long(self.rest.limits.max_header_bytes)
        } else {
            let mut request = request.map(AxumBody::new);
            request.extensions_mut().insert(trace);
            let served = AssertUnwindSafe(self.router.call(request))
                .catch_unwind()
                .await;
            match served {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => panicked(trace),
            }
        };
        response
            .headers_mut()
            .insert(X_REQUEST_ID.clone(), id_value(trace));
        self.count(&response, &method, route, trace, begun);
        Ok(response.map(|body| Counted {
            body,
            _in_flight: in_flight,
        }))
    }

    fn count(
        &self,
        response: &Response<AxumBody>,
        method: &Method,
        route: &'static str,
        trace: Trace,
        begun: Instant,
    ) {
        let took = begun.elapsed();
        let status = response.status();
        let code = response
            .extensions()
            .get::<Code>()
            .map_or(0, |code| code.number());
        let labels = RequestLabels {
            route,
            method: routes::method_label(method),
            status: status.as_u16(),
            code,
        };
        self.rest.core.metrics.request(&labels, took);
        let (method, status) = (labels.method, labels.status);
        if status >= 500 {
            tracing::warn!(request = %trace, method, route, status, code, ?took, "answered");
        } else {
            tracing::debug!(request = %trace, method, route, status, code, ?took, "answered");
        }
    }
}

/// The request's id: the client's own, if it has the form of ours.
fn trace_of(headers: &HeaderMap) -> Trace {
    let given = headers.get(&X_REQUEST_ID).map(HeaderValue::as_bytes);
    given.and_then(parse_id).unwrap_or_else(Trace::random)
}

fn parse_id(text: &[u8]) -> Option<Trace> {
    let digits = std::str::from_utf8(text).ok()?;
    let hex = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u64::from_str_radix(digits, 16).ok().map(Trace))
        .flatten()
}

fn id_value(trace: Trace) -> HeaderValue {
    HeaderValue::from_str(&trace.to_string()).expect("hex digits are a header's value")
}

/// The length of the head as HTTP/1.1 writes it, about.
fn head_bytes(method: &Method, uri: &Uri, headers: &HeaderMap) -> u64 {
    const LINE: usize = ": \r\n".len();
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let first = method.as_str().len() + path + "  HTTP/1.1\r\n\r\n".len();
    let fields: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + LINE)
        .sum();
    (first + fields) as u64
}

fn head_too_long(limit: u64) -> Response<AxumBody> {
    let failure = Failure::new(Code::InvalidRequest).because(format_args!(
        "the head of the request is over the limit of {limit} bytes"
    ));
    answer::failure_as(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, failure)
}

fn panicked(trace: Trace) -> Response<AxumBody> {
    tracing::error!(request = %trace, "a handler panicked");
    answer::failure(Failure::new(Code::Internal))
}

/// An answer's body, which keeps its connection from counting as idle.
pub(super) struct Counted {
    body: AxumBody,
    _in_flight: InFlight,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_own_request_id_is_kept_if_it_has_our_form() {
        assert_eq!(parse_id(b"00000000000000ff"), Some(Trace(255)));
        assert_eq!(id_value(Trace(0x0123_4567_89ab_cdef)), "0123456789abcdef");
        for other in [
            "",
            "ff",
            "+0000000000000ff",
            "00000000000000fg",
            "00000000000000000",
        ] {
            assert_eq!(parse_id(other.as_bytes()), None, "{other:?}");
        }
    }
}

//! What happens to every request on its way to its route and back: its id, its
//! metrics, its line in the log, and an answer even if a handler panics.

use super::Rest;
use super::activity::{Activity, InFlight};
use super::admit::Who;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::client::Client;
use super::clients::Connected;
use super::gate::Place;
use super::lent::Lent;
use super::routes::{self, Asked};
use super::sent::{Holds, Unsent};
use super::{audit, lent, router, span, vet};
use crate::format;
use crate::metrics::RequestLabels;
use axum::Router;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use futures::FutureExt;
use http::header::{CONNECTION, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use kit::spans::Active;
use manager_protocol::failure::Failure;
use manager_protocol::trace::Trace;
use manager_protocol::waiters::Waiters;
use manager_protocol::world::World;
use proto::Code;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tower::Service;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// For a year browsers come by TLS alone. It says nothing over a plain connection, where
/// anyone on the way could have written it (RFC 6797, section 7.2).
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Where every request enters.
#[derive(Clone)]
pub(super) struct Front {
    rest: Arc<Rest>,
    router: Router,
}

impl Front {
    pub(super) fn new(rest: Arc<Rest>, router: Router) -> Self {
        Self { rest, router }
    }

    /// Serves one request, as a span that lasts as long as its answer.
    pub(super) async fn serve(
        self,
        request: Request<Incoming>,
        connected: Arc<Connected>,
        waiters: Waiters,
        in_flight: InFlight,
    ) -> Result<Response<Counted>, Infallible> {
        let span = span::of(&self.rest.tracer, &request);
        let answered = self.answer(request, connected, waiters, in_flight);
        let mut answered = span.scope().around(answered).await?;
        span::answered(&span, &answered, &X_REQUEST_ID);
        answered.body_mut().span = span;
        Ok(answered)
    }

    async fn answer(
        mut self,
        request: Request<Incoming>,
        connected: Arc<Connected>,
        waiters: Waiters,
        in_flight: InFlight,
    ) -> Result<Response<Counted>, Infallible> {
        let begun = Instant::now();
        let http2 = request.version() == Version::HTTP_2;
        let trace = trace_of(&self.rest.core.world, request.headers());
        let method = request.method().clone();
        let asked = Asked::of(&method, request.uri().path());
        let operation = asked.operation;
        let (mut request, lender) = lent::lend(request);
        let (who, admitted) = self
            .admit(&request, asked, &connected, in_flight.activity())
            .await;
        let client = connected.client_of(&who);
        let admitted = admitted.and_then(|head| {
            // A request that is refused for its connection costs of the rate too.
            let asked = operation.map_or(Ok(()), |_| client.allowance.ask(begun));
            let belongs = connected.belongs_to(&who, &client);
            belongs.inspect_err(|_| in_flight.activity().end())?;
            asked?;
            Ok(head)
        });
        let tls = in_flight.activity().is_over_tls();
        let pays = operation
            .filter(|operation| operation.is_read())
            .and_then(|_| client.pays());
        let caller = Caller::new(who, client, waiters, trace, tls);
        let audit = self.rest.admits.audit;
        if audit && (admitted.is_err() || operation.is_some_and(|o| o.changes)) {
            audit::note(&caller, request.uri());
        }
        let line = audit::Line::new(audit, operation, caller.clone(), connected.address());
        request.extensions_mut().insert(Arc::clone(&caller));
        let (mut response, head) = match admitted {
            Err(refusal) => {
                // Its body goes back to the lender, which reads what is left.
                drop(request);
                (refusal.response(), None)
            }
            Ok(head) => {
                let response = self.route(request, asked, trace).await;
                (response, Some(head))
            }
        };
        let unread = lender.settle(&mut response, in_flight.activity()).await;
        let headers = response.headers_mut();
        always(headers, trace, tls);
        if !http2 && in_flight.activity().ends() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.count(&response, &method, asked.path, &caller, begun);
        line.answered(&response);
        if http2 && !response.body().is_end_stream() {
            in_flight.answered(self.rest.limits.download_rate());
        }
        let holds = Holds {
            in_flight,
            _place: caller.held(),
            _head: head,
        };
        Ok(response.map(|body| Counted {
            body,
            holds: Held::new(http2, holds),
            pays,
            span: Active::default(),
            _unread: unread,
        }))
    }

    /// The answer of the request's route.
    async fn route(
        &mut self,
        request: Request<Lent>,
        asked: Asked,
        trace: Trace,
    ) -> Response<AxumBody> {
        if let Some(others) = asked.others() {
            return router::no_such_method(request.method(), &others);
        }
        let served = AssertUnwindSafe(self.router.call(request.map(AxumBody::new)));
        match served.catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => panicked(trace),
        }
    }

    /// The room that the request's head takes, if it is let in, and who sent it.
    async fn admit<B>(
        &self,
        request: &Request<B>,
        asked: Asked,
        connected: &Connected,
        connection: &Activity,
    ) -> (Who, Result<Place, Refusal>) {
        let bytes = match self.vet(request, connection) {
            Ok(bytes) => bytes,
            Err(refusal) => return (Who::Anyone, Err(refusal)),
        };
        // First, so that what waits for a caller to be checked is bounded too.
        let head = match self.rest.gates.head(connected.client(), bytes).await {
            Ok(head) => head,
            Err(failure) => return (Who::Anyone, Err(failure.into())),
        };
        let now = self.rest.core.world.unix_ms() / 1000;
        let (uri, headers) = (request.uri(), request.headers());
        let share = &connected.client().strangers;
        let admitted = self
            .rest
            .admits
            .admit(asked.needs(), uri, headers, share, now);
        match admitted.await {
            Ok(who) => (who, Ok(head)),
            Err((denied, who)) => (who, Err(denied.into())),
        }
    }

    /// The length of the request's head; an error if no route may see the request.
    fn vet<B>(&self, request: &Request<B>, connection: &Activity) -> Result<u64, Refusal> {
        let limit = self.rest.limits.max_header_bytes;
        let bytes = head_bytes(request.method(), request.uri(), request.headers());
        if bytes > limit {
            return Err(head_too_long(limit));
        }
        vet::vet(request, &self.rest.hosts, &connection.host)?;
        Ok(bytes)
    }

    fn count(
        &self,
        response: &Response<AxumBody>,
        method: &Method,
        route: &'static str,
        caller: &Caller,
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
        self.rest.metrics.request(&labels, took);
        caller.client.counts().answered(labels.status);
        let (method, status, trace) = (labels.method, labels.status, caller.trace);
        if status >= 500 {
            tracing::warn!(request = %trace, method, route, status, code, ?took, "answered");
        } else {
            tracing::debug!(request = %trace, method, route, status, code, ?took, "answered");
        }
    }
}

/// The fields that every answer has.
fn always(headers: &mut HeaderMap, trace: Trace, tls: bool) {
    headers.insert(X_REQUEST_ID.clone(), id_value(trace));
    // What was uploaded is never a script, a style or a page of this origin.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CORP.clone(), HeaderValue::from_static("same-origin"));
    if tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
}

/// The request's id: the client's own, if it has the form of ours.
fn trace_of(world: &World, headers: &HeaderMap) -> Trace {
    let given = headers.get(&X_REQUEST_ID).map(HeaderValue::as_bytes);
    given
        .and_then(parse_id)
        .unwrap_or_else(|| Trace::random(world))
}

fn parse_id(text: &[u8]) -> Option<Trace> {
    let digits = std::str::from_utf8(text).ok()?;
    let hex = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u64::from_str_radix(digits, 16).ok().map(Trace))
        .flatten()
}

fn id_value(trace: Trace) -> HeaderValue {
    let digits = format::hex(&trace.0.to_be_bytes());
    HeaderValue::try_from(digits).expect("hex digits are a header's value")
}

/// The approximate length of the head, as HTTP/1.1 writes it.
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

fn head_too_long(limit: u64) -> Refusal {
    Refusal::invalid(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        format_args!("the head of the request is over the limit of {limit} bytes"),
    )
}

fn panicked(trace: Trace) -> Response<AxumBody> {
    tracing::error!(request = %trace, "a handler panicked");
    answer::failure(Failure::new(Code::Internal))
}

/// An answer's body, which keeps its connection from counting as idle.
pub(super) struct Counted {
    body: AxumBody,
    holds: Held,
    /// Who is charged for its bytes, where they are bounded.
    pays: Option<Arc<Client>>,
    /// The request's span, which ends with its answer.
    span: Active,
    /// What was not read of a request over HTTP/1: to drop it before the answer has
    /// gone would close the connection.
    _unread: Option<Incoming>,
}

/// How long an answer holds what it holds.
enum Held {
    /// Over HTTP/1, until its end was handed on: what is written after that is
    /// bounded for each connection.
    Body { _holds: Holds },
    /// Over HTTP/2, until its last byte was written.
    Bytes(Arc<Unsent>),
}

impl Held {
    fn new(http2: bool, holds: Holds) -> Self {
        match http2 {
            true => Self::Bytes(Unsent::new(holds)),
            false => Self::Body { _holds: holds },
        }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if let Held::Bytes(unsent) = &this.holds {
            ready!(unsent.poll_room(cx));
        }
        let frame = {
            let scope = this.span.scope();
            let _within = scope.enter();
            ready!(Pin::new(&mut this.body).poll_frame(cx))
        };
        if let Some(Err(error)) = &frame {
            this.span.fail(error);
        }
        if let (Some(payer), Some(Ok(frame))) = (&this.pays, &frame) {
            let moved = frame.data_ref().map_or(0, Bytes::len) as u64;
            payer.allowance.charge(moved, Instant::now());
        }
        Poll::Ready(match &this.holds {
            Held::Body { .. } => frame,
            Held::Bytes(unsent) => {
                frame.map(|frame| Ok(frame?.map_data(|bytes| unsent.piece(bytes))))
            }
        })
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

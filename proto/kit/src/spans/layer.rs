//! The calls of a gRPC server as spans that go on with their callers' traces.

use super::active::{Active, Scope, Within};
use super::context::Headers;
use super::tracer::Tracer;
use futures::FutureExt;
use futures::future::{Either, Map};
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// The longest path that is traced. Those of all methods are shorter; strangers, who are
/// refused, may send any.
const LONGEST: usize = 64;

/// Makes a span of each call that its caller traces. It lasts until the last answer is
/// handed on, and fails with the call's status.
pub fn continued(tracer: Tracer) -> Continue {
    Continue(tracer)
}

/// See [`continued`].
#[derive(Clone)]
pub struct Continue(Tracer);

impl<S> Layer<S> for Continue {
    type Service = Continued<S>;

    fn layer(&self, inner: S) -> Continued<S> {
        Continued {
            inner,
            tracer: self.0.clone(),
        }
    }
}

/// A server whose calls are traced.
#[derive(Clone)]
pub struct Continued<S> {
    inner: S,
    tracer: Tracer,
}

type Answered<E> = Result<Response<Body>, E>;
type Finish<E> = Box<dyn FnOnce(Answered<E>) -> Answered<E> + Send>;

impl<S, B> Service<Request<B>> for Continued<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Map<Within<S::Future>, Finish<S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let active = match path.len() <= LONGEST {
            true => self
                .tracer
                .continued(&Headers(request.headers()), || verb(path)),
            false => Active::default(),
        };
        if active.is_none() {
            return Either::Left(self.inner.call(request));
        }
        let (service, method) = parts(path);
        active.note("rpc.system", "grpc");
        active.note("rpc.service", service.to_owned());
        active.note("rpc.method", method.to_owned());
        let scope = active.scope();
        let within = active.scope().around(self.inner.call(request));
        let finish: Finish<S::Error> = Box::new(move |answered| {
            let response = answered?;
            note_status(&active, response.headers());
            Ok(response.map(|body| {
                Body::new(Spanned {
                    body,
                    active,
                    scope,
                })
            }))
        });
        Either::Right(within.map(finish))
    }
}

/// The stream of a call's answers.
struct Spanned {
    body: Body,
    active: Active,
    scope: Scope,
}

impl http_body::Body for Spanned {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let this = &mut *self;
        let _within = this.scope.enter();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    note_status(&this.active, trailers);
                }
            }
            Some(Err(status)) => this.active.fail(status),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn note_status(active: &Active, headers: &HeaderMap) {
    if let Some(status) = Status::from_header_map(headers) {
        active.note("rpc.grpc.status_code", i64::from(status.code() as i32));
        if status.code() != tonic::Code::Ok {
            active.fail(status.message());
        }
    }
}

/// The service and the method of a call.
fn parts(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or(("", path))
}

/// The verb that a method is called in the documents: `upload-file` for `UploadFile`.
fn verb(path: &str) -> String {
    let (_, method) = parts(path);
    let mut verb = String::with_capacity(method.len() + 2);
    for letter in method.chars() {
        if letter.is_ascii_uppercase() && !verb.is_empty() {
            verb.push('-');
        }
        verb.push(letter.to_ascii_lowercase());
    }
    verb
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::convert::Infallible;

    #[test]
    fn a_path_that_no_method_has_is_not_traced() {
        let tracer = Tracer::of(SdkTracerProvider::default().tracer("test"));
        let answer = |_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::default()));
        let mut traced = continued(tracer).layer(tower::service_fn(answer));
        let longest = format!("/{}", "A".repeat(LONGEST));
        for (path, is_traced) in [("/dfs.v1.Storage/TransferInSteps", true), (&longest, false)] {
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            let request = Request::post(path).header("traceparent", parent).body(());
            let called = traced.call(request.expect("a request"));
            assert_eq!(matches!(called, Either::Right(_)), is_traced, "{path}");
        }
    }

    #[test]
    fn a_method_is_called_by_its_verb() {
        for (path, called) in [
            ("/dfs.v1.Storage/UploadFile", "upload-file"),
            ("/dfs.v1.Storage/Seal", "seal"),
            ("/dfs.v1.Handover/ReceiveFile", "receive-file"),
            ("odd", "odd"),
        ] {
            assert_eq!(verb(path), called);
        }
    }
}

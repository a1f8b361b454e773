//! The span of a request, by the conventions of OpenTelemetry for HTTP servers. A file's name
//! stands in an attribute, and never in the span's name.

use super::routes::{Asked, method_label};
use http::{HeaderName, Request, Response};
use kit::spans::{Active, Headers, Tracer};
use proto::Code;

/// The longest path that is noted; that of a file is shorter.
const LONGEST_PATH: usize = 1024;

/// Begins the span, as a part of the trace that the request names.
pub(super) fn of<B>(tracer: &Tracer, request: &Request<B>) -> Active {
    if !tracer.is_on() {
        return Active::default();
    }
    let method = method_label(request.method());
    let path = request.uri().path();
    let route = Asked::of(request.method(), path).route();
    let span = tracer.request(&Headers(request.headers()), || match route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    });
    span.note("http.request.method", method);
    // A path is in ASCII.
    let noted = path.get(..path.len().min(LONGEST_PATH));
    span.note("url.path", noted.unwrap_or_default().to_owned());
    if let Some(route) = route {
        span.note("http.route", route);
    }
    span
}

/// Notes what was answered, with the request's id. By the conventions only what is the server's fault has failed.
pub(super) fn answered<B>(span: &Active, response: &Response<B>, id: &HeaderName) {
    if span.is_none() {
        return;
    }
    let status = response.status();
    span.note("http.response.status_code", i64::from(status.as_u16()));
    let id = response.headers().get(id);
    if let Some(id) = id.and_then(|id| id.to_str().ok()) {
        span.note("dfs.request.id", id.to_owned());
    }
    let code = response.extensions().get::<Code>();
    if let Some(code) = code {
        span.note("dfs.code", i64::from(code.number()));
    }
    if status.is_server_error() {
        span.note("error.type", status.as_str().to_owned());
        span.fail(code.map_or("", |code| code.message()));
    }
}

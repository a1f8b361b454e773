//! Answers that are long: one JSON object a line, as it is found.

use super::super::answer;
use crate::lines::{Lines, lines};
use crate::rest::Rest;
use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::Response;
use http::header::CONTENT_TYPE;
use manager_protocol::failure::Failure;
use proto::Code;
use serde::Serialize;
use std::fmt::Display;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long the answer waits for a task that fails at once, and so has a status of its own.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often an empty line says that the task goes on.
const BEAT: Duration = Duration::from_secs(10);

/// Answers with what a task finds. If the task breaks off, so does the answer: it never ends
/// as if it were whole.
///
/// # Errors
/// Code 1 for a task that breaks off at once.
pub(super) async fn answer<T, L, E, F>(
    rest: &Rest,
    what: &'static str,
    work: impl FnOnce(mpsc::Sender<T>) -> F,
) -> Result<Response<Body>, Failure>
where
    T: Send + 'static,
    L: From<T> + Serialize + 'static,
    E: Display + Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    let mut found = lines(work);
    let first = match tokio::time::timeout(AT_ONCE, found.next()).await {
        Ok(Some(Err(why))) => {
            let why = format!("{what} did not end: {why}");
            return Err(Failure::new(Code::ServersUnavailable).because(why));
        }
        Ok(None) => return Ok(response(Body::empty())),
        Ok(Some(Ok(line))) => Some(line),
        Err(_) => None,
    };
    let body = told::<T, L>(what, first, found, rest.shutdown.clone());
    Ok(response(Body::from_stream(body)))
}

fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, answer::NDJSON);
    answer::as_it_comes(fields);
    response
}

fn told<T, L>(
    what: &'static str,
    first: Option<T>,
    mut found: Lines<T>,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    T: Send + 'static,
    L: From<T> + Serialize + 'static,
{
    async_stream::stream! {
        if let Some(line) = first {
            yield text::<T, L>(line);
        }
        loop {
            tokio::select! {
                next = found.next() => match next {
                    Some(Ok(line)) => yield text::<T, L>(line),
                    Some(Err(why)) => {
                        yield Err(broke_off(what, &why));
                        break;
                    }
                    None => break,
                },
                () = tokio::time::sleep(BEAT) => yield Ok(Bytes::from_static(b"\n")),
                () = shutdown.cancelled() => {
                    yield Err(broke_off(what, &"the manager leaves"));
                    break;
                }
            }
        }
    }
}

fn broke_off(what: &str, why: &dyn Display) -> io::Error {
    tracing::warn!(%why, "{what} did not end");
    io::Error::other(why.to_string())
}

fn text<T, L: From<T> + Serialize>(found: T) -> io::Result<Bytes> {
    let mut text = serde_json::to_vec(&L::from(found))?;
    text.push(b'\n');
    Ok(text.into())
}

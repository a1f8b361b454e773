//! `PUT /file/{filename}`: the body is the file. And what the upload routes
//! share: the fields about the file, the check of its digests, the answer.

use super::answer::{self, Refusal};
use super::caller::Caller;
use super::patterns::{ID, NAME, SHA256};
use super::request_body::RequestBody;
use super::vet::tokens;
use super::{Rest, download, name};
use crate::format;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use futures::StreamExt;
use http::header::{
    CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, LOCATION,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use manager_body::digest::{CONTENT_DIGEST, Checker, REPR_DIGEST};
use manager_body::idempotency::IdempotencyKey;
use manager_body::{BodyError, media};
use manager_callers::link::Allows;
use manager_protocol::failure::Failure;
use manager_protocol::files::upload::{Stored, Upload, UploadMeta};
use manager_protocol::store::{Record, State};
use proto::{Code, FileName};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Serves the route.
pub(super) async fn put(Shared(rest): Shared<Arc<Rest>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut body = RequestBody::new(body, &rest.limits);
    let stored = store(&rest, &parts, &mut body).await;
    answered(&parts, stored)
}

/// Everything of an upload is dropped when this ends early, and what is dropped
/// leaves nothing behind (rule 6).
async fn store(rest: &Arc<Rest>, parts: &Parts, body: &mut RequestBody) -> Result<Stored, Refusal> {
    let headers = &parts.headers;
    let name = name::in_path(&parts.uri)?;
    refuse_parts_and_codings(headers)?;
    let content_type = content_type(headers)?;
    let key = key(headers)?;
    // Without a coding, content and representation are the same bytes.
    let mut checkers = [
        checker(headers, CONTENT_DIGEST)?,
        checker(headers, REPR_DIGEST)?,
    ];
    let caller = Caller::of(parts)?;
    if let Some(Allows::Put(most)) = caller.who.link() {
        body.at_most(most);
    }
    let size = body.length()?;
    let mut admitted = rest.gates.upload(&caller.client, &caller.waiters).await?;
    allowed(rest, parts, &name, key.as_deref()).await?;
    let mut upload = Upload::begin(&rest.core, caller.trace, caller.writes(), size);
    upload.name(&name, key.is_some()).await?;
    let budget = rest.admits.budget(&caller.who);
    upload.within(budget.as_ref(), size, key.is_some()).await?;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| body.refusal(error))?;
        for checker in checkers.iter_mut().flatten() {
            checker.update(&piece);
        }
        upload.push(admitted.hold(piece).await?).await?;
    }
    let received = upload.end();
    caller.client.counts().received(received.size);
    for checker in checkers.into_iter().flatten() {
        checker
            .finish(Some(&received.sha256), body.trailers())
            .map_err(Refusal::bad)?;
    }
    let meta = UploadMeta {
        name: name.clone(),
        content_type,
        idempotency_key: key,
        budget,
    };
    match received.commit(meta).await {
        Ok(stored) => Ok(stored),
        Err(failure) => {
            if failure.code == Code::FileNameExists {
                // Another upload came first.
                allowed(rest, parts, &name, None).await?;
            }
            Err(failure.into())
        }
    }
}

/// Checks the request's conditions against the file that has the name. A file that was
/// stored under the same key passes in any case: this request may repeat its upload.
async fn allowed(
    rest: &Rest,
    parts: &Parts,
    name: &FileName,
    key: Option<&str>,
) -> Result<(), Refusal> {
    let conditions = [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE];
    if !conditions
        .iter()
        .any(|field| parts.headers.contains_key(field))
    {
        return Ok(());
    }
    let found = rest.core.store.get(name).await.map_err(Failure::from)?;
    let file = found.filter(|record| !matches!(record.state, State::Pending));
    let repeated = file.as_ref().is_some_and(|file| {
        file.idempotency_key.is_some() && file.idempotency_key.as_deref() == key
    });
    match repeated || download::may_change(parts, file.as_ref()) {
        true => Ok(()),
        false => Err(download::precondition_failed()),
    }
}

/// Refuses what would store other bytes than the client means.
pub(super) fn refuse_parts_and_codings(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(CONTENT_RANGE) {
        // RFC 9110, section 14.5: a server that has no partial PUT says so.
        return Err(Refusal::bad("`Content-Range`: a file is uploaded whole"));
    }
    // The field may stand on several lines, each a list.
    let plain = tokens(headers, CONTENT_ENCODING)
        .all(|coding| coding.is_some_and(|coding| coding.eq_ignore_ascii_case("identity")));
    match plain {
        true => Ok(()),
        false => Err(Refusal::invalid(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "`Content-Encoding`: only identity is accepted",
        )),
    }
}

fn content_type(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| Refusal::bad("`Content-Type`: must be ASCII"))?;
    match media::checked(text) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(BodyError::Invalid { reason, .. }) => {
            Err(Refusal::bad(format_args!("`Content-Type`: {reason}")))
        }
        Err(other) => Err(Refusal::bad(other)),
    }
}

/// The `Idempotency-Key`.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let key = IdempotencyKey::parse(headers).map_err(Refusal::bad)?;
    Ok(key.map(|key| key.as_str().to_owned()))
}

/// A check of the file's bytes, whose SHA-256 is computed anyway.
pub(super) fn checker(
    headers: &HeaderMap,
    field: &'static str,
) -> Result<Option<Checker>, Refusal> {
    Checker::of(headers, field, true).map_err(Refusal::bad)
}

/// The answer to an upload.
#[derive(Serialize, JsonSchema)]
pub(super) struct Created<'a> {
    /// The file's name.
    #[schemars(length(min = 1, max = 255), regex(pattern = NAME))]
    filename: &'a str,
    /// Its id, which no other file ever has.
    #[schemars(regex(pattern = ID))]
    id: String,
    /// Bytes.
    size: u64,
    /// When it was stored, in RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    created: String,
    /// The media type given with the upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    /// SHA-256 of its bytes, in hex.
    #[schemars(regex(pattern = SHA256))]
    sha256: String,
}

/// The answer to an upload, and its file for the audit.
pub(super) fn answered(parts: &Parts, stored: Result<Stored, Refusal>) -> Response<Body> {
    match stored {
        Ok(stored) => {
            let record = stored.record();
            if let Ok(caller) = Caller::of(parts) {
                caller.is_about(&record.name, Some(record.id));
            }
            created(record)
        }
        Err(refusal) => refusal.response(),
    }
}

/// The answer to an upload: all from the record, so that a repetition gets the
/// first answer again.
fn created(record: &Record) -> Response<Body> {
    let body = Created {
        filename: record.name.as_str(),
        id: record.id.to_string(),
        size: record.size,
        created: format::rfc3339(record.created_ms),
        content_type: record.content_type.as_deref(),
        sha256: format::hex(&record.sha256),
    };
    let mut response = answer::json(StatusCode::CREATED, &body);
    let Ok(location) = HeaderValue::from_str(&name::path_of(&record.name)) else {
        return answer::failure(Failure::new(Code::Internal));
    };
    response.headers_mut().insert(LOCATION, location);
    response
        .headers_mut()
        .insert(ETAG, download::etag(record, false));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_or_coded_upload_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("Identity"));
        assert!(refuse_parts_and_codings(&headers).is_ok());
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let refusal = refuse_parts_and_codings(&headers).expect_err("coded");
        assert_eq!(refusal.response().status(), 415);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity, gzip"));
        assert!(refuse_parts_and_codings(&headers).is_err());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_RANGE, HeaderValue::from_static("bytes 0-1/2"));
        assert!(refuse_parts_and_codings(&headers).is_err());
    }
}

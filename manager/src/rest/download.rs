//! `GET` and `HEAD` of `/file/{filename}`: which representation, which part of
//! it, under which conditions, and the head of the answer.

use super::answer::Refusal;
use super::caller::Caller;
use super::{Rest, answer, file_body, name};
use crate::format;
use crate::metrics::Counts;
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use manager_body::conditional::{self, Outcome, Validators};
use manager_body::digest::{self, Algorithm};
use manager_body::range::{self, Framing, Part};
use manager_body::{accept, disposition, media};
use manager_callers::link::Allows;
use manager_protocol::failure::Failure;
use manager_protocol::files::download::{Found, ReadError, find};
use manager_protocol::store::Record;
use proto::{Code, FileName};
use std::sync::Arc;
use std::time::SystemTime;

const OTHER_FILE: &str = "the link was for an earlier file of this name";
const NOT_WANTED: &str = "the file is not the one that is wanted";

/// How often a name is looked up anew because it stands for another file.
const TRIES: usize = 5;

static CONTENT_DIGEST: HeaderName = HeaderName::from_static(digest::CONTENT_DIGEST);
static REPR_DIGEST: HeaderName = HeaderName::from_static(digest::REPR_DIGEST);

/// Serves the route, `HEAD` included.
pub(super) async fn get(State(rest): State<Arc<Rest>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    match serve(&rest, &parts).await {
        Ok(response) => response,
        Err(failure) => answer::failure(failure),
    }
}

async fn serve(rest: &Arc<Rest>, parts: &Parts) -> Result<Response<Body>, Failure> {
    let name: FileName = name::in_path(&parts.uri)?;
    let caller = Caller::of(parts)?;
    // Before the name is looked up, which costs the store and the node.
    let place = match parts.method == Method::HEAD {
        true => rest.gates.request(&caller.client).await?,
        false => rest.gates.download(&caller.client).await?,
    };
    for _ in 0..TRIES {
        let found = find(&rest.core, caller.trace, &caller.client.reads, &name).await?;
        if caller
            .who
            .link()
            .is_some_and(|link| link != Allows::Get(found.record.id))
        {
            return Err(Failure::new(Code::FileDoesNotExist).because(OTHER_FILE));
        }
        match respond(caller.client.counts(), parts, found).await {
            Ok(response) => {
                caller.hold(place);
                return Ok(response);
            }
            // No byte has left yet, so another file may be answered (rule 12).
            Err(ReadError::Superseded) => {}
            Err(ReadError::Failed(failure)) => return Err(failure),
        }
    }
    Err(Failure::new(Code::FileUnavailable).because("it keeps being replaced"))
}

/// What to answer of a file that exists.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    NotModified,
    PreconditionFailed,
    Unsatisfiable,
    Json,
    Whole,
    One(Part),
    Several(Vec<Part>),
}

fn plan(method: &Method, headers: &HeaderMap, record: &Record, json: bool) -> Plan {
    let tag = tag(record, json);
    let current = Validators {
        etags: &[tag.as_str()],
        last_modified: created(record),
    };
    match conditional::evaluate(method, headers, Some(current)) {
        Outcome::NotModified => Plan::NotModified,
        Outcome::PreconditionFailed => Plan::PreconditionFailed,
        // The JSON form has no ranges.
        Outcome::Proceed { .. } if json => Plan::Json,
        Outcome::Proceed {
            range_applies: false,
        } => Plan::Whole,
        Outcome::Proceed {
            range_applies: true,
        } => {
            let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
            match range::decide(asked, record.size) {
                range::Answer::Full => Plan::Whole,
                range::Answer::Single(part) => Plan::One(part),
                range::Answer::Multi(parts) => Plan::Several(parts),
                range::Answer::Unsatisfiable => Plan::Unsatisfiable,
            }
        }
    }
}

async fn respond(
    counts: &Arc<Counts>,
    parts: &Parts,
    mut found: Found,
) -> Result<Response<Body>, ReadError> {
    let kind = content_type(&found.record).to_owned();
    let json = accept::prefers_json(&parts.headers, &kind);
    let plan = plan(&parts.method, &parts.headers, &found.record, json);
    let head_only = parts.method == Method::HEAD;
    let mut response = match plan {
        Plan::NotModified | Plan::PreconditionFailed | Plan::Unsatisfiable => {
            // These too say that the file exists (rule 12).
            found.confirm().await?;
            bodiless(&plan, &found.record)
        }
        Plan::Json | Plan::Whole | Plan::One(_) | Plan::Several(_) if head_only => {
            found.confirm().await?;
            let body = Body::empty();
            if json {
                json_head(&found.record, body)
            } else {
                whole_head(&found.record, &kind, body)
            }
        }
        Plan::Json => {
            let body = file_body::json(counts, &mut found).await?;
            json_head(&found.record, body)
        }
        Plan::Whole => {
            let body = file_body::range(counts, &mut found, None).await?;
            whole_head(&found.record, &kind, body)
        }
        Plan::One(part) => {
            let body = file_body::range(counts, &mut found, Some(part)).await?;
            let size = found.record.size;
            let mut response =
                answer::head(StatusCode::PARTIAL_CONTENT, part.len, value(&kind), body);
            raw_fields(response.headers_mut(), &found.record);
            response
                .headers_mut()
                .insert(CONTENT_RANGE, value(part.content_range(size)));
            response
        }
        Plan::Several(ranges) => {
            let boundary = uuid::Uuid::new_v4().simple().to_string();
            let framing = Framing::new(&boundary, &kind, found.record.size);
            let (length, kind) = (
                framing.content_length(&ranges),
                value(framing.content_type()),
            );
            let record = found.record.clone();
            let body = file_body::several(counts, found, framing, ranges).await?;
            let mut response = answer::head(StatusCode::PARTIAL_CONTENT, length, kind, body);
            raw_fields(response.headers_mut(), &record);
            validators(response.headers_mut(), &record, json);
            return Ok(response);
        }
    };
    validators(response.headers_mut(), &found.record, json);
    Ok(response)
}

fn bodiless(plan: &Plan, record: &Record) -> Response<Body> {
    let refuse = |status, why: &str| {
        answer::failure_as(status, Failure::new(Code::InvalidRequest).because(why))
    };
    match plan {
        Plan::PreconditionFailed => refuse(StatusCode::PRECONDITION_FAILED, NOT_WANTED),
        Plan::Unsatisfiable => {
            let why = format!("`Range`: the file has {} bytes", record.size);
            let mut response = refuse(StatusCode::RANGE_NOT_SATISFIABLE, &why);
            let size = value(range::unsatisfied_content_range(record.size));
            response.headers_mut().insert(CONTENT_RANGE, size);
            response
        }
        Plan::NotModified | Plan::Json | Plan::Whole | Plan::One(_) | Plan::Several(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
    }
}

fn json_head(record: &Record, body: Body) -> Response<Body> {
    let id = record.id.to_string();
    let length = file_body::envelope(record, &id).content_length();
    answer::head(StatusCode::OK, length, answer::JSON, body)
}

fn whole_head(record: &Record, kind: &str, body: Body) -> Response<Body> {
    let mut response = answer::head(StatusCode::OK, record.size, value(kind), body);
    raw_fields(response.headers_mut(), record);
    // Without a coding, the content is the representation.
    let digest = response.headers().get(&REPR_DIGEST).cloned();
    if let Some(digest) = digest {
        response
            .headers_mut()
            .insert(CONTENT_DIGEST.clone(), digest);
    }
    response
}

/// The fields about the raw bytes, of the whole file or a part.
fn raw_fields(headers: &mut HeaderMap, record: &Record) {
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        CONTENT_DISPOSITION,
        value(disposition::attachment(record.name.as_str())),
    );
    let digest = digest::field_value(Algorithm::Sha256, &record.sha256);
    headers.insert(REPR_DIGEST.clone(), value(digest));
}

/// What lets clients and caches ask again cheaply. A name may be deleted and given to
/// another file at any time, so a cache has to ask each time.
fn validators(headers: &mut HeaderMap, record: &Record, json: bool) {
    headers.insert(ETAG, etag(record, json));
    headers.insert(
        LAST_MODIFIED,
        value(httpdate::fmt_http_date(created(record))),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer::vary_by_accept(headers);
}

/// The strong entity tag: an id stands for the same bytes for ever, and the
/// JSON form is another representation.
pub(super) fn etag(record: &Record, json: bool) -> HeaderValue {
    value(tag(record, json))
}

fn tag(record: &Record, json: bool) -> String {
    let form = if json { "-json" } else { "" };
    format!("\"{}{form}\"", record.id)
}

/// Whether the conditions of a request that changes a file allow it; they are
/// about all of its forms.
pub(super) fn may_change(parts: &Parts, record: Option<&Record>) -> bool {
    let tags = record.map(|record| [tag(record, false), tag(record, true)]);
    let tags = tags
        .as_ref()
        .map(|[raw, json]| [raw.as_str(), json.as_str()]);
    let current = record.zip(tags.as_ref()).map(|(record, tags)| Validators {
        etags: tags,
        last_modified: created(record),
    });
    match conditional::evaluate(&parts.method, &parts.headers, current) {
        Outcome::Proceed { .. } => true,
        Outcome::PreconditionFailed | Outcome::NotModified => false,
    }
}

/// The answer to a request whose conditions do not hold.
pub(super) fn precondition_failed() -> Refusal {
    Refusal::invalid(StatusCode::PRECONDITION_FAILED, NOT_WANTED)
}

fn content_type(record: &Record) -> &str {
    record
        .content_type
        .as_deref()
        .unwrap_or_else(|| media::guess(record.name.as_str()))
}

fn created(record: &Record) -> SystemTime {
    format::moment(record.created_ms)
}

/// A value that is visible ASCII by construction. A content type was checked on upload;
/// one that a damaged record holds is not passed on.
fn value<T>(text: T) -> HeaderValue
where
    HeaderValue: TryFrom<T>,
{
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(media::UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(size: u64) -> Record {
        manager_protocol::sim::sample::record("a.txt", size)
    }

    fn planned(
        method: &Method,
        (name, text): &(HeaderName, &str),
        record: &Record,
        json: bool,
    ) -> Plan {
        let headers = HeaderMap::from_iter([(name.clone(), value(*text))]);
        plan(method, &headers, record, json)
    }

    #[test]
    fn ranges_are_of_the_bytes_and_for_get_alone() {
        let record = record(10);
        let range = (RANGE, "bytes=2-3");
        let part = Plan::One(Part { start: 2, len: 2 });
        assert_eq!(planned(&Method::GET, &range, &record, false), part);
        assert_eq!(planned(&Method::HEAD, &range, &record, false), Plan::Whole);
        assert_eq!(planned(&Method::GET, &range, &record, true), Plan::Json);
        let outside = (RANGE, "bytes=10-");
        assert_eq!(
            planned(&Method::GET, &outside, &record, false),
            Plan::Unsatisfiable
        );
    }

    #[test]
    fn the_two_forms_have_tags_of_their_own() {
        let record = record(10);
        let seen = tag(&record, false);
        let condition = (http::header::IF_NONE_MATCH, seen.as_str());
        assert_eq!(
            planned(&Method::GET, &condition, &record, false),
            Plan::NotModified
        );
        assert_eq!(planned(&Method::GET, &condition, &record, true), Plan::Json);
        let wanted = (http::header::IF_MATCH, seen.as_str());
        assert_eq!(planned(&Method::GET, &wanted, &record, false), Plan::Whole);
        assert_eq!(
            planned(&Method::GET, &wanted, &record, true),
            Plan::PreconditionFailed
        );
    }
}

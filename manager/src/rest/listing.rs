//! `GET /files`: names in their order, as one JSON page or as NDJSON. Either is
//! read from the store in steps as the client takes it, so that memory does not
//! grow with the page (invariant 9).

use super::Rest;
use super::answer::{self, Refusal};
use super::caller::Caller;
use super::patterns::{ID, NAME, SHA256};
use super::query::{DEFAULT_LIMIT, ListQuery};
use crate::format;
use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response};
use manager_body::accept;
use manager_protocol::core::Core;
use manager_protocol::failure::Failure;
use manager_protocol::store::{Record, StoreError};
use schemars::JsonSchema;
use serde::Serialize;
use std::io;
use std::sync::Arc;

/// Records that one step takes from the store.
const STEP: usize = 500;

/// One file of a listing.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedFile")]
pub(super) struct FileLine<'a> {
    /// Its name.
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
    /// The node that holds it.
    node: &'a str,
    /// The media type given on upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    /// SHA-256 of its bytes, in hex.
    #[schemars(regex(pattern = SHA256))]
    sha256: String,
}

/// A page of a listing.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "pages are written as streams, this only describes them"
)]
pub(super) struct Page<'a> {
    /// The files.
    files: Vec<FileLine<'a>>,
    /// What `after` takes for the page that follows; missing on the last one.
    #[schemars(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<'a> From<&'a Record> for FileLine<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            filename: record.name.as_str(),
            id: record.id.to_string(),
            size: record.size,
            created: format::rfc3339(record.created_ms),
            node: record.node.as_str(),
            content_type: record.content_type.as_deref(),
            sha256: format::hex(&record.sha256),
        }
    }
}

/// Serves the route.
pub(super) async fn list(State(rest): State<Arc<Rest>>, request: Request) -> Response<Body> {
    let form = match accept::prefers_ndjson(request.headers()) {
        true => Form::Ndjson,
        false => Form::Json,
    };
    match answer_list(&rest, &request.into_parts().0, form).await {
        Ok(response) => response,
        Err(refusal) => refusal.response(),
    }
}

async fn answer_list(
    rest: &Arc<Rest>,
    parts: &Parts,
    form: Form,
) -> Result<Response<Body>, Refusal> {
    let query = ListQuery::parse(parts.uri.query().unwrap_or_default())?;
    let caller = Caller::of(parts)?;
    caller.who.may_list(&query.prefix)?;
    let place = rest.gates.download(&caller.client).await?;
    let mut walk = Walk {
        core: rest.core.clone(),
        left: query.limit.unwrap_or(form.default_limit()),
        prefix: query.prefix,
        after: query.after,
    };
    // The first step before the answer begins: a store that is away is code 1.
    let first = walk.step().await.map_err(Failure::from)?;
    let body = match first.end {
        Some(_) => Body::from(Bytes::from(form.text(&first, true)?)),
        None => Body::from_stream(stream(walk, first, form)),
    };
    let mut response = Response::new(body);
    caller.hold(place);
    response.headers_mut().insert(CONTENT_TYPE, form.media());
    answer::vary_by_accept(response.headers_mut());
    Ok(response)
}

fn stream(
    mut walk: Walk,
    first: Step,
    form: Form,
) -> impl futures::Stream<Item = io::Result<Bytes>> + Send {
    async_stream::try_stream! {
        let mut step = first;
        let mut begins = true;
        loop {
            yield Bytes::from(form.text(&step, begins).map_err(io::Error::other)?);
            if step.end.is_some() {
                break;
            }
            begins = false;
            step = walk.step().await.map_err(io::Error::other)?;
        }
    }
}

/// A walk over the records in name order.
struct Walk {
    core: Arc<Core>,
    prefix: String,
    after: Option<String>,
    left: usize,
}

/// Records in a row, and whether they end the listing.
struct Step {
    records: Vec<Record>,
    end: Option<End>,
}

/// The end of a listing, with the cursor for more if there is more.
struct End {
    next: Option<String>,
}

impl Walk {
    async fn step(&mut self) -> Result<Step, StoreError> {
        let wanted = self.left.min(STEP);
        // One more than wanted shows whether there is more.
        let found = self
            .core
            .store
            .page(&self.prefix, self.after.as_deref(), wanted + 1);
        let mut records = found.await?;
        let more = records.len() > wanted;
        records.truncate(wanted);
        self.left -= records.len();
        self.after = records.last().map(|record| record.name.to_string());
        let end = match (more, self.left) {
            (false, _) => Some(End { next: None }),
            (true, 0) => Some(End {
                next: self.after.clone(),
            }),
            (true, _) => None,
        };
        Ok(Step { records, end })
    }
}

/// How a listing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Ndjson,
}

impl Form {
    fn default_limit(self) -> usize {
        match self {
            Self::Json => DEFAULT_LIMIT,
            Self::Ndjson => usize::MAX,
        }
    }

    fn media(self) -> HeaderValue {
        match self {
            Self::Json => answer::JSON,
            Self::Ndjson => answer::NDJSON,
        }
    }

    /// A step's text; `begins` with what comes before the first file.
    fn text(self, step: &Step, begins: bool) -> Result<Vec<u8>, Failure> {
        self.write(step, begins).map_err(|error| {
            tracing::error!(%error, "a listing has no JSON form");
            Failure::new(proto::Code::Internal)
        })
    }

    fn write(self, step: &Step, begins: bool) -> serde_json::Result<Vec<u8>> {
        let mut text = Vec::with_capacity(step.records.len() * 256 + 32);
        if self == Self::Json && begins {
            text.extend(b"{\"files\":[");
        }
        for (at, record) in step.records.iter().enumerate() {
            if self == Self::Json && (at > 0 || !begins) {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, &FileLine::from(record))?;
            if self == Self::Ndjson {
                text.push(b'\n');
            }
        }
        if let (Self::Json, Some(end)) = (self, &step.end) {
            text.push(b']');
            if let Some(next) = &end.next {
                text.extend(b",\"next\":");
                serde_json::to_writer(&mut text, next)?;
            }
            text.push(b'}');
        }
        Ok(text)
    }
}

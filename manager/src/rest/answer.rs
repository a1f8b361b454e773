//! Answers in JSON, errors above all: `{"code","message","detail"}`.

use axum::body::Body;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use manager_callers::Denied;
use manager_protocol::failure::{Failure, Wrong};
use proto::{Code, CodeMeaning};
use schemars::JsonSchema;
use serde::Serialize;

/// The media type of every JSON answer.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The media type of an object a line.
pub(super) const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// The media type of server-sent events.
pub(super) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Header fields that answers have, except rare ones.
const FIELDS: usize = 13;

/// An error.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(super) struct ErrorBody<'a> {
    /// The result code, 1 to 9.
    #[schemars(range(min = 1, max = 9))]
    code: u8,
    /// What the code says.
    message: &'static str,
    /// What helps beyond that.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// Why a request is refused, with a status that may say more than the code's.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    failure: Failure,
}

impl Refusal {
    /// Code 6 with a status of its own.
    pub(super) fn invalid(status: StatusCode, why: impl std::fmt::Display) -> Self {
        let failure = Failure::new(Code::InvalidRequest).because(why);
        Self { status, failure }
    }

    /// Code 6, 400.
    pub(super) fn bad(why: impl std::fmt::Display) -> Self {
        Self::invalid(StatusCode::BAD_REQUEST, why)
    }

    /// Code 7, 403: the caller is known, and may not do this.
    pub(super) fn forbidden(why: impl std::fmt::Display) -> Self {
        let failure = Failure::new(Code::NotAuthorized).because(why);
        let status = StatusCode::FORBIDDEN;
        Self { status, failure }
    }

    /// Code 7, 401: whoever calls is not known.
    pub(super) fn unauthorized(why: impl std::fmt::Display) -> Self {
        let failure = Failure::new(Code::NotAuthorized).because(why);
        let status = StatusCode::UNAUTHORIZED;
        Self { status, failure }
    }

    /// The answer.
    pub(super) fn response(self) -> Response<Body> {
        failure_as(self.status, self.failure)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing | Denied::Unknown => Self::unauthorized(denied),
            Denied::Forbidden { .. } => Self::forbidden(denied),
            Denied::Away(_) => Failure::new(Code::ServersUnavailable)
                .because(denied)
                .into(),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            status: status_of_failure(&failure),
            failure,
        }
    }
}

/// The answer to a request that failed.
pub(super) fn failure(failure: Failure) -> Response<Body> {
    failure_as(status_of_failure(&failure), failure)
}

/// As [`failure`], with a status that says more than the code's own.
pub(super) fn failure_as(status: StatusCode, failure: Failure) -> Response<Body> {
    let body = ErrorBody {
        code: failure.code.number(),
        message: failure.code.message(),
        detail: failure.detail.as_deref(),
    };
    let mut response = json(status, &body);
    if let Some(seconds) = failure.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    // The front counts answers by their codes.
    response.extensions_mut().insert(failure.code);
    response
}

/// A proxy must not collect what comes little by little.
static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The answer is handed on as it comes, and kept by nobody.
pub(super) fn as_it_comes(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING.clone(), HeaderValue::from_static("no"));
}

/// Another `Accept` gets another answer.
pub(super) fn vary_by_accept(headers: &mut HeaderMap) {
    headers.insert(VARY, HeaderValue::from_static("accept"));
}

/// The answer to a path that nothing is at.
pub(super) fn no_such_path(uri: &Uri) -> Response<Body> {
    let why = format!("no such path: {}", uri.path());
    failure_as(
        StatusCode::NOT_FOUND,
        Failure::new(Code::InvalidRequest).because(why),
    )
}

/// The status of a code, unless a more precise one is given.
pub(super) fn status_of(code: Code) -> StatusCode {
    StatusCode::from_u16(CodeMeaning::of(code).http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn status_of_failure(failure: &Failure) -> StatusCode {
    match failure.wrong {
        Wrong::Request => status_of(failure.code),
        Wrong::Unknown => StatusCode::NOT_FOUND,
        Wrong::Conflict => StatusCode::CONFLICT,
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => bytes(status, JSON, text.into()),
        Err(error) => {
            tracing::error!(%error, "an answer has no JSON form");
            bytes(
                StatusCode::INTERNAL_SERVER_ERROR,
                JSON,
                Bytes::from_static(br#"{"code":5,"message":"Internal error"}"#),
            )
        }
    }
}

/// An answer whose body is in memory.
pub(super) fn bytes(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Body> {
    let length = body.len() as u64;
    head(status, length, kind, Body::from(body))
}

/// An answer of a known length. Its map of fields has room for those that are added on
/// its way out: a map that grows copies and hashes what it has, for each answer.
pub(super) fn head(
    status: StatusCode,
    length: u64,
    kind: HeaderValue,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(FIELDS);
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CONTENT_LENGTH, length.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    async fn body(response: Response<Body>) -> Value {
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    }

    #[tokio::test]
    async fn an_error_is_its_code_its_message_and_what_helps() {
        let response = failure(Failure::new(Code::ServersUnavailable).because("none joined"));
        assert_eq!(
            (response.status(), &response.headers()[RETRY_AFTER]),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                &HeaderValue::from_static("1")
            )
        );
        let told = json!({"code": 1, "message": "Servers unavailable", "detail": "none joined"});
        assert_eq!(body(response).await, told);
        let response = failure(Failure::new(Code::FileDoesNotExist));
        assert!(!response.headers().contains_key(RETRY_AFTER));
        assert_eq!(
            body(response).await,
            json!({"code": 2, "message": "File does not exist"})
        );
    }

    #[test]
    fn every_code_has_the_status_of_the_contract() {
        let all: Vec<u16> = Code::ALL
            .iter()
            .map(|code| status_of(*code).as_u16())
            .collect();
        assert_eq!(all, [503, 404, 409, 503, 500, 400, 401, 507, 429]);
    }
}

//! Why a call failed, and whether it may succeed later.

use crate::digest::Digest;
use crate::mismatch::Mismatch;
use crate::{Code, InvalidFileName};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The field with the request's id in the logs of the service.
const REQUEST_ID: &str = "x-request-id";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no name of a file.
    #[error(transparent)]
    Name(#[from] InvalidFileName),
    /// A setting of the client is wrong.
    #[error("{what}: {why}")]
    Setting {
        /// Which.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token can't be read.
    #[error("reading the token from {}", path.display())]
    Token {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No token was given to call with.
    #[error("asking for the token to call with")]
    TokenSource {
        /// Why.
        source: io::Error,
    },
    /// The service refused.
    #[error("{0}")]
    Refused(Refusal),
    /// No answer came: whether the service carried it out is not known.
    #[error("no answer from {url}")]
    NoAnswer {
        /// Whom it asked.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// For this long nothing went to the service, and nothing came.
    #[error("no answer from {url} in {} s", waited.as_secs())]
    Silent {
        /// Whom it asked.
        url: String,
        /// How long.
        waited: Duration,
    },
    /// Whoever answered is not this service, or is a version that is not understood.
    #[error("{url} gave an answer that is not understood: {why}")]
    NotUnderstood {
        /// Whom it asked.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// While it was read, the file was deleted, and maybe another one got its name.
    #[error("{filename} is not the file any more that it was")]
    Changed {
        /// Its name.
        filename: String,
    },
    /// A download ended before its last byte.
    #[error("{filename} ended too soon, after {received} bytes")]
    Short {
        /// Its name.
        filename: String,
        /// What had come.
        received: u64,
    },
    /// What came has another digest than the file.
    #[error("{filename} came damaged: its SHA-256 is {expected}, that of what came {received}")]
    Damaged {
        /// Its name.
        filename: String,
        /// What the service states.
        expected: Digest,
        /// What came.
        received: Digest,
    },
    /// What the service stored has another digest than what was sent.
    #[error("{filename} was damaged on its way: {}", match left {
        None => "it was deleted again".to_owned(),
        Some(why) => format!("what was stored is still there ({why})"),
    })]
    StoredDamaged {
        /// Its name.
        filename: String,
        /// Why it could not be deleted again.
        left: Option<Box<Error>>,
    },
    /// What is to be stored can't be read.
    #[error("reading {what}")]
    Source {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// What was fetched can't be written.
    #[error("writing {}", path.display())]
    Target {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It might succeed at another attempt, but what was to be stored can be read only once.
    #[error("{}", match source.is_uncertain() {
        true => "it may have been stored, and can't be read a second time",
        false => "it was not stored, and can't be read a second time",
    })]
    ReadOnce {
        /// Why it failed.
        source: Box<Error>,
    },
}

/// What the service answers instead of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The result code; `None` where the service itself did not answer.
    pub code: Option<Code>,
    /// What the code says.
    pub message: String,
    /// What helps beyond that.
    pub detail: Option<String>,
    /// How long to wait before it is tried again.
    pub retry_after: Option<Duration>,
    /// The request's id in the logs of the service.
    pub request_id: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    code: u8,
    message: String,
    detail: Option<String>,
}

impl Error {
    pub(crate) fn setting(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::Setting {
            what: what.into(),
            why: why.to_string(),
        }
    }

    pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        Self::Refused(Refusal::new(status, headers, body))
    }

    /// What the service answered, where that is the reason.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::ReadOnce { source } => source.refusal(),
            Self::Name(_)
            | Self::Setting { .. }
            | Self::Token { .. }
            | Self::TokenSource { .. }
            | Self::NoAnswer { .. }
            | Self::Silent { .. }
            | Self::NotUnderstood { .. }
            | Self::Changed { .. }
            | Self::Short { .. }
            | Self::Damaged { .. }
            | Self::StoredDamaged { .. }
            | Self::Source { .. }
            | Self::Target { .. } => None,
        }
    }

    /// The result code, where the service gave one.
    pub fn code(&self) -> Option<Code> {
        self.refusal()?.code
    }

    /// What does not fit between the client and whoever answered, where that is the reason.
    pub fn mismatch(&self) -> Option<Mismatch> {
        match self {
            Self::NoAnswer { source, .. } => Mismatch::of(source).filter(|found| {
                // Later it is a byte that changed on its way.
                *found != Mismatch::NoTls || source.is_connect()
            }),
            Self::ReadOnce { source } => source.mismatch(),
            _ => None,
        }
    }

    /// Whether the service refused by a status alone that stands for several codes.
    pub(crate) fn lacks_code(&self) -> bool {
        self.refusal().is_some_and(|refusal| {
            let is_ours = refusal.request_id.is_some();
            is_ours && refusal.code.is_none() && refusal.status == StatusCode::SERVICE_UNAVAILABLE
        })
    }

    /// Whether the service has another file of that name, or none.
    pub fn is_gone(&self) -> bool {
        self.refusal().is_some_and(|refusal| {
            refusal.code == Some(Code::FileDoesNotExist)
                || refusal.status == StatusCode::PRECONDITION_FAILED
        })
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_retryable(),
            // A request that can't be made is never sent, and who is not trusted now is not
            // trusted later.
            Self::NoAnswer { source, .. } => !source.is_builder() && self.mismatch().is_none(),
            Self::Silent { .. } | Self::Short { .. } | Self::ReadOnce { .. } => true,
            Self::Name(_)
            | Self::Setting { .. }
            | Self::Token { .. }
            | Self::TokenSource { .. }
            | Self::NotUnderstood { .. }
            | Self::Changed { .. }
            | Self::Damaged { .. }
            | Self::StoredDamaged { .. }
            | Self::Source { .. }
            | Self::Target { .. } => false,
        }
    }

    /// Whether the service may have carried out, or may still carry out, what was asked for.
    pub(crate) fn is_uncertain(&self) -> bool {
        match self {
            Self::NoAnswer { source, .. } => !source.is_connect(),
            Self::Silent { .. } => true,
            Self::Refused(refusal) => {
                refusal.is_retryable() && refusal.code != Some(Code::TooManyRequests)
            }
            Self::Name(_)
            | Self::Setting { .. }
            | Self::Token { .. }
            | Self::TokenSource { .. }
            | Self::NotUnderstood { .. }
            | Self::Changed { .. }
            | Self::Short { .. }
            | Self::Damaged { .. }
            | Self::StoredDamaged { .. }
            | Self::Source { .. }
            | Self::Target { .. }
            | Self::ReadOnce { .. } => false,
        }
    }
}

impl Refusal {
    fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let field = |name: &str| headers.get(name)?.to_str().ok();
        let retry_after = field(RETRY_AFTER.as_str()).and_then(until);
        let told = serde_json::from_slice::<Body>(body).ok();
        let request_id = field(REQUEST_ID);
        // The answer to a `HEAD` has no body: its status stands for the code. Whoever gives no
        // id is no file server.
        let of_status = of_status(status).filter(|_| body.is_empty() && request_id.is_some());
        let (code, message, detail) = match (told, of_status) {
            (Some(body), _) => (code(body.code), body.message, body.detail),
            (None, Some(code)) => (Some(code), code.message().to_owned(), None),
            (None, None) => {
                let reason = status.canonical_reason().unwrap_or("refused");
                let elsewhere = field(LOCATION.as_str()).filter(|_| status.is_redirection());
                let elsewhere = elsewhere.map(|to| format!("it is at {to} now: ask there"));
                let strange = request_id.is_none().then(|| stranger(status)).flatten();
                let detail = elsewhere.or(strange.map(str::to_owned));
                (None, reason.to_owned(), detail)
            }
        };
        Self {
            status,
            code,
            message,
            detail,
            retry_after,
            request_id: request_id.map(str::to_owned),
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self.code {
            Some(Code::ServersUnavailable | Code::FileUnavailable | Code::TooManyRequests) => true,
            Some(Code::InvalidRequest) => self.status == StatusCode::REQUEST_TIMEOUT,
            Some(
                Code::FileDoesNotExist
                | Code::FileNameExists
                | Code::Internal
                | Code::NotAuthorized
                | Code::InsufficientStorage,
            ) => false,
            // A proxy in front of the service, or behind another one.
            None => matches!(
                self.status,
                StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
        }
    }
}

/// The time that `Retry-After` gives: seconds, or a date.
fn until(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// What whoever is no file server may mean by this.
fn stranger(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::NOT_FOUND => Some("no file server answers there: is the URL right?"),
        // To plain HTTP at a port that speaks TLS, also of the file server itself.
        StatusCode::BAD_REQUEST => {
            Some("is the URL right? It must begin with https:// if that port speaks TLS")
        }
        _ => None,
    }
}

fn code(number: u8) -> Option<Code> {
    Code::ALL.into_iter().find(|code| code.number() == number)
}

/// The code of a status that has only one.
fn of_status(status: StatusCode) -> Option<Code> {
    match status {
        StatusCode::NOT_FOUND => Some(Code::FileDoesNotExist),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Code::NotAuthorized),
        StatusCode::TOO_MANY_REQUESTS => Some(Code::TooManyRequests),
        StatusCode::BAD_REQUEST => Some(Code::InvalidRequest),
        StatusCode::INTERNAL_SERVER_ERROR => Some(Code::Internal),
        // A 503 is of code 1 or 4.
        _ => None,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.code {
            Some(code) => write!(f, " (code {})", code.number())?,
            None => write!(f, " (HTTP {})", self.status.as_u16())?,
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        headers.insert(REQUEST_ID, "79bcf96a905b8871".parse().unwrap());
        Refusal::new(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
        )
    }

    #[test]
    fn a_refusal_has_all_that_the_service_told() {
        let body = r#"{"code":9,"message":"Too many requests","detail":"uploads: 768 at once"}"#;
        let refusal = refusal(429, body);
        assert_eq!(refusal.code, Some(Code::TooManyRequests));
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(refusal.request_id.as_deref(), Some("79bcf96a905b8871"));
        let text = "Too many requests (code 9): uploads: 768 at once";
        assert_eq!(refusal.to_string(), text);
    }

    #[test]
    fn who_is_not_the_service_is_named_by_its_status() {
        let refusal = refusal(502, "<html>");
        assert_eq!(refusal.to_string(), "Bad Gateway (HTTP 502)");
        assert_eq!(refusal.code, None);
    }

    #[test]
    fn an_empty_answer_of_who_is_no_file_server_says_nothing_of_a_file() {
        let known = refusal(404, "");
        assert_eq!(known.code, Some(Code::FileDoesNotExist));
        let strange = Refusal::new(StatusCode::NOT_FOUND, &HeaderMap::new(), b"");
        assert_eq!(strange.code, None);
        let text = "Not Found (HTTP 404): no file server answers there: is the URL right?";
        assert_eq!(strange.to_string(), text);
    }

    #[test]
    fn a_stranger_that_takes_no_plain_http_may_speak_tls() {
        let strange = Refusal::new(StatusCode::BAD_REQUEST, &HeaderMap::new(), b"");
        assert!(strange.to_string().contains("https://"), "{strange}");
        let known = refusal(400, "");
        assert!(!known.to_string().contains("https://"), "{known}");
    }

    #[test]
    fn what_passes_is_tried_again_and_nothing_else() {
        let retryable = [(503, 1), (503, 4), (429, 9), (408, 6)];
        let final_ones = [
            (404, 2),
            (409, 3),
            (500, 5),
            (400, 6),
            (401, 7),
            (403, 7),
            (507, 8),
        ];
        let of = |(status, code): &(u16, u8)| {
            refusal(*status, &format!(r#"{{"code":{code},"message":""}}"#)).is_retryable()
        };
        assert!(retryable.iter().all(of));
        assert!(!final_ones.iter().any(of));
        for (status, again) in [
            (502, true),
            (503, true),
            (504, true),
            (404, false),
            (200, false),
        ] {
            assert_eq!(refusal(status, "").is_retryable(), again, "{status}");
        }
    }
}

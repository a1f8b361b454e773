//! The errors that operations answer, each with what it looks like to a client: the
//! document's responses and their examples are made from them.

use http::StatusCode;
use proto::Code;

/// One error of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ErrorCase {
    pub(super) status: StatusCode,
    pub(super) code: Code,
    /// When it is answered.
    pub(super) when: &'static str,
    /// The detail of its example.
    pub(super) detail: Option<&'static str>,
}

const fn case(
    status: StatusCode,
    code: Code,
    when: &'static str,
    detail: Option<&'static str>,
) -> ErrorCase {
    ErrorCase {
        status,
        code,
        when,
        detail,
    }
}

const fn invalid(status: StatusCode, when: &'static str, detail: &'static str) -> ErrorCase {
    case(status, Code::InvalidRequest, when, Some(detail))
}

pub(super) const AWAY: ErrorCase = case(
    StatusCode::SERVICE_UNAVAILABLE,
    Code::ServersUnavailable,
    "no node takes files now, or the metadata store is away; `Retry-After` says when to try again",
    Some("the metadata store does not answer"),
);
pub(super) const GONE: ErrorCase = case(
    StatusCode::NOT_FOUND,
    Code::FileDoesNotExist,
    "no file has this name",
    None,
);
pub(super) const TAKEN: ErrorCase = case(
    StatusCode::CONFLICT,
    Code::FileNameExists,
    "the name is in use; there is no overwriting",
    None,
);
pub(super) const NODE_AWAY: ErrorCase = case(
    StatusCode::SERVICE_UNAVAILABLE,
    Code::FileUnavailable,
    "the file's node is unavailable, or the file is damaged; `Retry-After` says when to try again",
    Some("node node-2 is unavailable"),
);
pub(super) const FULL: ErrorCase = case(
    StatusCode::INSUFFICIENT_STORAGE,
    Code::InsufficientStorage,
    "no node has room, or the caller has stored as much as it may",
    None,
);
pub(super) const BAD_NAME: ErrorCase = invalid(
    StatusCode::BAD_REQUEST,
    "the name, a field or a header is wrong; the detail names it",
    "filename: must not contain \"/\"",
);
pub(super) const BAD_QUERY: ErrorCase = invalid(
    StatusCode::BAD_REQUEST,
    "a parameter or a header is wrong; the detail names it",
    "limit: must be a number from 1 to 10000",
);
pub(super) const BAD_FIELD: ErrorCase = invalid(
    StatusCode::BAD_REQUEST,
    "a field of the body is wrong; the detail names it",
    "nodes[0]: node id \"\": must be 1 to 253 letters, digits or any of . _ - /",
);
/// What an old protocol is refused with, where a part can't be told from the whole.
pub(super) const NEEDS_HTTP_11: &str =
    "HTTP/1.0 can't say that an answer is not complete: use HTTP/1.1";
pub(super) const OLD_HTTP: ErrorCase = invalid(
    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    "HTTP/1.0 can't say that an answer is not complete",
    NEEDS_HTTP_11,
);
pub(super) const NO_NODE: ErrorCase = invalid(
    StatusCode::NOT_FOUND,
    "there is no such node",
    "there is no node node-9",
);
pub(super) const FORBIDDEN_NOW: ErrorCase = invalid(
    StatusCode::CONFLICT,
    "how things stand forbids it; nothing was changed",
    "node node-2 is alive at 10.0.0.7:9100: drain it instead",
);
pub(super) const NO_ROOM: ErrorCase = case(
    StatusCode::INSUFFICIENT_STORAGE,
    Code::InsufficientStorage,
    "the files have no room elsewhere; nothing was changed",
    None,
);
pub(super) const BAD_HOST: ErrorCase = invalid(
    StatusCode::BAD_REQUEST,
    "a header is wrong; the detail names it",
    "`Host`: is given twice",
);
pub(super) const LATE: ErrorCase = invalid(
    StatusCode::REQUEST_TIMEOUT,
    "the body paused for too long, or came too slowly",
    "body: paused for longer than 30s",
);
pub(super) const NOT_WANTED: ErrorCase = invalid(
    StatusCode::PRECONDITION_FAILED,
    "a condition of the request does not hold",
    "the file is not the one that is wanted",
);
pub(super) const TOO_LONG: ErrorCase = invalid(
    StatusCode::PAYLOAD_TOO_LARGE,
    "the body is too long",
    "the body is over the limit of 1099511627776 bytes",
);
pub(super) const OTHER_MEDIA: ErrorCase = invalid(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "the body is of a media type, or has a coding, that is not taken",
    "`Content-Type`: \"text/plain\" is not accepted; application/json, \
     application/x-www-form-urlencoded or multipart/form-data is wanted",
);
pub(super) const CODED: ErrorCase = invalid(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "the body has a coding that is not taken",
    "`Content-Encoding`: only identity is accepted",
);
pub(super) const NO_JSON: ErrorCase = invalid(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "the body is not JSON",
    "`Content-Type`: must be application/json",
);
pub(super) const OUTSIDE: ErrorCase = invalid(
    StatusCode::RANGE_NOT_SATISFIABLE,
    "the range is outside of the file; `Content-Range` has its size",
    "`Range`: the file has 14 bytes",
);

/// What any operation answers.
pub(super) const ALWAYS: [ErrorCase; 5] = [
    invalid(
        StatusCode::MISDIRECTED_REQUEST,
        "the host is not served here",
        "`Host`: \"files.example\" is not served here; --allowed-hosts names those that are",
    ),
    case(
        StatusCode::TOO_MANY_REQUESTS,
        Code::TooManyRequests,
        "a bound was reached; `Retry-After` says when to try again",
        Some("--max-requests of --client-share of this client are in flight"),
    ),
    invalid(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "the head of the request is too long; beyond what is read of it the answer has no body",
        "the head of the request is over the limit of 32768 bytes",
    ),
    case(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::Internal,
        "a defect or a failure of the service; its logs have the `X-Request-Id`",
        None,
    ),
    invalid(
        StatusCode::NOT_IMPLEMENTED,
        "a transfer coding other than chunked",
        "`Transfer-Encoding`: only chunked is understood",
    ),
];

pub(super) const UNKNOWN: ErrorCase = case(
    StatusCode::UNAUTHORIZED,
    Code::NotAuthorized,
    "no credential, or a wrong one",
    Some("a bearer token is wanted in `Authorization`"),
);
pub(super) const FORBIDDEN: ErrorCase = case(
    StatusCode::FORBIDDEN,
    Code::NotAuthorized,
    "the caller lacks this right, or a page of another site asks",
    Some("reports may not delete hello.txt"),
);

#[cfg(test)]
mod tests {
    use super::super::answer::status_of;
    use super::super::operation::Operation;
    use super::super::routes::operations;
    use super::*;
    use manager_body::BodyError;
    use manager_callers::{Denied, Verb};

    #[test]
    fn details_are_those_that_the_service_writes() {
        let limit = 1 << 40;
        let forbidden = Denied::Forbidden {
            who: "reports".to_owned(),
            verb: Verb::Delete,
            what: "hello.txt".to_owned(),
        };
        for (case, written) in [
            (TOO_LONG, BodyError::TooLarge { limit }.to_string()),
            (UNKNOWN, Denied::Missing.to_string()),
            (FORBIDDEN, forbidden.to_string()),
        ] {
            assert_eq!(case.detail, Some(written.as_str()));
        }
    }

    #[test]
    fn a_code_comes_with_its_own_status_or_one_that_says_more() {
        for case in operations().flat_map(Operation::all_errors) {
            let own = status_of(case.code) == case.status;
            let more = matches!(case.code, Code::InvalidRequest | Code::NotAuthorized);
            assert!(own || more, "{case:?}");
        }
    }

    #[test]
    fn no_error_of_an_operation_stands_twice() {
        for operation in operations() {
            let all = operation.all_errors();
            for pair in all.windows(2) {
                let same = (pair[0].status, pair[0].code) == (pair[1].status, pair[1].code);
                assert!(!same, "{}: {pair:?}", operation.id);
            }
        }
    }
}

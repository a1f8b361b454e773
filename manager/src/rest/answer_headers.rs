//! The headers of answers that the document names, by what was asked and the answer's status.

use super::operation::{Action, Kind};
use super::patterns::{CONTENT_RANGE, DIGEST, DISPOSITION, HTTP_DATE, REQUEST_ID, TAG};
use super::routes::{HELLO_DIGEST, HELLO_TAG};
use serde_json::{Map, Value, json};

/// One header.
struct AnswerHeader {
    name: &'static str,
    kind: Kind,
    about: &'static str,
    example: &'static str,
    /// Whether every answer has it for which it is named.
    always: bool,
}

const fn fits(most: u64, pattern: &'static str) -> Kind {
    Kind::Fits { most, pattern }
}

const HEADERS: [AnswerHeader; 11] = [
    AnswerHeader {
        name: "X-Request-Id",
        kind: fits(16, REQUEST_ID),
        about: "The request's id in the logs: the client's own if it has 16 hex digits.",
        example: "51d0a48333d400e7",
        always: true,
    },
    AnswerHeader {
        name: "Location",
        kind: Kind::Any,
        about: "The path of the file.",
        example: "/file/hello.txt",
        always: true,
    },
    AnswerHeader {
        name: "ETag",
        kind: fits(64, TAG),
        about: "The file's id in quotes, with `-json` behind it where the answer is JSON. Another \
                file of the name has another one.",
        example: HELLO_TAG,
        always: true,
    },
    AnswerHeader {
        name: "Last-Modified",
        kind: fits(29, HTTP_DATE),
        about: "When the file was stored.",
        example: "Wed, 25 Nov 2026 04:16:26 GMT",
        always: true,
    },
    AnswerHeader {
        name: "Repr-Digest",
        kind: fits(255, DIGEST),
        about: "RFC 9530, SHA-256 of the whole file. An answer in JSON has the digest in a field.",
        example: HELLO_DIGEST,
        always: false,
    },
    AnswerHeader {
        name: "Content-Digest",
        kind: fits(255, DIGEST),
        about: "RFC 9530, the same where the answer holds the whole file.",
        example: HELLO_DIGEST,
        always: false,
    },
    AnswerHeader {
        name: "Content-Disposition",
        kind: fits(2048, DISPOSITION),
        about: "RFC 6266, the name under which a browser saves the file.",
        example: "attachment; filename=\"hello.txt\"",
        always: false,
    },
    AnswerHeader {
        name: "Accept-Ranges",
        kind: Kind::Any,
        about: "`bytes`: the file can be fetched in parts. An answer in JSON can't.",
        example: "bytes",
        always: false,
    },
    AnswerHeader {
        name: "Content-Range",
        kind: fits(64, CONTENT_RANGE),
        about: "The part that the answer holds, and the file's size. Several parts have one each, \
                within the body.",
        example: "bytes 7-11/14",
        always: false,
    },
    AnswerHeader {
        name: "Retry-After",
        kind: Kind::Number {
            least: 1,
            most: u32::MAX as u64,
        },
        about: "Seconds after which the same request may succeed.",
        example: "1",
        always: true,
    },
    AnswerHeader {
        name: "WWW-Authenticate",
        kind: Kind::Any,
        about: "RFC 6750, which credential is wanted.",
        example: "Bearer",
        always: true,
    },
];

/// What an answer has, besides what all have.
fn names(action: Action, status: u16) -> &'static [&'static str] {
    match (action, status) {
        (Action::Post | Action::Put, 201) => &["Location", "ETag"],
        (Action::Get, 200) => &[
            "ETag",
            "Last-Modified",
            "Repr-Digest",
            "Content-Digest",
            "Content-Disposition",
            "Accept-Ranges",
        ],
        (Action::Get, 206) => &[
            "ETag",
            "Last-Modified",
            "Repr-Digest",
            "Content-Disposition",
            "Accept-Ranges",
            "Content-Range",
        ],
        (Action::Get, 304 | 412) => &["ETag", "Last-Modified"],
        (Action::Get, 416) => &["ETag", "Last-Modified", "Content-Range"],
        (_, 401) => &["WWW-Authenticate"],
        (_, 429 | 503) => &["Retry-After"],
        _ => &[],
    }
}

/// The headers of an answer, each a reference to its [component](components).
pub(super) fn of_answer(action: Action, status: u16) -> Value {
    // What could not be read has no id.
    let id: &[&str] = if status == 431 {
        &[]
    } else {
        &["X-Request-Id"]
    };
    let all = id.iter().chain(names(action, status));
    let reference = |name: &&str| {
        let target = format!("#/components/headers/{name}");
        ((*name).to_owned(), json!({ "$ref": target }))
    };
    Value::Object(all.map(reference).collect())
}

/// The headers that answers refer to.
pub(super) fn components() -> Value {
    let described = HEADERS.iter().map(|header| {
        let mut schema = header.kind.schema();
        schema["examples"] = json!([header.kind.example(header.example)]);
        let described = json!({
            "description": header.about,
            "required": header.always,
            "schema": schema,
        });
        (header.name.to_owned(), described)
    });
    Value::Object(described.collect::<Map<_, _>>())
}

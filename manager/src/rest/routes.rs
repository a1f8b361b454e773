//! The routes of the API as one table: the router, the labels of the metrics
//! and the OpenAPI document are all made from it, so that none can lag behind.

use super::console::FILES;
use super::docs;
use super::error_cases::{
    AWAY, BAD_HOST, BAD_NAME, BAD_QUERY, CODED, ErrorCase, FULL, GONE, LATE, NO_JSON, NODE_AWAY,
    NOT_WANTED, OTHER_MEDIA, OUTSIDE, TAKEN, TOO_LONG,
};
use super::name::{FILE, asks_for_link};
use super::needs::Needs;
use super::operation::{Action, At, Kind, Operation, Parameter, Success, parameter};
use super::patterns::{DIGEST, KEY, NAME};
use super::schemas::Shape;
use http::Method;
use manager_callers::Verb;

/// A digest as RFC 9530 writes it.
const DIGEST_KIND: Kind = Kind::Fits {
    most: 255,
    pattern: DIGEST,
};

/// The digest and the tag of the file of the examples.
pub(super) const HELLO_DIGEST: &str = "sha-256=:2QFMRiSESqW6wxR3PWtomtRn+k4dGlChuKmdWpX3L/U=:";
pub(super) const HELLO_TAG: &str = "\"01a210eb-4e12-73ea-91ea-c90301660f8e\"";

const FILENAME: Parameter = parameter(
    "filename",
    At::Path,
    Kind::Fits {
        most: 255,
        pattern: NAME,
    },
    "The file's name, percent-encoded: 1 to 255 bytes of UTF-8 without `/` or control \
     characters, not `.` or `..`.",
    "hello.txt",
);
const IDEMPOTENCY_KEY: Parameter = parameter(
    "Idempotency-Key",
    At::Header,
    Kind::Fits {
        most: 512,
        pattern: KEY,
    },
    "1 to 255 visible ASCII characters without quotes, backslashes, commas and semicolons; with \
     them, or with spaces, as a quoted string of RFC 8941. Repeating an upload with the same key, name and body gives the first answer \
     again, for as long as the file exists.",
    "01a210eb-report-of-monday",
);
const CONTENT_DIGEST: Parameter = parameter(
    "Content-Digest",
    At::Header,
    DIGEST_KIND,
    "RFC 9530, `sha-256` or `sha-512` of the body as sent; other bytes are refused.",
    HELLO_DIGEST,
);
const REPR_DIGEST: Parameter = parameter(
    "Repr-Digest",
    At::Header,
    DIGEST_KIND,
    "RFC 9530, `sha-256` or `sha-512` of the file, decoded; other bytes are refused.",
    HELLO_DIGEST,
);
const ACCEPT: Parameter = parameter(
    "Accept",
    At::Header,
    Kind::Any,
    "`application/json` gives the file in base64 within a JSON object.",
    "application/octet-stream",
);
const RANGE: Parameter = parameter(
    "Range",
    At::Header,
    Kind::Any,
    "RFC 9110, one range of bytes or several.",
    "bytes=7-11",
);
const IF_NONE_MATCH: Parameter = parameter(
    "If-None-Match",
    At::Header,
    Kind::Any,
    "An ETag seen before; 304 if it still fits. `If-Match`, `If-Modified-Since`, \
     `If-Unmodified-Since` and `If-Range` are understood too.",
    HELLO_TAG,
);

const IF_MATCH: Parameter = parameter(
    "If-Match",
    At::Header,
    Kind::Any,
    "An ETag seen before, or `*`; 412 if the file has another one. `If-None-Match` and \
     `If-Unmodified-Since` are understood too.",
    HELLO_TAG,
);

const CREATED: Success = Success {
    status: 201,
    about: "The file is durable on one node.",
    content: &[("application/json", Shape::Created)],
};
const READ_ERRORS: &[ErrorCase] = &[BAD_NAME, GONE, NOT_WANTED, OUTSIDE, AWAY, NODE_AWAY];

/// Every operation.
pub(super) fn operations() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(&operate::OPERATIONS)
}

/// Those of files, and those that people see.
static OPERATIONS: [Operation; 12] = [
    Operation {
        action: Action::Post,
        needs: Needs::Right(Verb::Create),
        changes: true,
        method: Method::POST,
        path: "/file",
        id: "postFile",
        summary: "Store a file",
        about: "The body names the file and holds it in base64 (standard or URL-safe alphabet, \
                padded or not, line breaks allowed), in any order of the fields; a multipart part \
                with a filename holds the bytes as they are. It is read as a stream, whatever \
                its size.",
        parameters: &[IDEMPOTENCY_KEY, CONTENT_DIGEST, REPR_DIGEST],
        body: &[
            ("application/json", Shape::Upload),
            ("application/x-www-form-urlencoded", Shape::Upload),
            ("multipart/form-data", Shape::UploadParts),
        ],
        success: &[CREATED],
        errors: &[BAD_NAME, LATE, TAKEN, TOO_LONG, OTHER_MEDIA, AWAY, FULL],
    },
    Operation {
        action: Action::Put,
        needs: Needs::Right(Verb::Create),
        changes: true,
        method: Method::PUT,
        path: "/file/{filename}",
        id: "putFile",
        summary: "Store a file, its bytes as the body",
        about: "The most efficient way. The Content-Type, which may be any, is kept with the file.",
        parameters: &[
            FILENAME,
            IDEMPOTENCY_KEY,
            CONTENT_DIGEST,
            REPR_DIGEST,
            IF_MATCH,
        ],
        body: &[("application/octet-stream", Shape::Bytes)],
        success: &[CREATED],
        errors: &[
            BAD_NAME, LATE, TAKEN, NOT_WANTED, TOO_LONG, CODED, AWAY, FULL,
        ],
    },
    Operation {
        action: Action::Get,
        needs: Needs::Right(Verb::Get),
        changes: false,
        method: Method::GET,
        path: "/file/{filename}",
        id: "getFile",
        summary: "Fetch a file",
        about: "The decoded bytes, as a stream. An answer whose bytes fail their checksum breaks \
                off; it never ends as if it were whole.",
        parameters: &[FILENAME, ACCEPT, RANGE, IF_NONE_MATCH],
        body: &[],
        success: &[
            Success {
                status: 200,
                about: "The file.",
                content: &[
                    ("application/octet-stream", Shape::Bytes),
                    ("application/json", Shape::File),
                    ("*/*", Shape::Bytes),
                ],
            },
            Success {
                status: 206,
                about: "The ranges asked for; several come as multipart/byteranges.",
                content: &[
                    ("application/octet-stream", Shape::Bytes),
                    ("*/*", Shape::Bytes),
                ],
            },
            Success {
                status: 304,
                about: "The client has it already.",
                content: &[],
            },
        ],
        errors: READ_ERRORS,
    },
    Operation {
        action: Action::Get,
        needs: Needs::Right(Verb::Get),
        changes: false,
        method: Method::HEAD,
        path: "/file/{filename}",
        id: "headFile",
        summary: "Ask for a file's head",
        about: "What GET would answer, without the bytes. The node is asked whether it holds the \
                file.",
        parameters: &[FILENAME, ACCEPT, IF_NONE_MATCH],
        body: &[],
        success: &[
            Success {
                status: 200,
                about: "The file exists.",
                content: &[],
            },
            Success {
                status: 304,
                about: "The client has it already.",
                content: &[],
            },
        ],
        errors: &[BAD_NAME, GONE, NOT_WANTED, AWAY, NODE_AWAY],
    },
    Operation {
        action: Action::Delete,
        needs: Needs::Right(Verb::Delete),
        changes: true,
        method: Method::DELETE,
        path: "/file/{filename}",
        id: "deleteFile",
        summary: "Delete a file",
        about: "Of several deletes at once, one is answered 204. While a node that holds the file \
                is away, nothing is changed.",
        parameters: &[FILENAME, IF_MATCH],
        body: &[],
        success: &[Success {
            status: 204,
            about: "The file is gone.",
            content: &[],
        }],
        errors: &[BAD_NAME, GONE, NOT_WANTED, AWAY, NODE_AWAY],
    },
    Operation {
        action: Action::Link,
        needs: Needs::Caller,
        changes: true,
        method: Method::POST,
        path: "/file/{filename}/link",
        id: "makeLink",
        summary: "Make a link that carries its own right",
        about: "For browsers, and for others that have no token. A link to fetch a file ends with \
                that very file: one that is stored under the name later is not reached by it. A \
                link to store a file holds while the name is free. The caller needs the right \
                that the link gives.",
        parameters: &[FILENAME],
        body: &[("application/json", Shape::LinkRequest)],
        success: &[Success {
            status: 201,
            about: "The link. Whoever has it may use it until it ends.",
            content: &[("application/json", Shape::NewLink)],
        }],
        errors: &[
            BAD_NAME, GONE, LATE, TAKEN, TOO_LONG, NO_JSON, AWAY, NODE_AWAY, FULL,
        ],
    },
    Operation {
        action: Action::List,
        needs: Needs::Right(Verb::List),
        changes: false,
        method: Method::GET,
        path: "/files",
        id: "listFiles",
        summary: "List files in the order of their names",
        about: "A page at a time; with `Accept: application/x-ndjson` one file a line, all of \
                them unless `limit` is given. Files that are neither made nor deleted meanwhile \
                are listed once.",
        parameters: &[
            parameter(
                "prefix",
                At::Query,
                Kind::Text { most: 255 },
                "What the names begin with.",
                "hello",
            ),
            parameter(
                "after",
                At::Query,
                Kind::Text { most: 255 },
                "A name, which need not exist: those after it are listed. `next` of one page \
                 gives the page that follows.",
                "hello",
            ),
            parameter(
                "limit",
                At::Query,
                Kind::Number {
                    least: 1,
                    most: 10_000,
                },
                "Files on a page, 1 to 10000; 1000 unless told.",
                "1",
            ),
        ],
        body: &[],
        success: &[Success {
            status: 200,
            about: "The page.",
            content: &[
                ("application/json", Shape::Page),
                ("application/x-ndjson", Shape::Line),
            ],
        }],
        errors: &[BAD_QUERY, AWAY],
    },
    Operation {
        action: Action::Status,
        needs: Needs::Right(Verb::Admin),
        changes: false,
        method: Method::GET,
        path: "/status",
        id: "getStatus",
        summary: "The service as a whole",
        about: "Nodes, totals, balance and what is under way. With `Accept: text/event-stream` it \
                comes as events called `status`, the first at once and another when something \
                has changed, one a second at the most, until the caller loses the right or the \
                service stops.",
        parameters: &[],
        body: &[],
        success: &[Success {
            status: 200,
            about: "The state of the service.",
            content: &[
                ("application/json", Shape::Status),
                ("text/event-stream", Shape::Events),
            ],
        }],
        errors: &[BAD_HOST, AWAY],
    },
    Operation {
        action: Action::OpenApi,
        needs: Needs::Nothing,
        changes: false,
        method: Method::GET,
        path: "/openapi.json",
        id: "getOpenApi",
        summary: "This description for programs",
        about: "OpenAPI 3.1.",
        parameters: &[],
        body: &[],
        success: &[Success {
            status: 200,
            about: "The document.",
            content: &[("application/json", Shape::Any)],
        }],
        errors: &[BAD_HOST],
    },
    Operation {
        action: Action::Docs,
        needs: Needs::Nothing,
        changes: false,
        method: Method::GET,
        path: "/docs",
        id: "getDocs",
        summary: "This description for people",
        about: "A page from which calls can be tried. It loads nothing from elsewhere.",
        parameters: &[],
        body: &[],
        success: &[Success {
            status: 200,
            about: "The page.",
            content: &[("text/html", Shape::Text)],
        }],
        errors: &[BAD_HOST],
    },
    console("/ui", "getConsole"),
    console("/ui/{asset}", "getConsoleAsset"),
];

/// The console's page, or its files.
const fn console(path: &'static str, id: &'static str) -> Operation {
    Operation {
        action: Action::Console,
        needs: Needs::Nothing,
        changes: false,
        method: Method::GET,
        path,
        id,
        summary: "The console",
        about: "A page for people.",
        parameters: &[],
        body: &[],
        success: &[],
        errors: &[],
    }
}

/// What a request asks for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// What its path is called in metrics and logs: clients must not make up labels.
    pub(super) path: &'static str,
    /// The operation, if the path has one of this method.
    pub(super) operation: Option<&'static Operation>,
}

impl Asked {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let path = label(path);
        let operation = operation(method, path);
        Self { path, operation }
    }

    /// What its caller must have. Where the path is known and the method is not, it must be
    /// known.
    pub(super) fn needs(self) -> Needs {
        match self.operation {
            Some(operation) => operation.needs,
            None if self.path == OTHER => Needs::Nothing,
            None => Needs::Caller,
        }
    }

    /// The template of its path, if it is one of the API's.
    pub(super) fn route(self) -> Option<&'static str> {
        (self.path != OTHER).then_some(self.path)
    }

    /// The methods of its path, where that is known and this method is none of them.
    pub(super) fn others(self) -> Option<String> {
        if self.operation.is_some() || self.path == OTHER {
            return None;
        }
        let all = [
            Method::GET,
            Method::HEAD,
            Method::PUT,
            Method::DELETE,
            Method::POST,
        ];
        let served = |method: &&Method| operation(method, self.path).is_some();
        let names: Vec<_> = all.iter().filter(served).map(Method::as_str).collect();
        Some(names.join(","))
    }
}

/// The operation of a path. The router serves `HEAD` wherever it serves `GET`, and so what
/// is not in the table as such is `GET` here too.
fn operation(method: &Method, path: &str) -> Option<&'static Operation> {
    let by = |method: &Method| {
        operations().find(|operation| operation.path == path && operation.method == *method)
    };
    by(method).or_else(|| {
        (*method == Method::HEAD)
            .then(|| by(&Method::GET))
            .flatten()
    })
}

/// What paths are called that no operation has.
const OTHER: &str = "other";

/// What a path is called.
fn label(path: &str) -> &'static str {
    if path.starts_with(FILE) {
        return match asks_for_link(path) {
            true => "/file/{filename}/link",
            false => "/file/{filename}",
        };
    }
    if path.starts_with(FILES) {
        return "/ui/{asset}";
    }
    // What the page loads is asked for with it.
    if docs::has(path) {
        return docs::PAGE;
    }
    operations()
        .map(|operation| operation.path)
        .find(|known| *known == path)
        .unwrap_or(OTHER)
}

/// What a method is called in metrics and logs.
pub(super) fn method_label(method: &Method) -> &'static str {
    operations()
        .map(|operation| operation.method.as_str())
        .find(|known| *known == method.as_str())
        .unwrap_or(OTHER)
}

mod operate;
#[cfg(test)]
mod tests;

//! What a decoder of an upload body yields.

use std::error::Error;

use bytes::Bytes;

/// One piece of what an upload body contains, in the order of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The name of the file, once; may come after the data.
    Filename(String),
    /// The media type of the file, if one is given. A later one (the field
    /// `content_type` after a part's own) replaces an earlier.
    ContentType(String),
    /// The next bytes of the file, decoded; never empty.
    Data(Bytes),
}

/// Why a body is not an upload.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client's fault: a field, the header field or the body as a whole is wrong.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field, `Content-Type`, or `body`.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is of a kind that is not accepted.
    #[error("Content-Type: {reason}")]
    Unsupported {
        /// What is wrong with it, and what is accepted.
        reason: String,
    },
    /// A field that must be there is not.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// The transport broke: the body was cut, or its stated length was wrong.
    #[error("the body could not be read to its end")]
    Read(#[source] Box<dyn Error + Send + Sync>),
    /// More bytes than the server takes.
    #[error("the body is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

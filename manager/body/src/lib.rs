//! Bodies and header fields of the REST API, as pure pieces: decoders of the
//! upload bodies, and the encoders and decisions of the downloads.
//!
//! Nothing here knows a web framework, a node or a store; everything is a
//! function of bytes and header fields. Uploads and downloads are streams, and
//! what a decoder holds does not grow with the file (invariant 9).

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod b64;
mod event;
mod fields;
mod form;
mod json;
mod json_skip;
mod json_string;
mod multipart;
mod part_head;
mod upload;

pub mod accept;
pub mod conditional;
pub mod digest;
pub mod disposition;
pub mod idempotency;
pub mod json_answer;
pub mod media;
pub mod range;

pub use event::{BodyError, Event};
pub use upload::{UploadKind, decode, limit};

#[cfg(test)]
mod test_kit;
#[cfg(test)]
mod upload_props;
#[cfg(test)]
mod upload_tests;

//! The bodies of downloads.

use crate::metrics::Counts;
use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use manager_body::json_answer::FileAnswer;
use manager_body::range::{Framing, Part};
use manager_protocol::files::download::{Found, ReadError};
use manager_protocol::store::Record;
use std::io;
use std::sync::Arc;

/// The bytes of one part, or of the whole file with its checksum checked.
pub(super) async fn range(
    counts: &Arc<Counts>,
    found: &mut Found,
    part: Option<Part>,
) -> Result<Body, ReadError> {
    let bytes = found.read(part.map(|part| (part.start, part.len))).await?;
    Ok(counted(counts, bytes))
}

/// The file within JSON, in base64.
pub(super) async fn json(counts: &Arc<Counts>, found: &mut Found) -> Result<Body, ReadError> {
    let bytes = found.read(None).await?;
    let id = found.record.id.to_string();
    Ok(counted(counts, envelope(&found.record, &id).encode(bytes)))
}

/// What stands around the base64.
pub(super) fn envelope<'a>(record: &'a Record, id: &'a str) -> FileAnswer<'a> {
    FileAnswer {
        filename: record.name.as_str(),
        id,
        size: record.size,
        content_type: record.content_type.as_deref(),
    }
}

/// Several parts, framed. The first is opened before the answer begins, so that an
/// unavailable node can still be answered with code 4.
pub(super) async fn several(
    counts: &Arc<Counts>,
    mut found: Found,
    framing: Framing,
    parts: Vec<Part>,
) -> Result<Body, ReadError> {
    let mut parts = parts.into_iter();
    let mut next = parts.next();
    let mut opened = match next {
        Some(part) => Some(found.read(Some((part.start, part.len))).await?),
        None => None,
    };
    let body = async_stream::try_stream! {
        while let Some(part) = next {
            yield framing.head(part);
            let mut bytes = match opened.take() {
                Some(bytes) => bytes,
                None => found.read(Some((part.start, part.len))).await.map_err(broken)?,
            };
            while let Some(piece) = bytes.next().await {
                yield piece?;
            }
            next = parts.next();
        }
        yield framing.tail();
    };
    Ok(counted(counts, body))
}

/// A file that was deleted or lost between two parts breaks the answer off
/// (rule 12).
fn broken(error: ReadError) -> io::Error {
    match error {
        ReadError::Superseded => io::Error::other("the file was deleted"),
        ReadError::Failed(failure) => io::Error::other(failure),
    }
}

fn counted(
    counts: &Arc<Counts>,
    bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Body {
    let counts = counts.clone();
    Body::from_stream(bytes.inspect_ok(move |piece| {
        counts.sent(piece.len() as u64);
    }))
}

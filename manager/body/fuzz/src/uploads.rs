//! Any bytes as an upload body: however they are cut, the decoder says the same of them,
//! and what it takes for JSON is what another parser takes it for.

#![no_main]

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};
use libfuzzer_sys::fuzz_target;
use manager_body::{Event, UploadKind, decode};
use std::convert::Infallible;

/// What a body said.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    filename: Option<String>,
    file: Vec<u8>,
}

/// Decodes a body that comes in pieces of this size; `None` where it is refused.
fn said(kind: &UploadKind, body: &[u8], piece: usize) -> Option<Said> {
    let pieces = body.chunks(piece).map(Bytes::copy_from_slice);
    let pieces = stream::iter(pieces.map(Ok::<_, Infallible>));
    let (mut filename, mut file) = (None, Vec::new());
    for event in block_on(decode(kind.clone(), pieces).collect::<Vec<_>>()) {
        match event.ok()? {
            Event::Filename(name) => filename = Some(name),
            Event::ContentType(_) => {}
            Event::Data(bytes) => file.extend_from_slice(&bytes),
        }
    }
    Some(Said { filename, file })
}

fuzz_target!(|data: &[u8]| {
    let [kind, piece, body @ ..] = data else {
        return;
    };
    let kind = match kind % 3 {
        0 => UploadKind::Json,
        1 => UploadKind::Form,
        _ => UploadKind::Multipart {
            boundary: "XX".to_owned(),
        },
    };
    let whole = said(&kind, body, body.len().max(1));
    let cut = said(&kind, body, usize::from(*piece).max(1));
    assert_eq!(whole, cut, "in pieces of {piece}");
    if let (UploadKind::Json, Some(said)) = (&kind, &whole)
        && let Ok(value) = serde_json::from_slice::<serde_json::Value>(body)
    {
        assert_eq!(said.filename.as_deref(), value["filename"].as_str());
    }
});

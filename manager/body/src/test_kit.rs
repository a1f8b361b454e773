//! What the tests of uploads share: reading a whole body, and parts of bodies.

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream::{self, StreamExt};

use crate::event::{BodyError, Event};
use crate::upload::{UploadKind, decode};

/// What a body said, its data joined.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) filename: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) file: Vec<u8>,
}

pub(crate) fn read(kind: UploadKind, chunks: Vec<Vec<u8>>) -> Result<Said, BodyError> {
    let body = stream::iter(
        chunks
            .into_iter()
            .map(|c| Ok::<_, std::io::Error>(Bytes::from(c))),
    );
    let mut said = Said::default();
    for event in block_on(decode(kind, body).collect::<Vec<_>>()) {
        match event? {
            Event::Filename(name) => assert_eq!(said.filename.replace(name), None),
            Event::ContentType(given) => said.content_type = Some(given),
            Event::Data(bytes) => {
                assert!(!bytes.is_empty());
                said.file.extend_from_slice(&bytes);
            }
        }
    }
    Ok(said)
}

pub(crate) fn whole(kind: UploadKind, body: impl AsRef<[u8]>) -> Result<Said, BodyError> {
    read(kind, vec![body.as_ref().to_vec()])
}

pub(crate) fn said(filename: &str, content_type: Option<&str>, file: &[u8]) -> Said {
    Said {
        filename: Some(filename.to_owned()),
        content_type: content_type.map(str::to_owned),
        file: file.to_vec(),
    }
}

pub(crate) fn multipart() -> UploadKind {
    UploadKind::Multipart {
        boundary: "XX".to_owned(),
    }
}

pub(crate) const RAW: &str = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"own\"\r\nContent-Type: image/png\r\n\r\n";
pub(crate) const TEXT: &str = "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n";
pub(crate) const NAME: &str = "--XX\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\n";

//! Uploads: what is stored, and how it is sent.

use crate::answers::Stored;
use crate::body::{Passing, Pieces, Progress};
use crate::deletion;
use crate::digest::{Digest, REPR_DIGEST};
use crate::wire::{self, Pauses, Sent, Wire};
use crate::{Code, Error, FileName};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use reqwest::{Body, RequestBuilder};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// A file up to this size is read before it is sent, so that the service can compare its
/// digest before it stores the file. Of a longer one the digest is compared afterwards.
const READ_FIRST: u64 = 1 << 20;
/// What is sent at once of bytes that are there.
const SLICE: usize = 64 << 10;
/// What is read at once.
const PIECE: usize = 256 << 10;

/// What is stored.
pub struct Upload {
    source: Source,
    content_type: Option<String>,
    key: String,
    progress: Option<Progress>,
}

enum Source {
    Bytes(Bytes),
    File(PathBuf),
    /// Taken when the first of it is sent.
    Once(Arc<Mutex<Option<Pieces>>>),
}

impl Upload {
    fn new(source: Source) -> Self {
        Self {
            source,
            content_type: None,
            key: Uuid::new_v4().to_string(),
            progress: None,
        }
    }

    /// Stores these bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(Source::Bytes(bytes.into()))
    }

    /// Stores what is in this file, which is read anew at each attempt.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Source::File(path.into()))
    }

    /// Stores what comes from this reader, as [`Self::stream`] does.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::stream(in_pieces(reader))
    }

    /// Stores what this stream has. Once some of it was sent, there is no other attempt.
    pub fn stream(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self::new(Source::Once(Arc::new(Mutex::new(Some(stream.boxed())))))
    }

    /// The media type that is kept with the file; otherwise it is guessed from the name when
    /// the file is fetched.
    #[must_use]
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.content_type = Some(media_type.into());
        self
    }

    /// The key by which the service knows this upload again, in place of a random one: 1 to
    /// 255 visible ASCII characters without quotes, backslashes, commas and semicolons.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Is called with the bytes that were read to be sent so far, of the attempt that is
    /// under way.
    #[must_use]
    pub fn on_progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Whether its source was read and can't be read again.
    fn is_read(&self) -> bool {
        match &self.source {
            Source::Once(stream) => stream.lock().is_none(),
            Source::Bytes(_) | Source::File(_) => false,
        }
    }

    /// What can't be read, for people.
    fn unreadable(&self, source: io::Error) -> Error {
        let what = match &self.source {
            Source::File(path) => path.display().to_string(),
            Source::Bytes(_) | Source::Once(_) => "what is to be stored".to_owned(),
        };
        Error::Source { what, source }
    }

    fn request(
        &self,
        wire: &Wire,
        name: &FileName,
        shown: Option<&HeaderValue>,
    ) -> Result<RequestBuilder, Error> {
        let value = |what: &str, text: &str| {
            HeaderValue::try_from(text).map_err(|why| Error::setting(what, why))
        };
        let request = wire
            .request(Method::PUT, &["file", name.as_str()])
            .header(IDEMPOTENCY_KEY, value("key", &self.key)?);
        let request = match &self.content_type {
            Some(media_type) => request.header(CONTENT_TYPE, value("content type", media_type)?),
            None => request,
        };
        Ok(wire::showing(request, shown))
    }
}

impl From<Bytes> for Upload {
    fn from(bytes: Bytes) -> Self {
        Self::bytes(bytes)
    }
}

impl From<Vec<u8>> for Upload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes)
    }
}

impl From<String> for Upload {
    fn from(text: String) -> Self {
        Self::bytes(text)
    }
}

impl From<&'static str> for Upload {
    fn from(text: &'static str) -> Self {
        Self::bytes(text)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Source::File(path) => path.display().to_string(),
            Source::Once(_) => "a stream".to_owned(),
        };
        f.debug_struct("Upload")
            .field("source", &source)
            .field("content_type", &self.content_type)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Stores a file.
pub(crate) async fn put(wire: &Wire, name: &FileName, upload: Upload) -> Result<Stored, Error> {
    let mut pauses = Pauses::new(wire.deadline);
    let mut renewed = false;
    let (stored, sent) = loop {
        let shown = wire.shown().await?;
        let error = match attempt(wire, name, &upload, shown.as_ref()).await {
            Ok(stored) => break stored,
            Err(error) => error,
        };
        if upload.is_read() {
            return Err(match error.is_retryable() {
                true => Error::ReadOnce {
                    source: Box::new(error),
                },
                false => error,
            });
        }
        if !renewed && wire.has_another(shown.as_ref(), &error).await {
            renewed = true;
            continue;
        }
        wire.pause(&mut pauses, error).await?;
    };
    if stored.sha256 == sent {
        return Ok(stored);
    }
    // What the service has is not what was read: no file is better than another one.
    let deleted = deletion::delete(wire, name, Some(stored.id)).await;
    Err(Error::StoredDamaged {
        filename: name.to_string(),
        left: deleted.err().map(Box::new),
    })
}

/// One attempt, and the digest of what was sent.
async fn attempt(
    wire: &Wire,
    name: &FileName,
    upload: &Upload,
    shown: Option<&HeaderValue>,
) -> Result<(Stored, Digest), Error> {
    let request = upload.request(wire, name, shown)?;
    match &upload.source {
        Source::Bytes(bytes) => known(wire, request, upload, bytes.clone()).await,
        Source::File(path) => match open(path).await.map_err(|error| upload.unreadable(error))? {
            Opened::Short(bytes) => known(wire, request, upload, bytes).await,
            Opened::Long(pieces, size) => {
                let request = request.header(CONTENT_LENGTH, size);
                streamed(wire, request, upload, pieces, Some(size)).await
            }
        },
        Source::Once(pieces) => {
            let pieces = pieces.clone();
            let begin = stream::once(async move { pieces.lock().take() });
            let pieces = begin.flat_map(|pieces| pieces.unwrap_or_else(|| stream::empty().boxed()));
            streamed(wire, request, upload, pieces.boxed(), None).await
        }
    }
}

fn in_pieces(reader: impl AsyncRead) -> impl Stream<Item = io::Result<Bytes>> {
    ReaderStream::with_capacity(reader, PIECE)
}

enum Opened {
    Short(Bytes),
    Long(Pieces, u64),
}

async fn open(path: &Path) -> io::Result<Opened> {
    let file = tokio::fs::File::open(path).await?;
    let metadata = file.metadata().await?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file; pass it as standard input"));
    }
    // What is added meanwhile is left out.
    let size = metadata.len();
    let mut file = file.take(size);
    if size > READ_FIRST {
        return Ok(Opened::Long(in_pieces(file).boxed(), size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.read_to_end(&mut bytes).await?;
    Ok(Opened::Short(bytes.into()))
}

/// Sends bytes that are all there.
async fn known(
    wire: &Wire,
    request: RequestBuilder,
    upload: &Upload,
    bytes: Bytes,
) -> Result<(Stored, Digest), Error> {
    let (digest, size, sent) = (Digest::of(&bytes), bytes.len(), Sent::default());
    let request = request.header(REPR_DIGEST, digest.field());
    let request = match size <= SLICE {
        true => request.body(bytes),
        // In slices, so that it is seen how it goes on.
        false => {
            let (sent, starts) = (sent.clone(), (0..size).step_by(SLICE));
            let slices = starts.map(move |start| {
                let slice = bytes.slice(start..size.min(start + SLICE));
                sent.add(slice.len());
                io::Result::Ok(slice)
            });
            let request = request.header(CONTENT_LENGTH, size);
            request.body(Body::wrap_stream(stream::iter(slices)))
        }
    };
    let answer = wire.as_it_is(request, &sent).await?;
    if let Some(progress) = &upload.progress {
        progress(size as u64);
    }
    Ok((wire.read(answer).await?, digest))
}

/// Sends what comes. A name in use is refused before the body, and an upload that is known by
/// its key is answered anyway.
async fn streamed(
    wire: &Wire,
    request: RequestBuilder,
    upload: &Upload,
    pieces: Pieces,
    size: Option<u64>,
) -> Result<(Stored, Digest), Error> {
    let sent = Sent::default();
    let (body, seen) = Passing::new(pieces, size, sent.clone(), upload.progress.clone());
    let request = request.header(IF_NONE_MATCH, "*");
    let request = request.body(Body::wrap_stream(body.stream()));
    let answer = match wire.as_it_is(request, &sent).await {
        Ok(answer) => answer,
        Err(error) => {
            let unreadable = seen.failed().map(|failed| upload.unreadable(failed));
            return Err(unreadable.unwrap_or_else(|| in_use(error)));
        }
    };
    let stored = wire.read(answer).await?;
    let whole = seen.whole();
    let whole = whole.ok_or_else(|| wire.not_understood("it came before all was sent"))?;
    Ok((stored, whole))
}

/// The condition that there is no file of that name did not hold.
fn in_use(error: Error) -> Error {
    match error {
        Error::Refused(mut refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => {
            refusal.code = Some(Code::FileNameExists);
            refusal.message = Code::FileNameExists.message().to_owned();
            refusal.detail = None;
            Error::Refused(refusal)
        }
        other => other,
    }
}

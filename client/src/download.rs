//! Downloads: compared with the file's digest, and resumed where they broke off.

use crate::answers::FileInfo;
use crate::digest::Digest;
use crate::wire::{Pauses, Sent, Wire};
use crate::{Error, FileName};
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use reqwest::Response;
use sha2::{Digest as _, Sha256};
use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

/// What is written to a file at once.
const WRITTEN: usize = 1 << 20;
/// A file of so many bytes is made once all of it is there, in one step.
const WHOLE: u64 = 128 << 10;

/// A file that is fetched.
#[derive(Debug)]
pub struct Download {
    wire: Arc<Wire>,
    name: FileName,
    info: FileInfo,
    answer: Response,
    received: u64,
    hash: Sha256,
    pauses: Pauses,
}

impl Download {
    pub(crate) async fn begin(wire: &Arc<Wire>, name: FileName) -> Result<Self, Error> {
        let path = ["file", name.as_str()];
        let answer = wire.send(|| wire.request(Method::GET, &path)).await?;
        Ok(Self {
            info: info(wire, &name, answer.headers())?,
            wire: wire.clone(),
            name,
            answer,
            received: 0,
            hash: Sha256::new(),
            pauses: Pauses::new(wire.deadline),
        })
    }

    /// What the head said of the file.
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// The next bytes; `None` once all have come and their digest is the file's.
    ///
    /// # Errors
    /// [`Error::Changed`] where it broke off and the file is another one by then,
    /// [`Error::Damaged`] where what came is not what was stored: the bytes before it are
    /// not to be used either.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while self.received < self.info.size {
            let broke = match self.wire.chunk(&mut self.answer).await {
                Ok(Some(piece)) if piece.is_empty() => continue,
                Ok(Some(piece)) => return self.take(piece).map(Some),
                Ok(None) => Error::Short {
                    filename: self.name.to_string(),
                    received: self.received,
                },
                Err(error) => error,
            };
            self.resume(broke).await?;
        }
        self.check()?;
        Ok(None)
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, Error> {
        self.received += piece.len() as u64;
        if self.received > self.info.size {
            return Err(self.wire.not_understood("it is longer than it said"));
        }
        self.hash.update(&piece);
        self.pauses.reset();
        Ok(piece)
    }

    fn check(&self) -> Result<(), Error> {
        let received = Digest::from(self.hash.clone());
        if received == self.info.sha256 {
            return Ok(());
        }
        Err(Error::Damaged {
            filename: self.name.to_string(),
            expected: self.info.sha256,
            received,
        })
    }

    /// Asks for the rest, until there is an answer or it has not come on for too long.
    async fn resume(&mut self, mut broke: Error) -> Result<(), Error> {
        loop {
            self.wire.pause(&mut self.pauses, broke).await?;
            match self.rest().await {
                Err(again) if again.is_retryable() => broke = again,
                answer => {
                    self.answer = answer?;
                    return Ok(());
                }
            }
        }
    }

    async fn rest(&self) -> Result<Response, Error> {
        let (path, from) = (["file", self.name.as_str()], self.received);
        let request = self.wire.request(Method::GET, &path);
        let request = request.header(RANGE, format!("bytes={from}-"));
        let request = request.header(IF_RANGE, format!("\"{}\"", self.info.id));
        let changed = || Error::Changed {
            filename: self.name.to_string(),
        };
        let answer = match self.wire.once(request, Sent::default()).await {
            Err(error) if error.is_gone() => return Err(changed()),
            answer => answer?,
        };
        let now = info(&self.wire, &self.name, answer.headers())?;
        if now.id != self.info.id {
            return Err(changed());
        }
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            return Err(self.wire.not_understood("it has no ranges"));
        }
        Ok(answer)
    }

    /// All of it, which is kept in memory.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// The pieces as a stream.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Error>> {
        stream::try_unfold(self, |mut download| async move {
            let piece = download.chunk().await?;
            Ok(piece.map(|piece| (piece, download)))
        })
    }

    /// Writes it to a file, which appears whole, flushed and under its name at the end, in
    /// place of one that was there, whose permissions it keeps; what a symbolic link leads to
    /// is replaced, not the link. `progress` is called with the bytes written so far.
    ///
    /// # Errors
    /// As [`Self::chunk`], and [`Error::Target`] where it can't be written.
    pub async fn save(self, path: &Path, progress: impl FnMut(u64)) -> Result<FileInfo, Error> {
        let there = std::fs::canonicalize(path);
        let path = there.as_deref().unwrap_or(path);
        let (temporary, info) = self.save_beside(path, progress).await?;
        if let Ok(before) = path.metadata() {
            let kept = temporary.as_file().set_permissions(kept(&before));
            kept.map_err(target(path))?;
        }
        let kept = temporary.persist(path);
        kept.map_err(|error| target(path)(error.error))?;
        Ok(info)
    }

    /// The same, but where there is a file already, that stays.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub async fn save_new(self, path: &Path, progress: impl FnMut(u64)) -> Result<FileInfo, Error> {
        let (temporary, info) = self.save_beside(path, progress).await?;
        let kept = temporary.persist_noclobber(path).or_else(|error| {
            // Some file systems can't do both at once.
            match error.error.kind() == ErrorKind::AlreadyExists || path.symlink_metadata().is_ok()
            {
                true => Err(error),
                false => error.file.persist(path),
            }
        });
        kept.map_err(|error| target(path)(error.error))?;
        Ok(info)
    }

    async fn save_beside(
        self,
        path: &Path,
        progress: impl FnMut(u64),
    ) -> Result<(NamedTempFile, FileInfo), Error> {
        let failed = target(path);
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // It goes with this call, wherever that ends.
        let temporary = temporary(folder).map_err(&failed)?;
        let file = temporary.as_file().try_clone().map_err(&failed)?;
        if self.info.size <= WHOLE {
            let info = self.write_whole(file, failed, progress).await?;
            return Ok((temporary, info));
        }
        let file = tokio::fs::File::from_std(file);
        let mut file = BufWriter::with_capacity(WRITTEN, file);
        let info = self.write(&mut file, &failed, progress).await?;
        let file = file.into_inner();
        file.sync_all().await.map_err(&failed)?;
        Ok((temporary, info))
    }

    async fn write_whole(
        self,
        mut file: File,
        failed: impl Fn(io::Error) -> Error,
        mut progress: impl FnMut(u64),
    ) -> Result<FileInfo, Error> {
        let info = self.info.clone();
        let bytes = self.bytes().await?;
        let written = tokio::task::spawn_blocking(move || {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        let written = written.await.map_err(io::Error::other).flatten();
        written.map_err(failed)?;
        progress(info.size);
        Ok(info)
    }

    /// Writes it to where it can't be taken back from: what came damaged is there when that is
    /// seen. An error names the target as `standard output`.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub async fn write_to(
        self,
        to: &mut (impl AsyncWrite + Unpin),
        progress: impl FnMut(u64),
    ) -> Result<FileInfo, Error> {
        self.write(to, target(Path::new("standard output")), progress)
            .await
    }

    async fn write(
        mut self,
        to: &mut (impl AsyncWrite + Unpin),
        failed: impl Fn(io::Error) -> Error,
        mut progress: impl FnMut(u64),
    ) -> Result<FileInfo, Error> {
        while let Some(piece) = self.chunk().await? {
            to.write_all(&piece).await.map_err(&failed)?;
            progress(self.received);
        }
        to.flush().await.map_err(&failed)?;
        Ok(self.info)
    }
}

/// The rights of a file that is replaced, without those that run it as somebody else.
fn kept(before: &Metadata) -> Permissions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "nothing is taken away"))]
    let mut permissions = before.permissions();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        permissions.set_mode(permissions.mode() & 0o777);
    }
    permissions
}

/// Why that could not be written.
fn target(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Target {
        path: path.clone(),
        source,
    }
}

/// A file beside the one that is to be, with the rights that any new file has.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".dfs-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// What a head says of a file.
pub(crate) fn info(wire: &Wire, name: &FileName, headers: &HeaderMap) -> Result<FileInfo, Error> {
    let field = |name: &HeaderName| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| wire.not_understood(format!("it has no {name}")))
    };
    let wrong = |name: &HeaderName| wire.not_understood(format!("its {name} has another form"));
    let id = field(&ETAG)?.trim_matches('"').parse();
    let created = httpdate::parse_http_date(field(&LAST_MODIFIED)?);
    // Of a part the whole size is behind the slash.
    let (of_size, size) = match headers.contains_key(CONTENT_RANGE) {
        true => (&CONTENT_RANGE, field(&CONTENT_RANGE)?),
        false => (&CONTENT_LENGTH, field(&CONTENT_LENGTH)?),
    };
    let size = size.rsplit('/').next().unwrap_or_default().parse();
    Ok(FileInfo {
        filename: name.to_string(),
        id: id.map_err(|_| wrong(&ETAG))?,
        size: size.map_err(|_| wrong(of_size))?,
        created: created.map_err(|_| wrong(&LAST_MODIFIED))?,
        content_type: field(&CONTENT_TYPE)?.to_owned(),
        sha256: Digest::stated(headers)
            .ok_or_else(|| wire.not_understood("it has no repr-digest"))?,
    })
}

//! A body that is read and hashed while it is sent.

use crate::digest::Digest;
use crate::wire::Sent;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, TryStreamExt};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, channel};

/// Pieces that are read and hashed while others are sent.
const AHEAD: usize = 4;

pub(crate) type Progress = Arc<dyn Fn(u64) + Send + Sync>;
pub(crate) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// The pieces of a body, counted and hashed on their way.
pub(crate) struct Passing {
    pieces: Pieces,
    /// How many bytes there will be; after these nobody asks for the end.
    size: Option<u64>,
    bytes: u64,
    hash: Sha256,
    sent: Sent,
    progress: Option<Progress>,
    seen: Seen,
}

/// What was seen of it.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<End>>);

#[derive(Default)]
enum End {
    #[default]
    NotYet,
    Whole(Digest),
    Failed(Option<io::Error>),
}

impl Seen {
    /// The digest of all, once its last byte was read.
    pub(crate) fn whole(&self) -> Option<Digest> {
        match &*self.0.lock() {
            End::Whole(digest) => Some(*digest),
            End::NotYet | End::Failed(_) => None,
        }
    }

    /// Why it could not be read.
    pub(crate) fn failed(&self) -> Option<io::Error> {
        match &mut *self.0.lock() {
            End::Failed(error) => error.take(),
            End::NotYet | End::Whole(_) => None,
        }
    }
}

enum State {
    Waits(Passing),
    Goes(Receiver<io::Result<Bytes>>, Seen),
    Over,
}

impl Passing {
    pub(crate) fn new(
        pieces: Pieces,
        size: Option<u64>,
        sent: Sent,
        progress: Option<Progress>,
    ) -> (Self, Seen) {
        let seen = Seen::default();
        let passing = Self {
            pieces,
            size,
            bytes: 0,
            hash: Sha256::new(),
            sent,
            progress,
            seen: seen.clone(),
        };
        (passing, seen)
    }

    /// The pieces. From when the first one is asked for a task reads and hashes them, which
    /// ends when nobody takes them any more.
    pub(crate) fn stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        futures::stream::unfold(State::Waits(self), async |state| {
            let (mut pieces, seen) = match state {
                State::Waits(passing) => {
                    let seen = passing.seen.clone();
                    (passing.start(), seen)
                }
                State::Goes(pieces, seen) => (pieces, seen),
                State::Over => return None,
            };
            match pieces.recv().await {
                Some(Ok(piece)) => Some((Ok(piece), State::Goes(pieces, seen))),
                Some(Err(error)) => Some((Err(error), State::Over)),
                None if seen.whole().is_some() => None,
                // The task is gone: what was sent so far must not pass for all.
                None => Some((Err(io::ErrorKind::UnexpectedEof.into()), State::Over)),
            }
        })
    }

    fn start(mut self) -> Receiver<io::Result<Bytes>> {
        let (ahead, pieces) = channel(AHEAD);
        tokio::spawn(async move {
            while let Some(piece) = self.next().await.transpose() {
                let failed = piece.is_err();
                if ahead.send(piece).await.is_err() || failed {
                    return;
                }
            }
        });
        pieces
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let next = self.pieces.try_next().await.inspect_err(|error| {
            let kept = io::Error::new(error.kind(), error.to_string());
            *self.seen.0.lock() = End::Failed(Some(kept));
        })?;
        if let Some(piece) = &next {
            self.hash.update(piece);
            self.sent.add(piece.len());
            self.bytes += piece.len() as u64;
            if let Some(progress) = &self.progress {
                progress(self.bytes);
            }
        }
        if next.is_none() || self.size == Some(self.bytes) {
            *self.seen.0.lock() = End::Whole(self.hash.clone().into());
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::{StreamExt, stream};

    fn pieces() -> Pieces {
        stream::iter((0..10).map(|_| Ok(Bytes::from_static(b"0123456789")))).boxed()
    }

    #[tokio::test]
    async fn what_was_read_is_what_comes() {
        let (body, seen) = Passing::new(pieces(), Some(100), Sent::default(), None);
        assert!(seen.whole().is_none());
        let all: Vec<Bytes> = body.stream().try_collect().await.unwrap();
        assert_eq!(all.concat(), b"0123456789".repeat(10));
        assert_eq!(seen.whole(), Some(Digest::of(&all.concat())));
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_no_end() {
        let panics: Progress = Arc::new(|bytes| assert!(bytes < 50, "as a caller may"));
        let (body, seen) = Passing::new(pieces(), None, Sent::default(), Some(panics));
        let all: Vec<io::Result<Bytes>> = body.stream().collect().await;
        assert!(all.last().unwrap().is_err() && all.len() < 10, "{all:?}");
        assert!(seen.whole().is_none());
    }

    #[tokio::test]
    async fn a_source_that_fails_is_known_by_its_reason() {
        let torn = stream::once(async { Err(io::Error::other("torn off")) });
        let (body, seen) = Passing::new(pieces().chain(torn).boxed(), None, Sent::default(), None);
        assert!(body.stream().try_collect::<Vec<_>>().await.is_err());
        assert_eq!(seen.failed().unwrap().to_string(), "torn off");
    }
}

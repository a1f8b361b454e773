//! Request bodies: a few pieces of memory sent with an exact length, or a stream.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of a request.
#[derive(Debug)]
pub enum Body {
    /// Known pieces, sent with a Content-Length.
    Pieces(Pieces),
    /// A stream; chunked unless the request has a Content-Length.
    Stream(UnsyncBoxBody<Bytes, io::Error>),
}

/// Pieces of memory that follow one another; none is copied.
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Pieces {
    /// No body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The pieces in order.
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces: VecDeque<Bytes> = pieces.into_iter().filter(|p| !p.is_empty()).collect();
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, left }
    }
}

impl Body {
    /// A body made while it is sent.
    pub fn stream<S>(stream: S) -> Self
    where
        S: futures::Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        use futures::StreamExt;
        Self::Stream(StreamBody::new(stream.map(|piece| piece.map(Frame::data))).boxed_unsync())
    }
}

impl From<Pieces> for Body {
    fn from(pieces: Pieces) -> Self {
        Self::Pieces(pieces)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Pieces(Pieces::new([bytes]))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Pieces(body) => Poll::Ready(body.pieces.pop_front().map(|piece| {
                body.left -= piece.len() as u64;
                Ok(Frame::data(piece))
            })),
            Self::Stream(stream) => Pin::new(stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Pieces(body) => body.pieces.is_empty(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Pieces(body) => SizeHint::with_exact(body.left),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

//! How each protocol is served: what a connection may have in its buffers and windows
//! (invariant 9).

use super::client::H2_WIDE_PLACES;
use super::clients::Connected;
use super::turns::in_turn;
use crate::limits::RestLimits;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What hyper reads ahead on an HTTP/1 connection, and about what it holds of an
/// answer: one piece of a body.
const H1_BUFFER: usize = 64 * 1024;
/// A head may be this much longer than allowed, so that it can be refused in our
/// own words.
const H1_SLACK: usize = 4 * 1024;
/// Requests at once on one HTTP/2 connection.
const H2_STREAMS: u32 = 100;
/// Windows of the first [`H2_WIDE_PLACES`] connections: there is room for every
/// stream, so that none of them can hold up another.
pub(super) const H2_WIDE: Windows = Windows {
    connection: H2_STREAMS * (64 << 10),
    stream: 64 << 10,
    waiters: None,
};
/// Windows of all further connections: what lies in the windows of
/// `--max-connections` is bounded (invariant 9). Before a client has our settings, it
/// may fill the window that the protocol begins with by an upload that waits; beside that
/// there is room for one that does not.
pub(super) const H2_NARROW: Windows = Windows {
    connection: H2_FIRST + (16 << 10),
    stream: 16 << 10,
    waiters: Some(1),
};
/// The window that each connection and each stream begins with (RFC 9113, section 6.9.2).
const H2_FIRST: u32 = 65_535;
/// Bytes of an answer that the HTTP/2 library buffers for one stream before it takes
/// the next piece.
const H2_SEND: usize = 128 << 10;
/// How often a silent HTTP/2 client is asked whether it is there.
const H2_PING: Duration = Duration::from_secs(20);

/// How each protocol is served.
pub(super) struct Protocols {
    pub(super) http1: http1::Builder,
    /// The longest head of a request.
    heads: usize,
    /// Places for connections with wide windows.
    pub(super) wide_places: Arc<Semaphore>,
}

impl Protocols {
    pub(super) fn new(limits: &RestLimits) -> Self {
        let heads = usize::try_from(limits.max_header_bytes).unwrap_or(H1_BUFFER);
        let mut http1 = http1::Builder::new();
        http1
            // The deadlines are those of `Guarded`, which distinguishes an idle
            // connection from a head that has begun.
            .header_read_timeout(None)
            .max_header_size(heads + H1_SLACK)
            .max_buf_size(H1_BUFFER.max(heads + H1_SLACK))
            // A commit goes on though its client has gone, and a client may close
            // its side once it has sent its request.
            .half_close(true);
        Self {
            http1,
            heads,
            wide_places: Arc::new(Semaphore::new(H2_WIDE_PLACES)),
        }
    }

    /// HTTP/2 for one connection.
    pub(super) fn http2(&self, windows: &Windows, streams: Streams) -> http2::Builder<Streams> {
        let mut builder = http2::Builder::new(streams);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(H2_STREAMS)
            .initial_stream_window_size(windows.stream)
            .initial_connection_window_size(windows.connection)
            .max_send_buf_size(H2_SEND)
            .max_header_list_size(u32::try_from(self.heads).unwrap_or(u32::MAX))
            .keep_alive_interval(H2_PING)
            .keep_alive_timeout(H2_PING);
        builder
    }
}

/// Runs the streams of an HTTP/2 connection, each in turns of its client.
#[derive(Clone)]
pub(super) struct Streams(pub(super) Arc<Connected>);

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(in_turn(self.0.clone(), stream));
    }
}

/// Bytes that a client may send ahead on an HTTP/2 connection and on one of its
/// streams.
pub(super) struct Windows {
    connection: u32,
    stream: u32,
    /// Uploads that may wait, so that the others still have a stream's window of the
    /// connection; any number where there is room for every stream.
    pub(super) waiters: Option<usize>,
}

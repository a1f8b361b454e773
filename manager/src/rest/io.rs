//! What a connection is read from, with the deadlines for its first request, for the head
//! of a later one and for being idle. Those of a reader that takes nothing are in
//! [`super::writes`].

use super::activity::Activity;
use crate::limits::MinRate;
use bytes::Bytes;
use kit::stepped::Stepped;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How an HTTP/2 connection begins.
const H2_PREFACE: [u8; 14] = *b"PRI * HTTP/2.0";

/// How long further bytes are read after an answer that ended a connection before its
/// request was read.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// From the first byte of a head to its last; of the first one, from the accept.
    pub(super) head: Duration,
    /// Without a request, after the first one.
    pub(super) idle: Duration,
    /// Without a byte taken of what there is to send.
    pub(super) write: Duration,
    /// How slowly what there is to send may be taken.
    pub(super) rate: MinRate,
}

/// A timer that is armed only while something is awaited, and kept for the
/// next time: most requests never need it.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Alarm {
    pub(super) fn disarm(&mut self) {
        self.armed = false;
    }

    /// Ready when `after` has gone by since the alarm was armed.
    pub(super) fn poll(&mut self, after: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| {
            self.armed = true;
            Box::pin(tokio::time::sleep(after))
        });
        if !self.armed {
            self.armed = true;
            sleep.as_mut().reset(Instant::now() + after);
        }
        sleep.as_mut().poll(cx)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has come since the last request.
    Idle,
    /// A head has begun.
    Head,
}

/// The socket, or TLS over it.
pub(super) struct Guarded<T> {
    socket: Stepped<T>,
    deadlines: Deadlines,
    activity: Arc<Activity>,
    /// When the head of the first request has to be whole; `None` once it was.
    first: Option<Instant>,
    /// Requests begun when `phase` was last set back.
    seen: u64,
    phase: Phase,
    /// In HTTP/2 frames come at any time, so that they say nothing about heads.
    http2: bool,
    /// Read already, to find out what the client speaks.
    ahead: Bytes,
    reading: Alarm,
    /// The answer has gone, and what still comes is discarded.
    lingers: bool,
}

impl<T> Guarded<T> {
    /// `first` is when the head of the first request has to be whole.
    pub(super) fn new(
        socket: T,
        deadlines: Deadlines,
        activity: Arc<Activity>,
        first: Instant,
    ) -> Self {
        Self {
            socket: Stepped::new(socket),
            deadlines,
            activity,
            first: Some(first),
            seen: 0,
            phase: Phase::Idle,
            http2: false,
            ahead: Bytes::new(),
            reading: Alarm::default(),
            lingers: false,
        }
    }

    fn took(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Idle && !bytes.is_empty() && !self.http2 {
            self.phase = Phase::Head;
            self.reading.disarm();
        }
    }

    /// When the head of the first request has to be whole, while it is not.
    fn first(&mut self) -> Option<Instant> {
        if self.first.is_some() && self.activity.look().0 > 0 {
            self.first = None;
        }
        self.first
    }

    /// Nothing to read: how long that may go on depends on what is awaited.
    fn wait_to_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (begun, busy) = match self.http2 {
            // In HTTP/2 a request may end without the socket being read again.
            true => self.activity.poll_look(cx),
            false => self.activity.look(),
        };
        if busy || begun != self.seen {
            self.seen = begun;
            self.phase = Phase::Idle;
            self.reading.disarm();
        }
        if busy {
            return Poll::Pending;
        }
        let (after, what) = match (self.first(), self.phase) {
            (Some(first), _) => (first.saturating_duration_since(Instant::now()), NO_FIRST),
            (None, Phase::Idle) => (self.deadlines.idle, "idle for too long"),
            (None, Phase::Head) => (self.deadlines.head, "the head of a request takes too long"),
        };
        match self.reading.poll(after, cx) {
            Poll::Ready(()) => Poll::Ready(late(what)),
            Poll::Pending => Poll::Pending,
        }
    }
}

const NO_FIRST: &str = "the first request takes too long";

fn late(what: &str) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::TimedOut, what))
}

impl<T: AsyncRead + Unpin> Guarded<T> {
    /// Whether the client begins as HTTP/2 does. The bytes read for that are read once
    /// more by the code that serves the protocol.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
        let mut begun = [0; H2_PREFACE.len()];
        let mut length = 0;
        while length < begun.len() && H2_PREFACE.starts_with(&begun[..length]) {
            match self.read(&mut begun[length..]).await? {
                0 => break,
                read => length += read,
            }
        }
        self.ahead = Bytes::copy_from_slice(&begun[..length]);
        self.http2 = begun == H2_PREFACE;
        if self.http2 {
            self.phase = Phase::Idle;
            self.reading.disarm();
        }
        Ok(self.http2)
    }

    /// Reads and discards what still comes, until the client has ended too: a socket
    /// that is closed with bytes unread is reset, and the answer is lost if the client
    /// has not read it yet.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.lingers {
            self.lingers = true;
            self.reading.disarm();
        }
        let mut scratch = [0; 8192];
        loop {
            if self.reading.poll(LINGER, cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                // Whoever never stops sending has no pause in which the alarm is asked.
                if self.first().is_some_and(|first| Instant::now() >= first) {
                    return Poll::Ready(late(NO_FIRST));
                }
                self.took(&buffer.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => self.wait_to_read(cx),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        match self.activity.is_unread() {
            true => self.linger(cx).map(Ok),
            false => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
impl Deadlines {
    /// Those of tests, of which no two are the same.
    pub(super) fn of_tests() -> Self {
        let seconds = Duration::from_secs;
        Self {
            head: seconds(5),
            idle: seconds(60),
            write: seconds(20),
            rate: MinRate {
                bytes_per_second: 10,
                grace: seconds(30),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, DuplexStream};

    fn guarded() -> (DuplexStream, Guarded<DuplexStream>, Arc<Activity>) {
        let (client, server) = tokio::io::duplex(64);
        let deadlines = Deadlines::of_tests();
        let activity = Arc::new(Activity::default());
        let first = Instant::now() + deadlines.head;
        let server = Guarded::new(server, deadlines, activity.clone(), first);
        (client, server, activity)
    }

    /// Seconds until reading fails.
    async fn read_fails_after(server: &mut Guarded<DuplexStream>) -> u64 {
        let begun = Instant::now();
        let error = server.read_u8().await.expect_err("nothing comes");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_asked_for_anything_may_not_idle() {
        let (_client, mut server, _) = guarded();
        assert_eq!(read_fails_after(&mut server).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_the_first_head_goes_by_before_its_first_byte_too() {
        let (mut client, mut server, _) = guarded();
        tokio::time::sleep(Duration::from_secs(3)).await;
        client.write_all(b"G").await.expect("written");
        server.read_u8().await.expect("a byte");
        assert_eq!(read_fails_after(&mut server).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_bring_no_request_win_no_time() {
        let (mut client, mut server, _) = guarded();
        client.write_all(&H2_PREFACE).await.expect("written");
        assert!(server.speaks_http2().await.expect("begun"));
        let begun = Instant::now();
        let frames = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        while server.read_u8().await.is_ok() {}
        assert_eq!(begun.elapsed().as_secs(), 5);
        drop(server);
        frames.await.expect("ended");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_pauses_is_late_as_well() {
        let (mut client, mut server, _) = guarded();
        client.write_all(b"GE").await.expect("written");
        server.read_u8().await.expect("a byte");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(read_fails_after(&mut server).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_head_that_stops_is_closed_at_its_own_deadline() {
        let (mut client, mut server, activity) = guarded();
        drop(activity.begin());
        let idle = tokio::time::timeout(Duration::from_secs(50), server.read_u8()).await;
        assert!(idle.is_err(), "it may idle");
        client.write_all(b"G").await.expect("written");
        assert_eq!(server.read_u8().await.expect("a byte"), b'G');
        assert_eq!(read_fails_after(&mut server).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_in_does_not_extend_its_deadline() {
        let (mut client, mut server, _) = guarded();
        let trickle = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let begun = Instant::now();
        while server.read_u8().await.is_ok() {}
        assert_eq!(begun.elapsed().as_secs(), 5);
        drop(server);
        trickle.await.expect("ended");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_request_the_connection_is_idle_again() {
        let (mut client, mut server, activity) = guarded();
        client.write_all(b"G").await.expect("written");
        server.read_u8().await.expect("a byte");
        drop(activity.begin());
        assert_eq!(read_fails_after(&mut server).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_has_no_deadline_here() {
        let (_client, mut server, activity) = guarded();
        let _served = activity.begin();
        let waited = tokio::time::timeout(Duration::from_secs(3600), server.read_u8()).await;
        assert!(
            waited.is_err(),
            "the body's own deadline ends it, not this one"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_ends_makes_its_connection_idle_at_once() {
        let (mut client, mut server, activity) = guarded();
        client.write_all(&H2_PREFACE).await.expect("written");
        assert!(server.speaks_http2().await.expect("begun"));
        let mut again = H2_PREFACE;
        server.read_exact(&mut again).await.expect("read again");
        let served = activity.begin();
        let reading = tokio::spawn(async move { read_fails_after(&mut server).await });
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(served);
        assert_eq!(reading.await.expect("no panic"), 160);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_to_find_out_the_protocol_is_read_again() {
        for (sent, http2) in [
            ("PRI * HTTP/2.0\r\n\r\nSM", true),
            ("PUT /file/a", false),
            ("GET", false),
        ] {
            let (mut client, mut server, _) = guarded();
            let writing = tokio::spawn(async move {
                for byte in sent.bytes() {
                    client.write_all(&[byte]).await.expect("written");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            assert_eq!(server.speaks_http2().await.expect("begun"), http2, "{sent}");
            let mut read = String::new();
            writing.await.expect("written");
            server.read_to_string(&mut read).await.expect("text");
            assert_eq!(read, sent);
        }
        let (_client, mut server, _) = guarded();
        let begun = Instant::now();
        assert!(
            server.speaks_http2().await.is_err(),
            "silence has its deadline"
        );
        assert_eq!(begun.elapsed().as_secs(), 5);
    }
}

//! A connection's socket with its deadlines: for the head of a request, for
//! being idle, and for a reader that takes nothing.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How an HTTP/2 connection begins.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How long a connection without a request is kept once the manager leaves.
const LINGER: Duration = Duration::from_secs(1);

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) idle: Duration,
    /// Without a byte taken of what there is to send.
    pub(super) write: Duration,
}

/// Requests of one connection, told by who serves them to who reads them.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Activity {
    /// A request is served until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Waits until no request has been served for [`LINGER`]: whoever leaves waits for
    /// requests, not for connections that are silent or have half a head.
    pub(super) async fn quiet(self: Arc<Self>) {
        let mut last = self.look();
        loop {
            tokio::time::sleep(LINGER).await;
            let now = self.look();
            if now == last && !now.1 {
                return;
            }
            last = now;
        }
    }

    /// Requests begun so far, and whether any of them goes on.
    fn look(&self) -> (u64, bool) {
        let ended = self.ended.load(Ordering::Relaxed);
        let begun = self.begun.load(Ordering::Relaxed);
        (begun, begun != ended)
    }
}

/// One request that is being served.
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
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

/// The socket.
pub(super) struct Guarded<T> {
    socket: T,
    deadlines: Deadlines,
    activity: Arc<Activity>,
    /// Requests begun when `phase` was last set back.
    seen: u64,
    phase: Phase,
    first: bool,
    /// Frames come at any time there, so that they say nothing about heads.
    http2: bool,
    reading: Alarm,
    writing: Alarm,
}

impl<T> Guarded<T> {
    pub(super) fn new(socket: T, deadlines: Deadlines, activity: Arc<Activity>) -> Self {
        Self {
            socket,
            deadlines,
            activity,
            seen: 0,
            phase: Phase::Idle,
            first: true,
            http2: false,
            reading: Alarm::default(),
            writing: Alarm::default(),
        }
    }

    fn took(&mut self, bytes: &[u8]) {
        if self.first && !bytes.is_empty() {
            self.first = false;
            self.http2 = bytes.starts_with(H2_PREFACE);
        }
        if self.phase == Phase::Idle && !bytes.is_empty() && !self.http2 {
            self.phase = Phase::Head;
            self.reading.disarm();
        }
    }

    /// Nothing to read: how long that may go on depends on what is awaited.
    fn wait_to_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (begun, busy) = self.activity.look();
        if busy || begun != self.seen {
            self.seen = begun;
            self.phase = Phase::Idle;
            self.reading.disarm();
        }
        if busy {
            return Poll::Pending;
        }
        let (after, what) = match self.phase {
            Phase::Idle => (self.deadlines.idle, "idle for too long"),
            Phase::Head => (self.deadlines.head, "the head of a request takes too long"),
        };
        match self.reading.poll(after, cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, what))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn wrote<R>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.writing.disarm();
            return written;
        }
        match self.writing.poll(self.deadlines.write, cx) {
            Poll::Ready(()) => {
                let what = "the client takes nothing of its answer";
                Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, what)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                self.took(&buffer.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => self.wait_to_read(cx),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    fn guarded() -> (DuplexStream, Guarded<DuplexStream>, Arc<Activity>) {
        let (client, server) = tokio::io::duplex(64);
        let seconds = Duration::from_secs;
        let deadlines = Deadlines {
            head: seconds(5),
            idle: seconds(60),
            write: seconds(20),
        };
        let activity = Arc::new(Activity::default());
        (
            client,
            Guarded::new(server, deadlines, activity.clone()),
            activity,
        )
    }

    /// Seconds until reading fails.
    async fn read_fails_after(server: &mut Guarded<DuplexStream>) -> u64 {
        let begun = Instant::now();
        let error = server.read_u8().await.expect_err("nothing comes");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed_at_the_idle_deadline() {
        let (_client, mut server, _) = guarded();
        assert_eq!(read_fails_after(&mut server).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_stops_is_closed_at_its_own_deadline() {
        let (mut client, mut server, _) = guarded();
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
    async fn a_connection_is_quiet_once_its_last_request_has_ended() {
        let activity = Arc::new(Activity::default());
        let served = activity.begin();
        let quiet = tokio::spawn(activity.clone().quiet());
        tokio::time::sleep(10 * LINGER).await;
        assert!(!quiet.is_finished(), "a request is being served");
        drop(served);
        tokio::time::sleep(3 * LINGER).await;
        assert!(quiet.is_finished());
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
    async fn a_reader_that_takes_nothing_is_cut_off() {
        let (_client, mut server, _) = guarded();
        let begun = Instant::now();
        let error = server
            .write_all(&[0; 1000])
            .await
            .expect_err("nobody reads");
        assert_eq!(
            (error.kind(), begun.elapsed().as_secs()),
            (ErrorKind::TimedOut, 20)
        );
    }
}

//! The socket that a connection is written to, with the deadlines of a client that takes
//! nothing, or too little, of what there is for it. It is below TLS, which holds some of
//! what is written and does not say when that goes.

use super::activity::Activity;
use super::io::{Alarm, Deadlines};
use super::pace::Pace;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The socket.
pub(super) struct Writes<T> {
    socket: T,
    deadlines: Deadlines,
    activity: Arc<Activity>,
    writing: Alarm,
    pace: Pace,
    /// Since when the client takes nothing.
    full: Option<Instant>,
}

impl<T> Writes<T> {
    pub(super) fn new(socket: T, deadlines: Deadlines, activity: Arc<Activity>) -> Self {
        Self {
            socket,
            deadlines,
            activity,
            writing: Alarm::default(),
            pace: Pace::new(deadlines.rate),
            full: None,
        }
    }

    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        const LATE: &str = "the client takes nothing of its answer, or too little";
        let late = || Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, LATE)));
        if let Poll::Ready(Ok(bytes)) = written {
            self.writing.disarm();
            let waited = self.full.take().map(|since| since.elapsed());
            if waited.is_some() {
                self.activity.set_full(false);
            }
            self.pace.moved(bytes as u64, waited.unwrap_or_default());
            return match self.pace.too_slow() {
                true => late(),
                false => written,
            };
        }
        if written.is_ready() {
            return written;
        }
        if self.full.is_none() {
            self.full = Some(Instant::now());
            self.activity.set_full(true);
        }
        let after = self
            .pace
            .left_for(0)
            .map_or(self.deadlines.write, |left| left.min(self.deadlines.write));
        match self.writing.poll(after, cx) {
            Poll::Ready(()) => late(),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Writes<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Writes<T> {
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
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, DuplexStream};

    fn guarded() -> (DuplexStream, Writes<DuplexStream>, Arc<Activity>) {
        let (client, server) = tokio::io::duplex(64);
        let activity = Arc::new(Activity::default());
        let server = Writes::new(server, Deadlines::of_tests(), activity.clone());
        (client, server, activity)
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

    #[tokio::test(start_paused = true)]
    async fn what_a_layer_above_still_keeps_is_cut_off_too() {
        let (_client, server, activity) = guarded();
        // As TLS does it: what it takes is not sent yet.
        let mut server = BufWriter::with_capacity(4096, server);
        server.write_all(&[0; 1000]).await.expect("kept");
        let begun = Instant::now();
        let flushed = tokio::spawn(async move { server.flush().await });
        tokio::time::sleep(Duration::from_secs(10)).await;
        let quiet = tokio::time::timeout(Duration::from_secs(5), activity.quiet()).await;
        assert!(quiet.is_err(), "there is more of an answer");
        let error = flushed.await.expect("no panic").expect_err("nobody reads");
        assert_eq!(
            (error.kind(), begun.elapsed().as_secs()),
            (ErrorKind::TimedOut, 20)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_not_quiet_before_its_last_answer_is_written() {
        let (mut client, mut server, activity) = guarded();
        drop(activity.begin());
        let answer = tokio::spawn(async move { server.write_all(&[0; 1000]).await });
        let quiet = tokio::spawn({
            let activity = activity.clone();
            async move { activity.quiet().await }
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!quiet.is_finished(), "there is more of an answer");
        client.read_exact(&mut [0; 1000]).await.expect("all of it");
        answer.await.expect("no panic").expect("written");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(quiet.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_trickles_is_cut_off_once_its_grace_is_used_up() {
        let (mut client, mut server, _) = guarded();
        let trickle = tokio::spawn(async move {
            while client.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let begun = Instant::now();
        let error = server.write_all(&[0; 1000]).await.expect_err("too slow");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!((30..40).contains(&begun.elapsed().as_secs()));
        drop(server);
        trickle.await.expect("ended");
    }
}

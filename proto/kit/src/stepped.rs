//! A connection that lets others go first. A socket that always has more to read, or takes
//! all that is written, would be served until the runtime's own budget of 128 operations is
//! used up, which is megabytes, while whatever else is ready waits for the thread.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a step, each way.
const STEP: usize = 128 << 10;

/// A socket that is served in steps of 128 KiB each way; between two of them other tasks
/// run.
#[derive(Debug)]
pub struct Stepped<T> {
    socket: T,
    /// Bytes that may still be moved in this step.
    left: usize,
}

impl<T> Stepped<T> {
    /// Serves this one in steps.
    pub fn new(socket: T) -> Self {
        Self { socket, left: STEP }
    }

    /// Pending, with the task woken already, where others go first.
    fn poll_step(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.left > 0 {
            return Poll::Ready(());
        }
        self.left = STEP;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Counts what was moved. A socket that has no more, or takes no more, ends the step.
    fn moved<E>(&mut self, moved: &Poll<Result<usize, E>>) {
        self.left = match moved {
            Poll::Ready(Ok(bytes)) => self.left.saturating_sub(*bytes),
            Poll::Ready(Err(_)) | Poll::Pending => STEP,
        };
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stepped<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_step(cx));
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let read = read.map_ok(|()| buffer.filled().len() - before);
        self.moved(&read);
        read.map_ok(drop)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stepped<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_step(cx));
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.moved(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_step(cx));
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.moved(&written);
        written
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    /// Bytes that are moved while nobody else has had a turn.
    struct Moved(Arc<AtomicUsize>);

    impl AsyncRead for Moved {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let read = buffer.initialize_unfilled().len();
            buffer.advance(read);
            self.0.fetch_add(read, Ordering::Relaxed);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Moved {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn behind_all_that_is_ready() {
        let mut woken = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// The most bytes between two turns of another task.
    async fn most(moved: &Arc<AtomicUsize>, work: JoinHandle<()>) -> usize {
        let moved = moved.clone();
        let watched = tokio::spawn(async move {
            let mut most = 0;
            while !work.is_finished() {
                most = most.max(moved.swap(0, Ordering::Relaxed));
                behind_all_that_is_ready().await;
            }
            work.await.expect("no panic");
            most
        });
        watched.await.expect("no panic")
    }

    #[tokio::test]
    async fn others_have_a_turn_after_each_step() {
        const PIECE: usize = 10 << 10;
        let moved = Arc::new(AtomicUsize::new(0));
        let mut endless = Stepped::new(Moved(moved.clone()));
        let reading = tokio::spawn(async move {
            let mut piece = vec![0; PIECE];
            for _ in 0..1000 {
                endless.read_exact(&mut piece).await.expect("read");
            }
        });
        assert!((1..=STEP + PIECE).contains(&most(&moved, reading).await));
        moved.store(0, Ordering::Relaxed);
        let mut endless = Stepped::new(Moved(moved.clone()));
        let writing = tokio::spawn(async move {
            for _ in 0..1000 {
                endless.write_all(&[0; PIECE]).await.expect("written");
            }
        });
        assert!((1..=STEP + PIECE).contains(&most(&moved, writing).await));
    }
}

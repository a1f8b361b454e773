//! A connection of an inner port, which ends by itself if its peer stays a stranger for
//! too long.

use super::{Peer, STRANGER};
use crate::stepped::Stepped;
use crate::tls::TlsStream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_util::either::Either;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

/// A connection of an inner port, with TLS or without.
pub struct Connection {
    peer: Peer,
    stream: Stepped<Either<Socket, Box<TlsStream<Socket>>>>,
}

impl Connection {
    /// Without TLS.
    pub(super) fn plain(socket: Socket) -> Self {
        Self {
            peer: socket.peer.clone(),
            stream: Stepped::new(Either::Left(socket)),
        }
    }

    /// With TLS, whose peer has shown its certificate.
    pub(super) fn secured(peer: Peer, stream: TlsStream<Socket>) -> Self {
        Self {
            peer,
            stream: Stepped::new(Either::Right(Box::new(stream))),
        }
    }
}

/// A socket, which ends by itself if its peer stays a stranger for too long.
pub(super) struct Socket {
    socket: TcpStream,
    peer: Peer,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// None once the peer is known.
    deadline: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Socket {
    pub(super) fn new(socket: TcpStream, peer: Peer, place: OwnedSemaphorePermit) -> Self {
        Self {
            socket,
            ended: Box::pin(peer.end().cancelled_owned()),
            deadline: Some(Box::pin(tokio::time::sleep(STRANGER))),
            peer,
            _place: place,
        }
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What ends the connection from this side, if anything does.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(deadline) = &mut self.deadline else {
            return Ok(());
        };
        if self.peer.is_known() {
            self.deadline = None;
            return Ok(());
        }
        if deadline.as_mut().poll(cx).is_ready() {
            let why = "no request that was let in within the deadline";
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        if self.ended.as_mut().poll(cx).is_ready() {
            let why = "closed in favour of others";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
        }
        Ok(())
    }

    /// The first byte, which stays to be read.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u8>> {
        self.poll_end(cx)?;
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        match self.socket.poll_peek(cx, &mut buffer) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(byte[0])),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_end(cx)?;
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
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
        bytes: &[io::IoSlice<'_>],
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
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

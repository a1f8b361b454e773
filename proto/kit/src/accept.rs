//! The accept loop of the inner ports. Whoever has not shown a key yet is a stranger:
//! few of them are held at once, each for a short time, and an orderly end waits for
//! none of them (invariant 9). It is our own, since tonic's `TcpIncoming` holds whoever
//! connects, for any time.

use crate::descriptors::{self, Port};
use futures::Stream;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Strangers held at once, and never more than half of all connections. The next one
/// takes the place of the oldest, so that strangers can't keep out a caller with a key.
pub const STRANGERS: usize = 32;
/// How long a connection may stay without a request that was admitted.
pub const STRANGER: Duration = Duration::from_secs(10);
/// A pause after an accept that failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a connection, among the extensions of its requests.
#[derive(Debug, Clone)]
pub struct Peer(Arc<State>);

#[derive(Debug)]
struct State {
    known: AtomicBool,
    /// Cancelled in favour of others, and with the process; no matter once known.
    end: CancellationToken,
}

impl Peer {
    /// The peer has shown a key: from now on it is no stranger.
    pub fn admit(&self) {
        self.0.known.store(true, Ordering::Relaxed);
    }

    fn is_known(&self) -> bool {
        self.0.known.load(Ordering::Relaxed)
    }
}

/// The strangers of one port, the oldest first.
#[derive(Debug)]
struct Strangers {
    most: usize,
    held: Mutex<VecDeque<Weak<State>>>,
    /// The end of the process: from then on no stranger is waited for.
    shutdown: CancellationToken,
}

impl Strangers {
    /// For a port with `places` connections, until `shutdown`.
    fn among(places: usize, shutdown: CancellationToken) -> Self {
        Self {
            most: STRANGERS.min(places / 2).max(1),
            held: Mutex::default(),
            shutdown,
        }
    }

    /// The next one, who takes the place of the oldest where there are as many as may be.
    fn next(&self) -> Peer {
        let peer = Peer(Arc::new(State {
            known: AtomicBool::new(false),
            end: self.shutdown.child_token(),
        }));
        let mut held = self.held.lock();
        held.retain(is_stranger);
        while held.len() >= self.most {
            if let Some(oldest) = held.pop_front().and_then(|oldest| oldest.upgrade()) {
                oldest.end.cancel();
            }
        }
        held.push_back(Arc::downgrade(&peer.0));
        peer
    }
}

fn is_stranger(state: &Weak<State>) -> bool {
    state
        .upgrade()
        .is_some_and(|state| !state.known.load(Ordering::Relaxed))
}

/// The connections of an inner port, as many as its share of the process's open
/// files allows; further ones wait in the system's queue. When `shutdown` is
/// cancelled, strangers are cut off.
pub fn incoming(
    listener: TcpListener,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Connection>> {
    let limit = descriptors::limit_now();
    let places = descriptors::connections(limit, Port::Inner, descriptors::INNER);
    let strangers = Strangers::among(places, shutdown);
    let places = Arc::new(Semaphore::new(places));
    futures::stream::unfold((listener, places, strangers), |state| async move {
        let connection = accept(&state.0, &state.1, &state.2).await;
        Some((Ok(connection), state))
    })
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    strangers: &Strangers,
) -> Connection {
    let place = loop {
        if let Ok(place) = Arc::clone(places).acquire_owned().await {
            break place;
        }
    };
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // One that is gone already fails at its first read.
                let _ = socket.set_nodelay(true);
                return Connection::new(socket, strangers.next(), place);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A connection, which ends by itself if its peer stays a stranger for too long.
pub struct Connection {
    socket: TcpStream,
    peer: Peer,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// None once the peer is known.
    deadline: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(socket: TcpStream, peer: Peer, place: OwnedSemaphorePermit) -> Self {
        Self {
            socket,
            ended: Box::pin(peer.0.end.clone().cancelled_owned()),
            deadline: Some(Box::pin(tokio::time::sleep(STRANGER))),
            peer,
            _place: place,
        }
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
            let why = "no request with a key within the deadline";
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        if self.ended.as_mut().poll(cx).is_ready() {
            let why = "closed in favour of others";
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_end(cx)?;
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::net::SocketAddr;
    use tokio::io::AsyncReadExt;

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("its address");
        (listener, at)
    }

    /// What a connection's next read fails with.
    async fn cut_off(connection: &mut Connection) -> io::ErrorKind {
        connection
            .read_u8()
            .await
            .expect_err("nothing is sent")
            .kind()
    }

    #[tokio::test]
    async fn the_oldest_stranger_makes_room_and_the_admitted_stay() {
        let (listener, at) = listening().await;
        let mut incoming = std::pin::pin!(incoming(listener, CancellationToken::new()));
        let mut held = Vec::new();
        for n in 0..=STRANGERS + 1 {
            let client = TcpStream::connect(at).await.expect("connected");
            let connection = incoming.next().await.expect("endless").expect("accepted");
            if n == 0 {
                connection.connect_info().admit();
            }
            held.push((client, connection));
        }
        let aborted = cut_off(&mut held[1].1).await;
        assert_eq!(aborted, io::ErrorKind::ConnectionAborted);
        for (n, (_, connection)) in held.iter_mut().enumerate() {
            if n != 1 {
                let waited = Duration::from_millis(1);
                let read = tokio::time::timeout(waited, connection.read_u8()).await;
                assert!(read.is_err(), "{n} was cut off");
            }
        }
    }

    #[tokio::test]
    async fn an_end_waits_for_no_stranger() {
        let (listener, at) = listening().await;
        let shutdown = CancellationToken::new();
        let mut incoming = std::pin::pin!(incoming(listener, shutdown.clone()));
        let _client = TcpStream::connect(at).await.expect("connected");
        let mut connection = incoming.next().await.expect("endless").expect("accepted");
        shutdown.cancel();
        let aborted = cut_off(&mut connection).await;
        assert_eq!(aborted, io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn an_end_waits_for_no_stranger_that_comes_after_it_began() {
        let (listener, at) = listening().await;
        let shutdown = CancellationToken::new();
        let mut incoming = std::pin::pin!(incoming(listener, shutdown.clone()));
        let _client = TcpStream::connect(at).await.expect("connected");
        shutdown.cancel();
        // Whatever is done at the end is done by now.
        tokio::task::yield_now().await;
        let mut connection = incoming.next().await.expect("endless").expect("accepted");
        let aborted = cut_off(&mut connection).await;
        assert_eq!(aborted, io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_a_deadline() {
        let (listener, at) = listening().await;
        let mut incoming = std::pin::pin!(incoming(listener, CancellationToken::new()));
        let _client = TcpStream::connect(at).await.expect("connected");
        let mut connection = incoming.next().await.expect("endless").expect("accepted");
        assert_eq!(cut_off(&mut connection).await, io::ErrorKind::TimedOut);
    }
}

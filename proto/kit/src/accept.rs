//! The accept loop of the inner ports. Whoever has not been let in yet is a stranger:
//! few of them are held at once, each for a short time, TLS handshake included, and an
//! orderly end waits for none of them (invariant 9). It is our own, since tonic's
//! `TcpIncoming` holds whoever connects, for any time.

mod connection;

pub use connection::Connection;

use crate::descriptors::{self, Port};
use crate::tls::Mutual;
use connection::Socket;
use futures::Stream;
use parking_lot::Mutex;
use proto::identity::Identity;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Strangers held at once, and never more than half of all connections. The next one
/// takes the place of the oldest, so that strangers can't keep out a caller with a key.
pub const STRANGERS: usize = 32;
/// Connections in a handshake of TLS held at once, and never more than half of all; the next
/// one takes the place of the oldest. They hold little, and nobody gets further without a
/// certificate, so that a flood of them leaves others the time for a few round trips.
pub const HANDSHAKES: usize = 256;
/// How often connections that were not secured are reported.
const REPORT: Duration = Duration::from_secs(10);
/// How long a connection may stay without a request that was admitted.
pub const STRANGER: Duration = Duration::from_secs(10);
/// A pause after an accept that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// The first byte of TLS: a record of the handshake. HTTP/2 begins with a `P`.
const HANDSHAKE: u8 = 22;

/// Who is at the other end of a connection, among the extensions of its requests.
#[derive(Debug, Clone)]
pub struct Peer(Arc<State>);

#[derive(Debug)]
struct State {
    known: AtomicBool,
    /// Whose certificate it has shown.
    identity: OnceLock<Identity>,
    /// Cancelled in favour of others, and with the process; no matter once known.
    end: CancellationToken,
}

impl Peer {
    /// One who is no stranger once it is admitted; `end` cuts it off until then.
    fn new(end: CancellationToken) -> Self {
        Self(Arc::new(State {
            known: AtomicBool::new(false),
            identity: OnceLock::new(),
            end,
        }))
    }

    /// One who has shown a certificate, for tests.
    #[cfg(test)]
    pub(crate) fn shown(identity: Identity) -> Self {
        let peer = Self::new(CancellationToken::new());
        let _ = peer.0.identity.set(identity);
        peer
    }

    /// Whose certificate the peer has shown; nothing on a connection without TLS.
    pub fn identity(&self) -> Option<&Identity> {
        self.0.identity.get()
    }

    /// The peer was let in: from now on it is no stranger.
    pub fn admit(&self) {
        self.0.known.store(true, Ordering::Relaxed);
    }

    fn is_known(&self) -> bool {
        self.0.known.load(Ordering::Relaxed)
    }

    /// Cancelled when a stranger has to go.
    fn end(&self) -> CancellationToken {
        self.0.end.clone()
    }
}

/// The strangers of one port, the oldest first.
struct Strangers {
    most: usize,
    held: Mutex<VecDeque<Weak<State>>>,
    /// Whether one still is.
    is: fn(&State) -> bool,
}

impl Strangers {
    /// As many as `most` on a port with `places` connections, for as long as they are.
    fn among(most: usize, places: usize, is: fn(&State) -> bool) -> Self {
        Self {
            most: most.min(places / 2).max(1),
            held: Mutex::default(),
            is,
        }
    }

    /// Takes one in, who takes the place of the oldest where there are as many as may be.
    fn hold(&self, peer: &Peer) {
        let mut held = self.held.lock();
        held.retain(|state| state.upgrade().is_some_and(|state| (self.is)(&state)));
        while held.len() >= self.most {
            if let Some(oldest) = held.pop_front().and_then(|oldest| oldest.upgrade()) {
                oldest.end.cancel();
            }
        }
        held.push_back(Arc::downgrade(&peer.0));
    }
}

impl State {
    fn is_stranger(&self) -> bool {
        !self.known.load(Ordering::Relaxed)
    }

    fn is_unsecured(&self) -> bool {
        self.is_stranger() && self.identity.get().is_none()
    }
}

/// The connections of an inner port, as many as its share of the process's open
/// files allows; further ones wait in the system's queue. When `shutdown` is
/// cancelled, strangers are cut off. With `tls` a peer has to show a certificate,
/// unless the flag beside it says that connections without TLS are taken as well.
pub fn incoming(
    listener: TcpListener,
    shutdown: CancellationToken,
    tls: Option<(Mutual, bool)>,
) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let limit = descriptors::limit_now();
    let places = descriptors::connections(limit, Port::Inner, descriptors::INNER);
    let port = InnerPort {
        listener,
        strangers: Arc::new(Strangers::among(STRANGERS, places, State::is_stranger)),
        handshaking: Strangers::among(HANDSHAKES, places, State::is_unsecured),
        places: Arc::new(Semaphore::new(places)),
        tls,
        handshakes: JoinSet::new(),
        unsecured: Reported::default(),
        shutdown,
    };
    futures::stream::unfold(port, |mut port| async move {
        let connection = port.next().await;
        Some((Ok(connection), port))
    })
}

struct InnerPort {
    listener: TcpListener,
    places: Arc<Semaphore>,
    strangers: Arc<Strangers>,
    /// Those in a handshake.
    handshaking: Strangers,
    tls: Option<(Mutual, bool)>,
    /// No more than there are of these.
    handshakes: JoinSet<io::Result<Connection>>,
    unsecured: Reported,
    /// The end of the process: from then on no stranger is waited for.
    shutdown: CancellationToken,
}

/// What is written to the log now and then, however often it happens.
#[derive(Default)]
struct Reported {
    last: Option<Instant>,
    since: usize,
}

impl Reported {
    fn unsecured(&mut self, error: &io::Error) {
        self.since += 1;
        if self.last.is_none_or(|last| last.elapsed() >= REPORT) {
            let connections = self.since;
            tracing::warn!(%error, connections, "inner connections were not secured");
            (self.last, self.since) = (Some(Instant::now()), 0);
        }
    }
}

impl InnerPort {
    async fn next(&mut self) -> Connection {
        loop {
            let socket = tokio::select! {
                socket = accept(&self.listener, &self.places, &self.shutdown) => socket,
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Ok(connection)) => return connection,
                    Ok(Err(error)) => {
                        self.unsecured.unsecured(&error);
                        continue;
                    }
                    // It was not cancelled, and has nothing that panics.
                    Err(_) => continue,
                },
            };
            match self.tls.clone() {
                None => {
                    self.strangers.hold(socket.peer());
                    return Connection::plain(socket);
                }
                Some((tls, plain)) => {
                    self.handshaking.hold(socket.peer());
                    let strangers = Arc::clone(&self.strangers);
                    let secure = secure(socket, tls, plain, strangers);
                    self.handshakes.spawn(secure);
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Socket {
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
                return Socket::new(socket, Peer::new(shutdown.child_token()), place);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The handshake of a connection, unless it begins without TLS and may.
async fn secure(
    mut socket: Socket,
    tls: Mutual,
    plain: bool,
    strangers: Arc<Strangers>,
) -> io::Result<Connection> {
    let peer = socket.peer().clone();
    if plain && std::future::poll_fn(|cx| socket.poll_first(cx)).await? != HANDSHAKE {
        strangers.hold(&peer);
        return Ok(Connection::plain(socket));
    }
    let (stream, identity) = tls.accept(socket).await?;
    let _ = peer.0.identity.set(identity);
    strangers.hold(&peer);
    Ok(Connection::secured(peer, stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Whom;
    use crate::tls::issue::Authority;
    use futures::StreamExt;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tonic::transport::server::Connected;

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
        let mut incoming = std::pin::pin!(incoming(listener, CancellationToken::new(), None));
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
        let mut incoming = std::pin::pin!(incoming(listener, shutdown.clone(), None));
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
        let mut incoming = std::pin::pin!(incoming(listener, shutdown.clone(), None));
        let _client = TcpStream::connect(at).await.expect("connected");
        shutdown.cancel();
        // Whatever is done at the end is done by now.
        tokio::task::yield_now().await;
        let mut connection = incoming.next().await.expect("endless").expect("accepted");
        let aborted = cut_off(&mut connection).await;
        assert_eq!(aborted, io::ErrorKind::ConnectionAborted);
    }

    fn manager(authority: &Authority) -> Mutual {
        let pair = authority.member("spiffe://files/manager");
        Mutual::of(&[pair.cert, pair.key, authority.pem()]).expect("usable")
    }

    #[tokio::test]
    async fn whoever_stops_in_a_handshake_makes_room_as_a_stranger() {
        let (listener, at) = listening().await;
        let tls = Some((manager(&Authority::new("ca")), false));
        let incoming = incoming(listener, CancellationToken::new(), tls);
        tokio::spawn(async move {
            let mut incoming = std::pin::pin!(incoming);
            let _ = incoming.next().await;
        });
        let mut first = TcpStream::connect(at).await.expect("connected");
        let mut others = Vec::new();
        for _ in 0..HANDSHAKES {
            others.push(TcpStream::connect(at).await.expect("connected"));
        }
        let ended = tokio::time::timeout(Duration::from_secs(5), first.read_u8()).await;
        ended.expect("it is cut off").expect_err("nothing is sent");
    }

    #[tokio::test]
    async fn peers_without_tls_are_let_in_beside_others_only_where_they_may() {
        let authority = Authority::new("ca");
        for plain in [true, false] {
            let (listener, at) = listening().await;
            let tls = Some((manager(&authority), plain));
            let mut incoming = std::pin::pin!(incoming(listener, CancellationToken::new(), tls));
            let mut bare = TcpStream::connect(at).await.expect("connected");
            bare.write_all(b"PRI").await.expect("sent");
            let next = tokio::time::timeout(Duration::from_millis(300), incoming.next()).await;
            assert_eq!(next.is_ok(), plain);
            if let Ok(Some(Ok(mut connection))) = next {
                assert_eq!(connection.connect_info().identity(), None);
                let mut read = [0; 3];
                connection.read_exact(&mut read).await.expect("read");
                assert_eq!(&read, b"PRI", "nothing is lost");
            }
            let client = manager(&authority);
            let connecting = async {
                let socket = TcpStream::connect(at).await.expect("connected");
                client.connect(&Whom::Manager, socket).await
            };
            let (connected, next) = tokio::join!(connecting, incoming.next());
            connected.expect("secured");
            let connection = next.expect("endless").expect("accepted");
            let identity = connection
                .connect_info()
                .identity()
                .map(ToString::to_string);
            assert_eq!(identity.as_deref(), Some("spiffe://files/manager"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_a_deadline() {
        let (listener, at) = listening().await;
        let mut incoming = std::pin::pin!(incoming(listener, CancellationToken::new(), None));
        let _client = TcpStream::connect(at).await.expect("connected");
        let mut connection = incoming.next().await.expect("endless").expect("accepted");
        assert_eq!(cut_off(&mut connection).await, io::ErrorKind::TimedOut);
    }
}

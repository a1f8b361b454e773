//! The addresses that the REST API is served at. They are accepted from by one loop, so
//! that the bounds hold for all of them together.

use kit::tls::ServerTls;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};

/// An address that the REST API is served at.
pub(crate) struct Listener {
    /// Where connections come in.
    pub(crate) socket: TcpListener,
    /// What their clients must speak, if not plain HTTP.
    pub(crate) tls: Option<ServerTls>,
}

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<ServerTls>,
}

/// All addresses.
pub(super) struct Listeners {
    all: Vec<Listener>,
    /// Whose turn it is: where one has always another connection, the others have theirs
    /// all the same.
    turn: usize,
}

impl Listeners {
    pub(super) fn new(all: Vec<Listener>) -> Self {
        Self { all, turn: 0 }
    }

    /// Whether no other machine can reach any of them.
    ///
    /// # Errors
    /// When the system does not report an address.
    pub(super) fn are_loopback(&self) -> io::Result<bool> {
        let addresses = self.all.iter().map(|each| each.socket.local_addr());
        let addresses: Vec<_> = addresses.collect::<io::Result<_>>()?;
        Ok(addresses.iter().all(|address| address.ip().is_loopback()))
    }

    /// The next connection to any of them.
    ///
    /// # Errors
    /// When one can't be accepted; the next one may well be.
    pub(super) async fn accept(&mut self) -> io::Result<Accepted> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let count = self.all.len();
        for at in (self.turn..self.turn + count).map(|at| at % count) {
            let listener = &self.all[at];
            if let Poll::Ready(accepted) = listener.socket.poll_accept(cx) {
                self.turn = (at + 1) % count;
                return Poll::Ready(accepted.map(|(socket, peer)| Accepted {
                    socket,
                    peer,
                    tls: listener.tls.clone(),
                }));
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn listener(address: &str) -> (Listener, SocketAddr) {
        let socket = TcpListener::bind(address).await.expect("a port");
        let at = socket.local_addr().expect("its address");
        (Listener { socket, tls: None }, at)
    }

    #[tokio::test]
    async fn a_busy_address_leaves_the_other_its_turn() {
        let (one, busy) = listener("127.0.0.1:0").await;
        let (two, calm) = listener("127.0.0.1:0").await;
        let mut listeners = Listeners::new(vec![one, two]);
        let mut clients = Vec::new();
        for at in [busy, busy, busy, calm] {
            clients.push(TcpStream::connect(at).await.expect("connected"));
        }
        let mut from = Vec::new();
        for _ in 0..4 {
            let accepted = listeners.accept().await.expect("accepted");
            from.push(accepted.socket.local_addr().expect("its address"));
        }
        assert!(from[..3].contains(&calm), "{from:?}");
        assert_eq!(from.iter().filter(|at| **at == busy).count(), 3);
    }

    #[tokio::test]
    async fn one_address_that_others_reach_is_enough_not_to_be_loopback() {
        let (local, _) = listener("127.0.0.1:0").await;
        let (open, _) = listener("0.0.0.0:0").await;
        assert!(Listeners::new(vec![local]).are_loopback().expect("known"));
        let (local, _) = listener("127.0.0.1:0").await;
        let both = Listeners::new(vec![local, open]);
        assert!(!both.are_loopback().expect("known"));
    }
}

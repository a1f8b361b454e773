//! Where a program listens.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;

/// Connections that wait to be accepted: tokio's own bound.
const BACKLOG: i32 = 1024;

/// Listens on an address. `[::]` is every address of the machine, those of IPv4
/// too, whatever the system's default for such sockets is; and on a machine without
/// IPv6 those of IPv4 alone.
///
/// # Errors
/// When the address can't be listened on.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !(address.is_ipv6() && address.ip().is_unspecified()) {
        return TcpListener::bind(address).await;
    }
    match both(address) {
        Err(error) if lacks_ipv6(&error) => {
            let all = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            TcpListener::bind(all).await
        }
        bound => bound,
    }
}

fn both(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A kernel without IPv6 knows no such sockets; one where it is disabled has no
/// such address.
fn lacks_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn every_address_is_answered_on_ipv4_and_on_ipv6() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let listener = bind(any).await.expect("a listener");
        let port = listener.local_addr().expect("its address").port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .expect("IPv4");
        if listener.local_addr().is_ok_and(|bound| bound.is_ipv6()) {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .expect("IPv6");
        }
    }

    #[tokio::test]
    async fn one_address_is_that_one() {
        let one = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = bind(one).await.expect("a listener");
        let bound = listener.local_addr().expect("its address");
        assert_eq!(bound.ip(), one.ip());
    }
}

//! Ports for processes that have to be given one before they start.

use anyhow::{Result, bail};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

/// Below the ports that the kernel gives to outgoing connections, of which a busy
/// test makes many: one of them took a port between its choice and its use.
const RANGE: Range<u16> = 20_000..30_000;
/// How many random ports are tried.
const TRIES: usize = 1000;

/// Ports that this process has handed out.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A loopback port that is free.
///
/// # Errors
/// Where none is found.
pub fn free() -> Result<SocketAddr> {
    for _ in 0..TRIES {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(RANGE)));
        let fresh = GIVEN.lock().insert(address.port());
        if fresh && TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port of {RANGE:?} is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_is_none_that_connections_get() {
        let kernels = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        let kernels = kernels.expect("the kernel's range");
        let first: u16 = kernels
            .split_whitespace()
            .next()
            .and_then(|first| first.parse().ok())
            .expect("a port");
        let given: BTreeSet<_> = (0..50).map(|_| free().expect("a port").port()).collect();
        assert_eq!(given.len(), 50);
        assert!(first >= RANGE.end, "connections get ports from {first} on");
    }
}

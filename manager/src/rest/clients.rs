//! Who is connected: each client address has a share of every bound, so that
//! no single one can take all places from the others (invariant 9).

use crate::limits::RestLimits;
use manager_protocol::nodes::NodeShares;
use manager_protocol::world::World;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address,
/// which one machine usually has to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key(IpAddr);

impl Key {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => Self(Ipv6Addr::from(u128::from(v6) >> 64 << 64).into()),
        }
    }
}

/// One client's shares. Its address may have many connections.
pub(super) struct Client {
    pub(super) uploads: Arc<Semaphore>,
    pub(super) upload_bytes: Arc<Semaphore>,
    pub(super) downloads: Arc<Semaphore>,
    pub(super) requests: Arc<Semaphore>,
    pub(super) heads: Arc<Semaphore>,
    /// Downloads that have a stream from a node, for each node.
    pub(super) reads: Arc<NodeShares>,
    /// The same for uploads.
    pub(super) writes: Arc<NodeShares>,
    /// HTTP/2 connections with wide windows.
    pub(super) wide: Arc<Semaphore>,
    most_at_once: usize,
}

/// HTTP/2 connections with wide windows at once.
pub(super) const H2_WIDE_PLACES: usize = 20;
/// The least share of heads: the longest head that can be allowed fits in.
const LONGEST_HEADS: usize = 2 << 20;
/// The part of a share that no single piece of a body claims, for the first bytes.
const BESIDE_FIRST: usize = 2 * proto::SMALL;

impl Client {
    /// The most that one piece of a body claims: it must fit in beside what its
    /// own upload holds already.
    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once
    }

    pub(super) fn new(world: &World, limits: &RestLimits) -> Arc<Self> {
        let share = |bound| Arc::new(Semaphore::new(limits.share_of(bound)));
        let bytes = usize::try_from(limits.max_upload_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let heads = usize::try_from(limits.max_request_heads).unwrap_or(Semaphore::MAX_PERMITS);
        let streams_share = limits.share_of(proto::STREAMS as usize);
        let streams = || NodeShares::new(world, streams_share, limits.max_wait);
        let bytes_share = limits.share_of(bytes).max(2 * BESIDE_FIRST);
        Arc::new(Self {
            uploads: share(limits.max_uploads),
            upload_bytes: Arc::new(Semaphore::new(bytes_share)),
            downloads: share(limits.max_downloads),
            requests: share(limits.max_requests),
            heads: Arc::new(Semaphore::new(limits.share_of(heads).max(LONGEST_HEADS))),
            reads: streams(),
            writes: streams(),
            wide: share(H2_WIDE_PLACES),
            most_at_once: bytes_share - BESIDE_FIRST,
        })
    }
}

/// All clients that have a connection, which bounds how many there are.
pub(super) struct Clients {
    world: World,
    limits: RestLimits,
    connected: Mutex<HashMap<Key, (usize, Arc<Client>)>>,
}

/// One connection of a client, until it is dropped.
pub(super) struct Connected {
    clients: Arc<Clients>,
    key: Key,
    client: Arc<Client>,
}

impl Clients {
    pub(super) fn new(world: &World, limits: &RestLimits) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            limits: limits.clone(),
            connected: Mutex::default(),
        })
    }

    /// Admits a connection, unless its client has its share of them already.
    pub(super) fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let key = Key::of(address);
        let mut connected = self.connected.lock();
        let (count, client) = connected
            .entry(key)
            .or_insert_with(|| (0, Client::new(&self.world, &self.limits)));
        if *count >= self.limits.share_of(self.limits.max_connections) {
            return None;
        }
        *count += 1;
        Some(Connected {
            clients: self.clone(),
            key,
            client: client.clone(),
        })
    }
}

impl Connected {
    /// Whose connection it is.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut connected = self.clients.connected.lock();
        if let Some((count, _)) = connected.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::world;

    fn clients() -> Arc<Clients> {
        let limits = RestLimits::given(&["--max-connections=4", "--client-share=50"]);
        Clients::new(&world(), &limits.expect("good flags"))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_gets_its_share_of_connections_and_others_theirs() {
        let clients = clients();
        let first = clients.connect(address("10.0.0.1")).expect("a place");
        let second = clients
            .connect(address("::ffff:10.0.0.1"))
            .expect("another");
        assert!(Arc::ptr_eq(first.client(), second.client()));
        assert!(clients.connect(address("10.0.0.1")).is_none());
        let other = clients.connect(address("10.0.0.2")).expect("its own share");
        assert!(!Arc::ptr_eq(first.client(), other.client()));
        drop(first);
        assert!(clients.connect(address("10.0.0.1")).is_some());
        drop((second, other));
        assert!(
            clients.connected.lock().is_empty(),
            "who has left is forgotten"
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let key = |text| Key::of(address(text));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }
}

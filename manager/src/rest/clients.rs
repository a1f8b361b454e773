//! Who is connected: each client, which is an address or a caller that is known, has a
//! share of every bound, so that no single one can take all places from the others
//! (invariant 9).

use super::admit::Who;
use super::allowance::Allowance;
use crate::limits::RestLimits;
use manager_callers::{Account, Rates, Share};
use manager_protocol::nodes::NodeShares;
use manager_protocol::world::World;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;
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
    /// Questions about tokens of its that nobody knows yet.
    pub(super) strangers: Share,
    /// Its rates.
    pub(super) allowance: Allowance,
    most_at_once: usize,
}

/// HTTP/2 connections with wide windows at once.
pub(super) const H2_WIDE_PLACES: usize = 20;
/// The least share of heads: the longest head that can be allowed fits in.
const LONGEST_HEADS: usize = 2 << 20;
/// The part of a share that no single piece of a body claims, for the first bytes.
const BESIDE_FIRST: usize = 2 * proto::SMALL;

impl Client {
    /// Whoever is charged for the bytes of a file, if somebody is.
    pub(super) fn pays(self: &Arc<Self>) -> Option<Arc<Self>> {
        self.allowance.counts_bytes().then(|| self.clone())
    }

    /// The most that one piece of a body claims: it must fit in beside what its
    /// own upload holds already.
    pub(super) fn most_at_once(&self) -> usize {
        self.most_at_once
    }

    pub(super) fn new(world: &World, limits: &RestLimits, rates: &Rates) -> Arc<Self> {
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
            strangers: Share::new(limits.client_share),
            allowance: Allowance::new(rates, limits),
            most_at_once: bytes_share - BESIDE_FIRST,
        })
    }
}

/// All clients that have a connection, or a request in flight, or are over a rate.
pub(super) struct Clients {
    world: World,
    limits: RestLimits,
    connected: Mutex<Remembered<Key>>,
    callers: Mutex<Remembered<Account>>,
}

/// Clients with their connections, as far as these are counted.
struct Remembered<K> {
    clients: HashMap<K, (usize, Arc<Client>)>,
    /// How many there may be before those are forgotten that may be.
    sweep_at: usize,
}

/// As many clients are remembered although nothing needs them.
const REMEMBERED: usize = 1024;
/// As many are remembered because they are over a rate.
const OVER_A_RATE: usize = 65_536;

impl<K: Eq + Hash> Remembered<K> {
    fn new() -> Self {
        Self {
            clients: HashMap::new(),
            sweep_at: REMEMBERED,
        }
    }

    fn of(&mut self, key: K, make: impl FnOnce() -> Arc<Client>) -> &mut (usize, Arc<Client>) {
        if self.clients.len() >= self.sweep_at && !self.clients.contains_key(&key) {
            let (now, few) = (Instant::now(), self.clients.len() < OVER_A_RATE);
            self.clients.retain(|_, (_, client)| {
                Arc::strong_count(client) > 1 || (few && client.allowance.owes(now))
            });
            self.sweep_at = REMEMBERED.max(2 * self.clients.len());
        }
        self.clients.entry(key).or_insert_with(|| (0, make()))
    }
}

/// One connection of a client, until it is dropped.
pub(super) struct Connected {
    clients: Arc<Clients>,
    address: IpAddr,
    client: Arc<Client>,
}

impl Clients {
    pub(super) fn new(world: &World, limits: &RestLimits) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            limits: limits.clone(),
            connected: Mutex::new(Remembered::new()),
            callers: Mutex::new(Remembered::new()),
        })
    }

    /// Admits a connection, unless its client has its share of them already.
    pub(super) fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let mut connected = self.connected.lock();
        let (count, client) = connected.of(Key::of(address), || {
            Client::new(&self.world, &self.limits, &Rates::default())
        });
        if *count >= self.limits.share_of(self.limits.max_connections) {
            return None;
        }
        *count += 1;
        Some(Connected {
            clients: self.clone(),
            address,
            client: client.clone(),
        })
    }
}

impl Connected {
    /// The shares of the address that it comes from.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Where it comes from.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// Whose places a request takes: those of a caller that is known, or that made the
    /// link, or else of its address.
    pub(super) fn client_of(&self, who: &Who) -> Arc<Client> {
        let limits = &self.clients.limits;
        match who {
            Who::Known(known) => {
                let identity = known.identity();
                let client = self.of_account(identity.account(), identity.rates());
                // Where a link of its was used before, its own rates were not known.
                client.allowance.set(identity.rates(), limits);
                client
            }
            Who::Holder(terms) => self.of_account(terms.by, &Rates::default()),
            Who::Anyone => self.client.clone(),
        }
    }

    /// The shares of a caller, wherever its requests come from. Whoever has requests in
    /// flight holds them, which bounds how many there are.
    fn of_account(&self, account: Account, rates: &Rates) -> Arc<Client> {
        let clients = &self.clients;
        let new = || Client::new(&clients.world, &clients.limits, rates);
        clients.callers.lock().of(account, new).1.clone()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let key = Key::of(self.address);
        let mut connected = self.clients.connected.lock();
        if let Some((count, client)) = connected.clients.get_mut(&key) {
            *count -= 1;
            // Whoever is over a rate does not get around it by another connection.
            if *count == 0 && !client.allowance.owes(Instant::now()) {
                connected.clients.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::world;
    use manager_callers::link::{Allows, Number, Terms};
    use proto::FileName;

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
            clients.connected.lock().clients.is_empty(),
            "who has left is forgotten"
        );
    }

    #[test]
    fn another_connection_gets_nobody_around_a_rate() {
        let limits = RestLimits::given(&["--caller-requests-per-second=1"]);
        let clients = Clients::new(&world(), &limits.expect("good flags"));
        let ask = |from| {
            let connected = clients.connect(address(from)).expect("a place");
            connected.client().allowance.ask(Instant::now()).is_ok()
        };
        let let_in = (0..20).filter(|_| ask("10.0.0.1")).count();
        assert!((5..=6).contains(&let_in), "{let_in}");
        assert!(ask("10.0.0.2"));
    }

    #[test]
    fn a_caller_has_one_share_wherever_it_comes_from() {
        let known = Rates::default();
        let clients = clients();
        let here = clients.connect(address("10.0.0.1")).expect("a place");
        let there = clients.connect(address("10.0.0.2")).expect("a place");
        let one = here.of_account(Account(1), &known);
        assert!(Arc::ptr_eq(&one, &there.of_account(Account(1), &known)));
        assert!(!Arc::ptr_eq(&one, &here.of_account(Account(2), &known)));
        let link = Who::Holder(Terms {
            number: Number(1),
            name: FileName::new("a").expect("a name"),
            allows: Allows::Put(1),
            ends: 1,
            by: Account(1),
        });
        assert!(Arc::ptr_eq(&one, &there.client_of(&link)), "its links too");
        assert!(!Arc::ptr_eq(&one, here.client()));
        for many in 0..3 * REMEMBERED as u64 {
            here.of_account(Account(100 + many), &known);
        }
        assert!(clients.callers.lock().clients.len() <= REMEMBERED + 1);
        assert!(
            Arc::ptr_eq(&one, &there.of_account(Account(1), &known)),
            "who has requests in flight is not forgotten"
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let key = |text| Key::of(address(text));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }
}

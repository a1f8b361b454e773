//! Who is connected: each client is an address or a caller that is known.

use super::admit::Who;
use super::client::Client;
use super::turns::{OfClient, Turns};
use crate::limits::RestLimits;
use crate::metrics::CallerMetrics;
use manager_callers::{Account, Rates};
use manager_protocol::failure::Failure;
use manager_protocol::world::World;
use parking_lot::Mutex;
use proto::Code;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

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

/// All clients that have a connection, or a request in flight, or are over a rate.
pub(super) struct Clients {
    world: World,
    limits: RestLimits,
    metrics: Arc<CallerMetrics>,
    connected: Mutex<Remembered<Key>>,
    callers: Mutex<Remembered<Account>>,
}

/// Clients with their connections, as far as these are counted.
struct Remembered<K> {
    clients: HashMap<K, (usize, Arc<Client>)>,
    /// How many there may be before those are forgotten that may be.
    sweep_at: usize,
    /// The number of the next one. Those that come one after the other have connections to a
    /// node of their own.
    next: u64,
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
            next: 0,
        }
    }

    /// The client, made with its number where there is none yet.
    fn of(&mut self, key: K, make: impl FnOnce(u64) -> Arc<Client>) -> &mut (usize, Arc<Client>) {
        if self.clients.len() >= self.sweep_at && !self.clients.contains_key(&key) {
            let (now, few) = (Instant::now(), self.clients.len() < OVER_A_RATE);
            self.clients.retain(|_, (_, client)| {
                Arc::strong_count(client) > 1 || (few && client.allowance.owes(now))
            });
            self.sweep_at = REMEMBERED.max(2 * self.clients.len());
        }
        let next = &mut self.next;
        self.clients.entry(key).or_insert_with(|| {
            let made = make(*next);
            *next += 1;
            (0, made)
        })
    }

    /// One connection less is counted.
    fn release(&mut self, key: &K) {
        if let Some((count, _)) = self.clients.get_mut(key) {
            *count -= 1;
        }
    }
}

/// One connection, until it is dropped. It counts to the address that it comes from, until
/// a request on it is let in for a caller: from then on it counts to that one.
pub(super) struct Connected {
    clients: Arc<Clients>,
    address: IpAddr,
    client: Arc<Client>,
    /// The caller that it counts to.
    caller: OnceLock<(Account, Arc<Client>)>,
}

impl Clients {
    pub(super) fn new(
        world: &World,
        limits: &RestLimits,
        metrics: &Arc<CallerMetrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            limits: limits.clone(),
            metrics: metrics.clone(),
            connected: Mutex::new(Remembered::new()),
            callers: Mutex::new(Remembered::new()),
        })
    }

    /// Admits a connection, unless its client has its share of them already.
    pub(super) fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let mut connected = self.connected.lock();
        let (count, client) = connected.of(Key::of(address), |number| {
            let anyone = self.metrics.anyone();
            Client::new(number, &self.world, &self.limits, &Rates::default(), anyone)
        });
        if *count >= self.limits.share_of(self.limits.max_connections) {
            return None;
        }
        *count += 1;
        Some(Connected {
            clients: self.clone(),
            address,
            client: client.clone(),
            caller: OnceLock::new(),
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
                // Where a link of its was used before, neither its name nor its own rates
                // were known.
                client.allowance.set(identity.rates(), limits);
                let metrics = &self.clients.metrics;
                client.is_named(|| metrics.of(identity));
                client
            }
            Who::Holder(terms) => self.of_account(terms.by, &Rates::default()),
            Who::Anyone => self.client.clone(),
        }
    }

    /// Counts the connection to the caller of the first request that is let in on it, in
    /// place of its address.
    ///
    /// # Errors
    /// Code 9 where that caller has its share of connections already.
    pub(super) fn belongs_to(&self, who: &Who, client: &Arc<Client>) -> Result<(), Failure> {
        let Some(account) = who.account() else {
            return Ok(());
        };
        if self.caller.get().is_some() {
            return Ok(());
        }
        let Clients { limits, .. } = &*self.clients;
        {
            let mut callers = self.clients.callers.lock();
            if self.caller.get().is_some() {
                // Another request on it was faster.
                return Ok(());
            }
            let (count, _) = callers.of(account, |_| client.clone());
            if *count >= limits.share_of(limits.max_connections) {
                let why = "--max-connections of --client-share of this caller are open";
                return Err(Failure::new(Code::TooManyRequests).because(why));
            }
            *count += 1;
            self.caller.get_or_init(|| (account, client.clone()));
        }
        let mut connected = self.clients.connected.lock();
        connected.release(&Key::of(self.address));
        Ok(())
    }

    /// The shares of a caller, wherever its requests come from. Whoever has connections or
    /// requests in flight holds them, which bounds how many there are.
    fn of_account(&self, account: Account, rates: &Rates) -> Arc<Client> {
        if let Some((own, client)) = self.caller.get()
            && *own == account
        {
            return client.clone();
        }
        let clients = &self.clients;
        let new = |number| {
            let unnamed = clients.metrics.of_account(account);
            Client::new(number, &clients.world, &clients.limits, rates, &unnamed)
        };
        clients.callers.lock().of(account, new).1.clone()
    }
}

impl OfClient for Connected {
    fn turns(&self) -> &Arc<Turns> {
        let counted = self.caller.get().map_or(&self.client, |(_, client)| client);
        &counted.turns
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let key = Key::of(self.address);
        if let Some((account, _)) = self.caller.get() {
            self.clients.callers.lock().release(account);
        }
        let mut connected = self.clients.connected.lock();
        if self.caller.get().is_none() {
            connected.release(&key);
        }
        // Connections that count to callers and requests in flight hold it too, and
        // whoever is over a rate does not get around it by another connection.
        let needless = |(count, client): &(usize, Arc<Client>)| {
            *count == 0 && Arc::strong_count(client) <= 2 && !client.allowance.owes(Instant::now())
        };
        if connected.clients.get(&key).is_some_and(needless) {
            connected.clients.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::world::world;
    use manager_callers::link::{Allows, Number, Terms};
    use proto::FileName;

    fn clients() -> Arc<Clients> {
        let limits = RestLimits::given(&["--max-connections=4", "--client-share=50"]);
        with(&limits.expect("good flags"))
    }

    fn with(limits: &RestLimits) -> Arc<Clients> {
        Clients::new(&world(), limits, &Metrics::new().callers)
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

    /// A caller, as one of its links names it.
    fn caller(number: u64) -> Who {
        Who::Holder(Terms {
            number: Number(1),
            name: FileName::new("a").expect("a name"),
            allows: Allows::Put(1),
            ends: 1,
            by: Account(number),
            owner: None,
        })
    }

    /// A request on a connection, by a caller that was let in.
    fn asks(connected: &Connected, who: &Who) -> Result<(), Failure> {
        connected.belongs_to(who, &connected.client_of(who))
    }

    #[test]
    fn a_connection_counts_to_its_caller_and_leaves_its_place_to_the_neighbours() {
        let clients = clients();
        let connect = || clients.connect(address("10.0.0.1"));
        let held = [connect(), connect()].map(|place| place.expect("a place"));
        assert!(connect().is_none());
        for connected in &held {
            asks(connected, &caller(1)).expect("within its share");
        }
        let turns = held.each_ref().map(Connected::turns);
        let third = connect().expect("those of a caller count to it alone");
        assert!(Arc::ptr_eq(turns[0], turns[1]));
        assert!(!Arc::ptr_eq(turns[0], third.turns()));
        asks(&third, &Who::Anyone).expect("nobody's request counts to the address");
        let fourth = connect().expect("a place");
        let refused = asks(&fourth, &caller(1)).expect_err("it has its share");
        assert_eq!(refused.code, Code::TooManyRequests);
        let why = refused.detail.expect("why");
        assert!(
            why.contains("--max-connections") && why.contains("--client-share"),
            "{why}"
        );
        asks(&fourth, &caller(2)).expect("another caller has a share of its own");
        drop(held);
        asks(&third, &caller(1)).expect("there is room again");
        drop((third, fourth));
        assert!(clients.connected.lock().clients.is_empty());
        let callers = clients.callers.lock();
        assert!(callers.clients.values().all(|(count, _)| *count == 0));
    }

    #[test]
    fn one_caller_can_not_hold_more_by_many_addresses() {
        let clients = clients();
        let from = |number| {
            let connected = clients.connect(address(&format!("10.0.0.{number}")));
            connected.expect("each address has a share of its own")
        };
        let connections: Vec<_> = (1..=4).map(from).collect();
        let asked = connections.iter().map(|each| asks(each, &caller(1)));
        assert_eq!(asked.filter(Result::is_ok).count(), 2);
    }

    #[test]
    fn a_connection_stays_with_its_first_caller() {
        let clients = clients();
        let shared = clients.connect(address("10.0.0.1")).expect("a place");
        for number in [1, 2, 1, 3] {
            asks(&shared, &caller(number)).expect("let in");
        }
        let count = |number| {
            let callers = clients.callers.lock();
            callers.clients[&Account(number)].0
        };
        assert_eq!([1, 2, 3].map(count), [1, 0, 0]);
    }

    #[test]
    fn an_address_whose_connections_are_all_callers_keeps_its_shares() {
        let clients = clients();
        let first = clients.connect(address("10.0.0.1")).expect("a place");
        asks(&first, &caller(1)).expect("let in");
        let second = clients.connect(address("10.0.0.1")).expect("a place");
        assert!(Arc::ptr_eq(first.client(), second.client()));
        drop(second);
        let third = clients.connect(address("10.0.0.1")).expect("a place");
        assert!(Arc::ptr_eq(first.client(), third.client()));
    }

    #[test]
    fn another_connection_gets_nobody_around_a_rate() {
        let limits = RestLimits::given(&["--caller-requests-per-second=1"]);
        let clients = with(&limits.expect("good flags"));
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
        let link = there.client_of(&caller(1));
        assert!(Arc::ptr_eq(&one, &link), "its links too");
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
    fn clients_that_come_one_after_the_other_have_numbers_of_their_own() {
        let clients = clients();
        let hosts: Vec<_> = (1..=4)
            .map(|host| clients.connect(address(&format!("10.0.0.{host}"))))
            .map(|place| place.expect("a place"))
            .collect();
        let number = |client: &Client| {
            assert_eq!(client.reads.client(), client.writes.client());
            client.reads.client()
        };
        let addresses = hosts.iter().map(|host| number(host.client()));
        assert_eq!(addresses.collect::<Vec<_>>(), [0, 1, 2, 3]);
        let calling = hosts.iter().zip(1..).map(|(host, account)| {
            let who = caller(account);
            number(&host.client_of(&who))
        });
        assert_eq!(calling.collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let key = |text| Key::of(address(text));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }
}

//! In which order connections are served. A thread takes what is ready in the order in
//! which it became so, and of one client that sends or reads on hundreds of connections
//! hundreds are ready at once. So each client has a few turns, as many as there are threads,
//! and a connection is served while it has one of them: what is ready of all clients is a
//! few steps of each, however many connections one of them has.

use super::clients::Connected;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

/// The turns of one client.
pub(super) struct Turns {
    turns: Arc<Semaphore>,
    at_once: usize,
    /// Tasks that take them.
    tasks: AtomicUsize,
}

impl Turns {
    /// As many as the runtime has threads.
    pub(super) fn new() -> Arc<Self> {
        let at_once = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        Self::of(at_once)
    }

    fn of(at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            turns: Arc::new(Semaphore::new(at_once)),
            at_once,
            tasks: AtomicUsize::new(0),
        })
    }

    fn suffice(&self) -> bool {
        self.tasks.load(Ordering::Relaxed) <= self.at_once
    }
}

/// Does work of a connection, each step of it in a turn of the client that the connection
/// counts to. A step ends where the work has to wait for something.
pub(super) async fn in_turn<F: Future>(connected: Arc<Connected>, work: F) -> F::Output {
    let mut work = pin!(work);
    let mut taker = Taker::new(connected.turns());
    poll_fn(|cx| {
        taker.belongs_to(connected.turns());
        let turn = ready!(taker.poll_turn(cx));
        let done = work.as_mut().poll(cx);
        drop(turn);
        done
    })
    .await
}

/// A task that takes turns.
struct Taker {
    turns: Arc<Turns>,
    asks: PollSemaphore,
    state: State,
}

enum State {
    Rests,
    Waits,
    Has(OwnedSemaphorePermit),
}

impl Taker {
    fn new(turns: &Arc<Turns>) -> Self {
        turns.tasks.fetch_add(1, Ordering::Relaxed);
        Self {
            turns: turns.clone(),
            asks: PollSemaphore::new(turns.turns.clone()),
            state: State::Rests,
        }
    }

    /// From the next turn on it takes those of `turns`.
    fn belongs_to(&mut self, turns: &Arc<Turns>) {
        if matches!(self.state, State::Rests) && !Arc::ptr_eq(&self.turns, turns) {
            *self = Self::new(turns);
        }
    }

    /// Ready with a turn, or without one where there are enough for all.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        match std::mem::replace(&mut self.state, State::Rests) {
            State::Has(turn) => return Poll::Ready(Some(turn)),
            State::Rests if self.turns.suffice() => return Poll::Ready(None),
            State::Rests => {
                if let Poll::Ready(Some(turn)) = self.asks.poll_acquire(cx) {
                    // Behind all that is ready now: these ask first, and wait where
                    // this one has the last turn. A step that began at once would have
                    // given its turn back before any of them could ask.
                    self.state = State::Has(turn);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            State::Waits => {
                if let Poll::Ready(turn) = self.asks.poll_acquire(cx) {
                    return Poll::Ready(turn);
                }
            }
        }
        self.state = State::Waits;
        Poll::Pending
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.turns.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::clients::Clients;
    use super::super::clients::tests::caller;
    use super::*;
    use crate::limits::RestLimits;
    use crate::metrics::Metrics;
    use crate::world::world;
    use std::sync::atomic::AtomicBool;
    use std::task::Waker;
    use tokio::task::JoinSet;

    fn clients() -> Arc<Clients> {
        let limits = RestLimits::given(&[]).expect("good flags");
        Clients::new(&world(), &limits, &Metrics::new().callers)
    }

    fn connect(clients: &Arc<Clients>, from: &str) -> Arc<Connected> {
        let from = from.parse().expect("an address");
        Arc::new(clients.connect(from).expect("a place"))
    }

    /// Work that is always ready for its next step, of which `steps` are counted.
    async fn busy(steps: Arc<AtomicUsize>) {
        poll_fn(|cx| {
            steps.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    }

    /// Steps that others do between two of one's own.
    async fn others(steps: &AtomicUsize) -> usize {
        let before = steps.load(Ordering::Relaxed);
        let woken = AtomicBool::new(false);
        poll_fn(|cx| {
            if woken.swap(true, Ordering::Relaxed) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        steps.load(Ordering::Relaxed) - before
    }

    /// Steps of 300 connections of one client between two of another one, which has so many
    /// connections; the fewest first.
    async fn between(connections: usize) -> Vec<usize> {
        let clients = clients();
        let mut tasks = JoinSet::new();
        let steps = Arc::new(AtomicUsize::new(0));
        for _ in 0..300 {
            let connected = connect(&clients, "10.0.0.1");
            tasks.spawn(in_turn(connected, busy(steps.clone())));
        }
        // Connections of its own that rest.
        for _ in 1..connections {
            let connected = connect(&clients, "10.0.0.2");
            tasks.spawn(in_turn(connected, std::future::pending()));
        }
        let connected = connect(&clients, "10.0.0.2");
        let one = in_turn(connected, async move {
            let mut seen = Vec::new();
            for _ in 0..2000 {
                seen.push(others(&steps).await);
            }
            // Before that not all have asked.
            seen.drain(..100);
            seen.sort_unstable();
            seen
        });
        tokio::spawn(one).await.expect("it ends")
    }

    #[tokio::test]
    async fn a_client_of_many_connections_does_a_few_steps_between_two_of_another_one() {
        for connections in [1, 5] {
            let seen = between(connections).await;
            assert!(seen.last() <= Some(&4), "{connections}: {:?}", seen.last());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_several_threads_as_well() {
        // The other thread goes on while the machine does not run this one, so that only
        // the middle says something.
        for connections in [1, 5] {
            let seen = between(connections).await;
            let middle = seen[seen.len() / 2];
            assert!(middle <= 8, "{connections}: {middle}");
        }
    }

    #[test]
    fn a_connection_takes_the_turns_of_whom_it_counts_to() {
        let clients = clients();
        let connected = connect(&clients, "10.0.0.1");
        let mut taker = taker(&connected);
        let own = taker.turns.clone();
        let who = caller(1);
        let client = connected.client_of(&who);
        connected.belongs_to(&who, &client).expect("a place");
        assert!(!Arc::ptr_eq(connected.turns(), &own));
        taker.belongs_to(connected.turns());
        assert!(Arc::ptr_eq(connected.turns(), &taker.turns));
        assert_eq!(own.tasks.load(Ordering::Relaxed), 0);
        // Whoever waits in a queue stays there, until it has had its turn.
        taker.state = State::Waits;
        taker.belongs_to(&own);
        assert!(!Arc::ptr_eq(&own, &taker.turns));
    }

    fn taker(connected: &Connected) -> Taker {
        Taker::new(connected.turns())
    }

    /// Whether a taker may do a step at once.
    fn asks(taker: &mut Taker) -> Poll<Option<OwnedSemaphorePermit>> {
        taker.poll_turn(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn who_has_no_more_connections_than_there_are_threads_waits_for_no_turn() {
        let clients = clients();
        let first = connect(&clients, "10.0.0.1");
        let mut first = taker(&first);
        assert!(matches!(asks(&mut first), Poll::Ready(None)));
        let second = connect(&clients, "10.0.0.1");
        let mut second = taker(&second);
        assert!(asks(&mut first).is_pending(), "others may ask first");
        assert!(asks(&mut second).is_pending());
        let turn = asks(&mut first);
        assert!(matches!(turn, Poll::Ready(Some(_))));
        assert!(asks(&mut second).is_pending());
        drop(turn);
        assert!(matches!(asks(&mut second), Poll::Ready(Some(_))));
        drop(second);
        assert!(matches!(asks(&mut first), Poll::Ready(None)));
    }

    #[test]
    fn a_turn_is_given_on_by_whoever_ends_without_a_step() {
        let clients = clients();
        let connected = connect(&clients, "10.0.0.1");
        let [mut first, mut second, mut third] = [0; 3].map(|_| taker(&connected));
        for each in [&mut first, &mut second, &mut third] {
            assert!(asks(each).is_pending());
        }
        drop(first);
        drop(second);
        let _fourth = taker(&connected);
        assert!(matches!(asks(&mut third), Poll::Ready(Some(_))));
    }
}

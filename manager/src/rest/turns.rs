//! In which order connections are served. A thread takes what is ready in the order in
//! which it became so, and of one client that sends or reads on hundreds of connections
//! hundreds are ready at once. So each client has a few turns, as many as there are threads,
//! and a connection is served while it has one of them: what is ready of the connections of
//! all clients is a few steps of each, however many connections one of them has.

use std::future::poll_fn;
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

/// What counts to a client.
pub(super) trait OfClient {
    /// The turns of that client as it is now.
    fn turns(&self) -> &Arc<Turns>;
}

/// Does work of a connection, each step of it in a turn of the client that the connection
/// counts to, where that one has more connections and streams than turns. A step ends where
/// the work has to wait for something.
pub(super) fn in_turn<F: Future>(
    connection: Arc<impl OfClient>,
    work: F,
) -> impl Future<Output = F::Output> {
    let mut taker = Taker::new(connection.turns());
    // Not in an async block: it would hold the work twice.
    let mut work = Box::pin(work);
    poll_fn(move |cx| {
        taker.belongs_to(connection.turns());
        let turn = ready!(taker.poll_turn(cx));
        let done = work.as_mut().poll(cx);
        // The next one of the same client runs at once, up to three of them in a row.
        drop(turn);
        done
    })
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
        let waited = match std::mem::replace(&mut self.state, State::Rests) {
            State::Has(turn) => return Poll::Ready(Some(turn)),
            State::Rests if self.turns.suffice() => return Poll::Ready(None),
            State::Rests => false,
            State::Waits => true,
        };
        match self.asks.poll_acquire(cx) {
            Poll::Pending => self.state = State::Waits,
            Poll::Ready(Some(turn)) if !waited => {
                // Behind all that is ready now: these ask first, and wait where this one has
                // the last turn. A step that began at once would have given its turn back
                // before any of them could ask.
                self.state = State::Has(turn);
                cx.waker().wake_by_ref();
            }
            turn => return turn,
        }
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
    use super::*;
    use std::task::Waker;
    use tokio::task::JoinSet;

    /// A connection of a client.
    struct Of(Arc<Turns>);

    impl OfClient for Of {
        fn turns(&self) -> &Arc<Turns> {
            &self.0
        }
    }

    fn of(client: &Arc<Turns>) -> Arc<Of> {
        Arc::new(Of(client.clone()))
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
        let mut woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
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
        let [many, few] = [Turns::new(), Turns::new()];
        let mut tasks = JoinSet::new();
        let steps = Arc::new(AtomicUsize::new(0));
        for _ in 0..300 {
            tasks.spawn(in_turn(of(&many), busy(steps.clone())));
        }
        // Connections of its own that rest.
        for _ in 1..connections {
            tasks.spawn(in_turn(of(&few), std::future::pending()));
        }
        let one = in_turn(of(&few), async move {
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
        // the middle says something: with as many turns as connections it is 150 or more.
        for connections in [1, 5] {
            let seen = between(connections).await;
            let middle = seen[seen.len() / 2];
            assert!(middle <= 60, "{connections}: {middle}");
        }
    }

    #[test]
    fn a_connection_takes_the_turns_of_whom_it_counts_to() {
        let [address, caller] = [Turns::of(1), Turns::of(1)];
        let mut taker = Taker::new(&address);
        taker.belongs_to(&caller);
        assert!(Arc::ptr_eq(&caller, &taker.turns));
        assert_eq!(address.tasks.load(Ordering::Relaxed), 0);
        assert_eq!(caller.tasks.load(Ordering::Relaxed), 1);
        // Whoever waits in a queue stays there, until it has had its turn.
        let mut other = Taker::new(&caller);
        assert!(asks(&mut other).is_pending());
        assert!(asks(&mut taker).is_pending());
        taker.belongs_to(&address);
        assert!(Arc::ptr_eq(&caller, &taker.turns));
        drop(other);
        assert!(matches!(asks(&mut taker), Poll::Ready(Some(_))));
        taker.belongs_to(&address);
        assert!(Arc::ptr_eq(&address, &taker.turns));
    }

    /// Whether a taker may do a step at once.
    fn asks(taker: &mut Taker) -> Poll<Option<OwnedSemaphorePermit>> {
        taker.poll_turn(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn who_has_no_more_connections_than_there_are_threads_waits_for_no_turn() {
        let client = Turns::of(1);
        let mut first = Taker::new(&client);
        assert!(matches!(asks(&mut first), Poll::Ready(None)));
        let mut second = Taker::new(&client);
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
        let client = Turns::of(1);
        let [mut first, mut second, mut third] = [0; 3].map(|_| Taker::new(&client));
        for each in [&mut first, &mut second, &mut third] {
            assert!(asks(each).is_pending());
        }
        drop(first);
        drop(second);
        let _fourth = Taker::new(&client);
        assert!(matches!(asks(&mut third), Poll::Ready(Some(_))));
    }
}

//! A world whose clock, tasks and chance come from a seed. One thread polls the tasks, one
//! at a time, in an order that the seed draws; the clock stands still while any of them can
//! go on, and then jumps to the next timer. So two runs of one seed are the same.
//!
//! What would break that lies outside of it: `tokio::select!` without `biased` draws its
//! own random numbers, so the protocol's are biased; and nothing may depend on the order of
//! a hash map. The order in which tasks are woken is of no account, since they wait in the
//! order of their numbers.

use super::chance::Chance;
use super::events::Events;
use super::timers::Timers;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// The number of the future that [`Simulation::block_on`] is given.
const MAIN: u64 = 0;
/// Polls after which a run counts as one that never ends.
const MOST_POLLS: u64 = 200_000_000;

/// A simulated world. Its tasks end with it.
pub struct Simulation(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) begun: Instant,
    pub(super) timers: Timers,
    ready: Arc<Ready>,
    tasks: Mutex<Tasks>,
    pub(super) chance: Mutex<Chance>,
    pub(super) events: Mutex<Events>,
}

/// The tasks that can go on.
#[derive(Default)]
struct Ready(Mutex<BTreeSet<u64>>);

#[derive(Default)]
struct Tasks {
    last: u64,
    /// Numbers of processes whose tasks may run.
    alive: BTreeSet<u64>,
    all: BTreeMap<u64, Task>,
}

struct Task {
    process: u64,
    /// None while it is polled.
    future: Option<BoxFuture<'static, ()>>,
}

struct TaskWaker {
    number: u64,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.0.lock().insert(self.number);
    }
}

impl Simulation {
    /// The world of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Shared {
            begun: Instant::now(),
            timers: Timers::default(),
            ready: Arc::default(),
            tasks: Mutex::default(),
            chance: Mutex::new(Chance::new(seed)),
            events: Mutex::new(Events::new()),
        }))
    }

    /// The hash of everything that was noted so far, and of the number that is drawn next:
    /// two runs that differ in a draw alone have different ones.
    pub fn trace(&self) -> u64 {
        let next = self.0.chance.lock().clone().draw();
        self.0.events.lock().hash() ^ next
    }

    /// The last events, in words.
    pub fn last_events(&self) -> Vec<String> {
        self.0.events.lock().last()
    }

    /// Runs the world until the future ends.
    ///
    /// # Panics
    /// When nothing can go on and no timer is set, or when the run does not end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = self.0.waker(MAIN);
        let mut context = Context::from_waker(&waker);
        self.0.ready.0.lock().insert(MAIN);
        for _ in 0..MOST_POLLS {
            match self.0.next() {
                Some(MAIN) => {
                    if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                        return output;
                    }
                }
                Some(task) => self.0.poll(task),
                None => assert!(self.0.timers.advance(), "every task waits for another one"),
            }
        }
        panic!("the run does not end");
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // What a task drops may begin others.
        loop {
            let tasks = std::mem::take(&mut *self.0.tasks.lock());
            if tasks.all.is_empty() {
                return;
            }
        }
    }
}

impl Shared {
    fn waker(&self, number: u64) -> Waker {
        let ready = self.ready.clone();
        Waker::from(Arc::new(TaskWaker { number, ready }))
    }

    /// Draws one of the tasks that can go on.
    fn next(&self) -> Option<u64> {
        let mut ready = self.ready.0.lock();
        let count = u64::try_from(ready.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return None;
        }
        let drawn = usize::try_from(self.chance.lock().below(count)).unwrap_or_default();
        let task = ready.iter().nth(drawn).copied();
        task.inspect(|task| {
            ready.remove(task);
        })
    }

    /// Polls a task. No lock is held meanwhile, nor while anything of it is dropped.
    fn poll(&self, number: u64) {
        let taken = self
            .tasks
            .lock()
            .all
            .get_mut(&number)
            .map(|task| task.future.take());
        let Some(mut future) = taken.flatten() else {
            return;
        };
        let waker = self.waker(number);
        let ended = future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready();
        let mut tasks = self.tasks.lock();
        // It is gone where it has ended its own process.
        match tasks.all.get_mut(&number) {
            Some(task) if !ended => task.future = Some(future),
            _ => {
                tasks.all.remove(&number);
                drop(tasks);
                drop(future);
            }
        }
    }

    /// Begins a process; its number.
    pub(super) fn begin(&self) -> u64 {
        let mut tasks = self.tasks.lock();
        tasks.last += 1;
        let number = tasks.last;
        tasks.alive.insert(number);
        number
    }

    /// Runs a task of a process, unless that has ended.
    pub(super) fn spawn(&self, process: u64, future: BoxFuture<'static, ()>) {
        let mut tasks = self.tasks.lock();
        if !tasks.alive.contains(&process) {
            drop(tasks);
            return drop(future);
        }
        tasks.last += 1;
        let number = tasks.last;
        let future = Some(future);
        tasks.all.insert(number, Task { process, future });
        drop(tasks);
        self.ready.0.lock().insert(number);
    }

    /// Ends a process and its tasks.
    pub(super) fn kill(&self, process: u64) {
        let mut tasks = self.tasks.lock();
        tasks.alive.remove(&process);
        let ended: Vec<Task> = tasks
            .all
            .extract_if(.., |_, task| task.process == process)
            .map(|(_, task)| task)
            .collect();
        drop(tasks);
        drop(ended);
    }
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;

//! A bounded pool of threads for file I/O, which never runs on a thread of the
//! asynchronous runtime.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs in order of arrival. They are started when needed, up
/// to a bound, and end with the pool. The queue's bound is that of its callers,
/// who all hold a permit of some kind for each job.
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    limit: usize,
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// A pool of at most `limit` threads.
    pub fn new(name: &'static str, limit: usize) -> Self {
        let shared = Shared {
            name,
            limit,
            queue: Mutex::default(),
            wake: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Runs a job when a thread is free.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.lock();
        queue.jobs.push_back(Box::new(job));
        if queue.jobs.len() <= queue.idle || queue.threads >= self.shared.limit {
            drop(queue);
            self.shared.wake.notify_one();
            return;
        }
        let shared = Arc::clone(&self.shared);
        let started = std::thread::Builder::new()
            .name(self.shared.name.to_owned())
            .spawn(move || shared.work());
        match started {
            Ok(_) => queue.threads += 1,
            // The threads there are will get to it; the first one must start.
            Err(error) => assert!(
                queue.threads > 0,
                "no thread for {}: {error}",
                self.shared.name
            ),
        }
    }

    /// Runs a job and waits for what it returns. None if it panicked.
    pub async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (send, receive) = oneshot::channel();
        self.run(move || {
            // Nobody waits any more where the request was dropped.
            let _ = send.send(job());
        });
        receive.await.ok()
    }

    /// Jobs that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Jobs run outside of the lock, so that it is never poisoned halfway.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                // A job that panics must not take its thread from the pool.
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                if ended.is_err() {
                    tracing::error!(pool = self.name, "a job panicked");
                }
                queue = self.lock();
            } else if queue.closed {
                return;
            } else {
                queue.idle += 1;
                queue = self
                    .wake
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn every_job_runs_on_no_more_threads_than_the_bound() {
        let pool = Pool::new("test", 3);
        let now = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let calls = (0..50).map(|n| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            pool.call(move || {
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
                n
            })
        });
        let done = futures::future::join_all(calls).await;
        assert_eq!(done, (0..50).map(Some).collect::<Vec<_>>());
        assert!(most.load(Ordering::SeqCst) <= 3);
        assert_eq!(pool.call(|| panic!("on purpose")).await, None::<()>);
        assert_eq!(pool.call(|| 1).await, Some(1));
    }
}

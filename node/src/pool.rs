//! A bounded pool of threads for file I/O, which never runs on a thread of the
//! asynchronous runtime.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs in order of arrival. The first one is started with the
/// pool, the others when needed, up to a bound; all end with the pool. Where the
/// system gives no further thread, jobs wait for those there are. The queue's
/// bound is that of its callers, who all hold a permit of some kind for each job.
pub struct Pool {
    shared: Arc<Shared>,
}

/// Starts a thread of a pool; a function of its own, so that a test can refuse.
type Start = fn(&Arc<Shared>) -> std::io::Result<()>;

struct Shared {
    name: &'static str,
    limit: usize,
    start: Start,
    /// Jobs run outside of the lock, so that no panic of theirs leaves it half changed.
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
    /// A pool of at most `limit` threads, the first of which runs already.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(name: &'static str, limit: usize) -> std::io::Result<Self> {
        Self::started_by(start, name, limit)
    }

    fn started_by(start: Start, name: &'static str, limit: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            name,
            limit,
            start,
            queue: Mutex::new(Queue {
                threads: 1,
                ..Queue::default()
            }),
            wake: Condvar::new(),
        });
        start(&shared)?;
        Ok(Self { shared })
    }

    /// Runs a job when a thread is free.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.queue.lock();
        queue.jobs.push_back(Box::new(job));
        let grow = queue.jobs.len() > queue.idle && queue.threads < self.shared.limit;
        if grow {
            match (self.shared.start)(&self.shared) {
                Ok(()) => queue.threads += 1,
                // At a limit of the system: the existing threads, at least one, will
                // run the job.
                Err(error) => {
                    tracing::debug!(pool = self.shared.name, %error, "no further thread");
                }
            }
        }
        drop(queue);
        self.shared.wake.notify_one();
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
        self.shared.queue.lock().jobs.len()
    }
}

fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let worker = Arc::clone(shared);
    std::thread::Builder::new()
        .name(shared.name.to_owned())
        .spawn(move || worker.work())
        .map(drop)
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                // A job that panics must not take its thread from the pool.
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                if ended.is_err() {
                    tracing::error!(pool = self.name, "a job panicked");
                }
                queue = self.queue.lock();
            } else if queue.closed {
                return;
            } else {
                queue.idle += 1;
                self.wake.wait(&mut queue);
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
        let pool = Pool::new("test", 3).expect("a thread");
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

    #[tokio::test]
    async fn where_no_further_thread_can_be_had_jobs_wait_for_those_there_are() {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let only_the_first: Start = |shared| match STARTED.fetch_add(1, Ordering::SeqCst) {
            0 => start(shared),
            _ => Err(std::io::ErrorKind::WouldBlock.into()),
        };
        let pool = Pool::started_by(only_the_first, "test", 3).expect("a thread");
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = pool.call(move || wait.recv().is_ok());
        let others = futures::future::join_all((0..5).map(|n| pool.call(move || n)));
        let release = async { go.send(()).is_ok() };
        let (busy, others, released) = tokio::join!(busy, others, release);
        assert_eq!((busy, released), (Some(true), true));
        assert_eq!(others, (0..5).map(Some).collect::<Vec<_>>());
    }
}

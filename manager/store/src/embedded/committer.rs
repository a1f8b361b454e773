//! The one thread that writes. It takes every change that waits into one durable
//! transaction, sends the outcomes, and takes those that came meanwhile: changes that
//! come together share a commit, and none is delayed so that others can join it.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::batch::{Answer, Batch, Change, Reply};
use super::room::{Disk, Level};
use super::tables::Tables;
use super::writes::Buffers;
use manager_protocol::store::{Cause, StoreError, StoreStats, Totals};

/// Changes that may wait; past it, callers wait for room.
const QUEUE: usize = 4096;
/// Changes that one transaction takes at most.
const MAX_BATCH: usize = 1024;

/// How often a broken store checks whether there is room on its disk again.
const ROOM: Duration = Duration::from_secs(1);

/// What the committer and its callers share.
#[derive(Default)]
struct Shared {
    stats: StoreStats,
    /// Set by the first commit that failed. What is on the disk is unknown from
    /// then on, so nothing is written until the store is opened anew (rule 5).
    broken: OnceLock<Cause>,
    /// Cancelled when the store can't go on: when it is broken, or its thread ended.
    ended: CancellationToken,
}

/// Why nothing is answered any more.
const GONE: &str = "the store's committer has ended";

/// The committer's handle. Dropping it finishes what waits and ends the thread.
pub(super) struct Committer {
    queue: Option<mpsc::Sender<Change>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    disk: Disk,
}

impl Committer {
    pub(super) fn start(tables: Tables, disk: Disk) -> Result<Self, StoreError> {
        let totals = tables.totals()?;
        let shared = Arc::new(Shared::default());
        let (queue, changes) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-committer".into())
            .spawn({
                let (shared, mut disk) = (shared.clone(), disk.clone());
                move || {
                    // Dropped when the thread ends, also by a panic.
                    let _ended = shared.ended.clone().drop_guard();
                    run(&tables, changes, totals, &shared, &mut disk);
                }
            })
            .map_err(StoreError::refused)?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            shared,
            disk,
        })
    }

    /// Waits until the store can't recover by itself and opening it anew can help: on a
    /// full disk, not before there is room again.
    pub(super) async fn lost(&self) -> StoreError {
        self.shared.ended.cancelled().await;
        while self.disk.level() == Level::Out {
            tokio::time::sleep(ROOM).await;
        }
        match self.check() {
            Err(error) => error,
            Ok(()) => StoreError::refused(GONE),
        }
    }

    /// The error for new files, where the disk has no room for them.
    pub(super) fn short(&self) -> Option<StoreError> {
        self.disk.short()
    }

    /// Hands a change over and waits for its outcome. A caller that stops waiting
    /// leaves the outcome open.
    pub(super) async fn ask<T>(
        &self,
        change: impl FnOnce(Reply<T>) -> Change,
    ) -> Result<T, StoreError> {
        self.check()?;
        let queue = self.queue.as_ref().expect("only drop takes it");
        let (reply, outcome) = oneshot::channel();
        let room = queue
            .reserve()
            .await
            .map_err(|_| StoreError::refused(GONE))?;
        self.shared.stats.asked();
        room.send(change(reply));
        outcome
            .await
            .unwrap_or_else(|_| Err(StoreError::unavailable(GONE)))
    }

    /// Whether changes are taken.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.shared.broken.get() {
            Some(cause) => Err(StoreError::Refused(cause.clone())),
            None if self.shared.ended.is_cancelled() => Err(StoreError::refused(GONE)),
            None => Ok(()),
        }
    }

    pub(super) fn stats(&self) -> &StoreStats {
        &self.shared.stats
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has answered everybody already.
            let _ = thread.join();
        }
    }
}

fn run(
    tables: &Tables,
    mut changes: mpsc::Receiver<Change>,
    mut totals: Totals,
    shared: &Shared,
    disk: &mut Disk,
) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    let mut buffers = Buffers::default();
    while changes.blocking_recv_many(&mut waiting, MAX_BATCH) > 0 {
        let count = waiting.len();
        if shared.broken.get().is_none() {
            disk.admit(&mut waiting);
        }
        match shared.broken.get() {
            Some(cause) => {
                for change in waiting.drain(..) {
                    change.refuse(StoreError::Refused(cause.clone()));
                }
            }
            None => commit(tables, waiting.drain(..), &mut totals, &mut buffers, shared),
        }
        shared.stats.answered(count);
    }
}

/// Whether a failed commit is the engine's failure, which opening it anew can heal. A
/// contradiction in the records would be met again after that: then reads go on, so
/// that a person can examine it, and the process does not restart for ever.
fn is_the_engines(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_) | StoreError::Open { .. } => true,
        StoreError::Refused(_)
        | StoreError::Full { .. }
        | StoreError::Corrupt(_)
        | StoreError::Locked { .. }
        | StoreError::NewerFormat { .. }
        | StoreError::Invalid(_)
        | StoreError::NotEmpty
        | StoreError::Url(_) => false,
    }
}

/// One transaction of all that waited.
fn commit(
    tables: &Tables,
    changes: impl ExactSizeIterator<Item = Change>,
    totals: &mut Totals,
    buffers: &mut Buffers,
    shared: &Shared,
) {
    let (begun, count) = (Instant::now(), changes.len());
    let mut batch = Batch::new(tables);
    let answers: Vec<Answer> = changes.map(|change| batch.apply(change)).collect();
    let failure = match batch.commit(totals, buffers) {
        Ok(0) => None,
        Ok(_) => {
            shared.stats.committed(count, begun.elapsed());
            None
        }
        Err(error) => {
            tracing::error!(%error, changes = count, "a commit failed; no more are tried");
            let cause: Cause = Arc::new(error.clone());
            shared.broken.get_or_init(|| cause);
            if is_the_engines(&error) {
                shared.ended.cancel();
            }
            Some(error)
        }
    };
    for answer in answers {
        answer.tell(failure.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::is_the_engines;
    use crate::embedded::tables::TOTALS;
    use crate::{Embedded, encoding};
    use manager_protocol::sim::sample::record;
    use manager_protocol::store::{Store, StoreError, Totals};

    /// A file that the totals don't know: the commit that removes it must fail.
    async fn store_whose_next_removal_fails(dir: &std::path::Path) -> Embedded {
        let store = Embedded::open(dir).await.unwrap();
        store.insert(record("file", 1)).await.unwrap();
        let nothing = encoding::encode_totals(&Totals::default());
        store.tables.meta.insert(TOTALS, nothing).unwrap();
        drop(store);
        Embedded::open(dir).await.unwrap()
    }

    #[test]
    fn only_the_engines_own_failure_ends_the_store() {
        assert!(is_the_engines(&StoreError::unavailable("a flush failed")));
        for other in [
            StoreError::refused("closing"),
            StoreError::Corrupt("the totals don't add up".into()),
            StoreError::Full { free: 0, least: 1 },
        ] {
            assert!(!is_the_engines(&other), "{other}");
        }
    }

    #[tokio::test]
    async fn after_a_failed_commit_writes_are_refused_until_the_store_is_opened_anew() {
        let dir = tempfile::TempDir::new().unwrap();
        let store = store_whose_next_removal_fails(dir.path()).await;
        let file = store.get(&record("file", 1).name).await.unwrap().unwrap();
        let failed = store.remove(&file.name, file.id, file.rev).await;
        assert!(matches!(failed, Err(StoreError::Corrupt(_))), "{failed:?}");
        let refused = store.insert(record("other", 1)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
        assert!(!refused.outcome_unknown());
        assert!(store.ping().await.is_err(), "readiness must tell");
        // The same records would break it again after a restart.
        let wait = std::time::Duration::from_millis(50);
        let lost = tokio::time::timeout(wait, store.lost()).await;
        assert!(lost.is_err(), "{lost:?}");
        assert_eq!(
            store.get(&file.name).await.unwrap(),
            Some(file),
            "reads go on"
        );
        drop(store);
        let store = Embedded::open(dir.path()).await.unwrap();
        store.insert(record("other", 1)).await.unwrap();
    }
}

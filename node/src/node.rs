//! One node: its volume, its trees and its open creates, and the operations on them
//! that all its services share.

use crate::creates::Creates;
use crate::disk::meta::CopyKey;
use crate::disk::{Copy, Disk, Done, Found, Op, Place};
use crate::fault::Failure;
use crate::identity::Volume;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::scrub::{PLACE_EVERY, Scrub};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use proto::v1::{self, Fault};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Threads that write and flush files: as many flushes can share a journal commit.
const WRITERS: usize = 64;
/// Threads that read files.
const READERS: usize = 16;
/// Threads that walk the trees and re-read files for others, which takes long.
pub(crate) const WALKERS: usize = 4;

/// Bytes of the key of tickets.
const TICKET_KEY: usize = 32;
/// How many troubles a report names.
const TROUBLES: usize = 20;

/// What the services, the joins and the background work share.
pub struct Node {
    /// The volume's identity and lock.
    pub volume: Volume,
    /// Its files.
    pub disk: Disk,
    /// What is known of the files' health.
    pub scrub: Scrub,
    /// Threads that write and flush files.
    pub writers: Pool,
    /// Threads that read files.
    pub readers: Pool,
    /// Threads that walk the trees and re-read files.
    pub walkers: Pool,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Cancelled when the node begins to leave.
    pub leaving: CancellationToken,
    /// With which managers make the tickets of copies that other nodes bring; drawn at
    /// the start.
    pub ticket_key: Bytes,
    creates: Mutex<Creates>,
    changed: watch::Sender<()>,
    /// The last beat that this process heard of, and its term.
    beat: Mutex<(u64, u64)>,
    /// The number of the last count of files.
    counts: Mutex<u64>,
}

impl Node {
    /// A node on an open volume.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(
        volume: Volume,
        disk: Disk,
        scrub: Scrub,
        metrics: Arc<Metrics>,
        leaving: CancellationToken,
        max_tombstones: usize,
    ) -> std::io::Result<Arc<Self>> {
        let creates = Creates::new(volume.identity().sealed, max_tombstones);
        disk.begin_session(creates.session());
        Ok(Arc::new(Self {
            volume,
            disk,
            scrub,
            writers: Pool::new("writer", WRITERS)?,
            readers: Pool::new("reader", READERS)?,
            walkers: Pool::new("walker", WALKERS)?,
            metrics,
            leaving,
            ticket_key: rand::random::<[u8; TICKET_KEY]>().to_vec().into(),
            creates: Mutex::new(creates),
            changed: watch::Sender::new(()),
            beat: Mutex::default(),
            counts: Mutex::default(),
        }))
    }

    pub(crate) fn creates(&self) -> MutexGuard<'_, Creates> {
        // Each of its methods leaves it whole, whatever its caller does next.
        self.creates.lock()
    }

    /// The current session.
    pub fn session(&self) -> u64 {
        self.creates().session()
    }

    /// The lease's counter and term as a manager last reported them: a store whose
    /// history lacks them was set back.
    pub(crate) fn beat(&self) -> (u64, u64) {
        *self.beat.lock()
    }

    /// Remembers the beat that a manager reports; a lower one too, since the set-back
    /// was dealt with by then.
    pub(crate) fn hear_beat(&self, beat: u64, term: u64) {
        // A manager that has just started has not read the lease yet.
        if beat > 0 {
            *self.beat.lock() = (beat, term);
        }
    }

    /// Wakes the tasks that report when session, seal or health changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The count of files now, numbered, so that a manager knows the newer of two counts.
    pub(crate) fn counted(&self) -> v1::Counted {
        self.counted_both().0
    }

    /// The same, with what is in quarantine at the same instant (invariant 7).
    pub(crate) fn counted_both(&self) -> (v1::Counted, u64) {
        let mut last = self.counts.lock();
        *last += 1;
        let (files, quarantined) = self.disk.counts();
        let counted = v1::Counted {
            number: *last,
            files,
        };
        (counted, quarantined)
    }

    /// What the node reports to managers.
    pub fn report(&self) -> v1::Report {
        let room = self.disk.space().room();
        let (counted, quarantined) = self.counted_both();
        let health = self.disk.health();
        let refusal = health.refusal();
        let creates = self.creates();
        v1::Report {
            session: creates.session(),
            files: counted.files,
            counted: counted.number,
            bytes: self.disk.bytes(),
            free: room.free,
            capacity: room.capacity,
            quarantined,
            sealed: creates.is_sealed(),
            read_only: refusal.is_some(),
            read_only_why: refusal.unwrap_or_default().to_owned(),
            troubles: self.disk.troubles().first(TROUBLES),
            trouble_count: self.disk.troubles().count() as u64,
            disk_silent_ms: u64::try_from(health.silent().as_millis()).unwrap_or(u64::MAX),
            free_inodes: room.inodes,
            corrupt_files: self.scrub.count() as u64,
            corrupt: self.scrub.reported(),
            scrub: Some(self.scrub.progress(counted.files)),
            leaving: self.leaving.is_cancelled(),
        }
    }

    /// Brings the gauges up to date.
    pub fn refresh_metrics(&self) {
        let report = self.report();
        let metrics = &self.metrics;
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        metrics.files.set(clamp(report.files));
        metrics.bytes.set(clamp(report.bytes));
        metrics.free_bytes.set(clamp(report.free));
        metrics.quarantined.set(clamp(report.quarantined));
        metrics.sealed.set(i64::from(report.sealed));
        metrics.read_only.set(i64::from(report.read_only));
        metrics.troubles.set(clamp(report.trouble_count));
        metrics
            .disk_silent
            .set(report.disk_silent_ms as f64 / 1000.0);
        metrics.corrupt.set(clamp(report.corrupt_files));
        let scrub = report.scrub.unwrap_or_default();
        metrics.scrubbed_files.set(clamp(scrub.files));
        metrics.scrubbed_bytes.set(clamp(scrub.bytes));
        metrics.scrub_ended.set(clamp(scrub.ended_ms / 1000));
        metrics.open_creates.set(self.creates().open_count() as i64);
        metrics.commit_queue.set(self.disk.waiting() as i64);
        metrics.write_queue.set(self.writers.waiting() as i64);
    }

    /// Watches the disk once a second, on a thread of its own: the other periodic work
    /// must not wait for a disk that does not answer.
    pub fn watch_disk(&self) {
        while !self.leaving.is_cancelled() {
            self.disk.watch();
            self.scrub.save(PLACE_EVERY);
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// The periodic work: brings the gauges up to date, ends idle creates, and at once
    /// reports a disk that has become read-only.
    pub async fn housekeeping(self: Arc<Self>, idle: Duration) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut refused = false;
        loop {
            tokio::select! {
                () = self.leaving.cancelled() => return,
                _ = tick.tick() => {}
            }
            self.refresh_metrics();
            let ended = self.creates().sweep(idle);
            for finish in ended {
                (finish.done)(Err(Failure::new(
                    Fault::NotFound,
                    "the create was idle too long",
                )));
            }
            if self.disk.health().refusal().is_some() && !refused {
                refused = true;
                self.changed.send_replace(());
            }
        }
    }

    /// Removes exactly that copy (rule 3). The committer works in order, so that a
    /// create that it already has is linked first and then removed.
    pub fn delete(self: &Arc<Self>, mut copy: Copy, session: u64, done: Done<bool>) {
        let node = Arc::clone(self);
        copy.session = session;
        let key = copy.key;
        let counted: Done<bool> = Box::new(move |result| {
            Metrics::count(&node.metrics.deletes, &result);
            if matches!(result, Ok(true)) {
                node.scrub.forget(key);
            }
            done(result);
        });
        self.doom(
            key,
            session,
            Op::Remove {
                copy,
                done: counted,
            },
        );
    }

    /// Ends an open create of that copy and refuses a late one, as a delete does,
    /// but removes nothing; answers whether the copy is there (rule 17).
    pub fn refuse(self: &Arc<Self>, mut copy: Copy, session: u64, done: Done<bool>) {
        let node = Arc::clone(self);
        copy.session = session;
        let key = copy.key;
        let flushed: Done<()> = Box::new(move |flushed| {
            let reader = Arc::clone(&node);
            // Not on the committer's thread: it must not wait for a read.
            node.readers.run(move || {
                let found = flushed.and_then(|()| reader.disk.find(Place::Data, &copy));
                done(found.map(|found| found.is_some()));
            });
        });
        self.doom(key, session, Op::Barrier { done: flushed });
    }

    /// Ends and refuses creates of a copy, and hands the committer what is to be
    /// done after those that it has already.
    fn doom(&self, key: CopyKey, session: u64, then: Op) {
        let mut creates = self.creates();
        let before = creates.session();
        let waiting = creates.doom(key, session);
        let renewed = creates.session() != before;
        self.disk.begin_session(creates.session());
        let why = creates.why_gone(key);
        self.disk.submit(then);
        drop(creates);
        if let Some(finish) = waiting {
            (finish.done)(Err(why));
        }
        if renewed {
            tracing::info!("the tombstones are full: a new session begins (rule 4)");
            self.changed.send_replace(());
        }
    }

    /// Moves a copy that was listed in `session` back from quarantine, unless a delete of
    /// it came first, after which no record lists it (rules 2 and 3). Returns its leaf,
    /// if it was there.
    ///
    /// # Errors
    /// `Tombstone`, `WrongSession`, or as the committer says.
    pub(crate) async fn adopt(&self, copy: Copy, session: u64) -> Result<Option<u32>, Failure> {
        let receive = {
            let creates = self.creates();
            creates.may_adopt(copy.key, session)?;
            // Under the lock: a later delete queues behind it.
            self.submit(|done| Op::Adopt { copy, done })
        };
        receive.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Waits until all that was asked before is durable.
    ///
    /// # Errors
    /// When a flush failed.
    pub async fn barrier(&self) -> Result<(), Failure> {
        self.ask(|done| Op::Barrier { done }).await
    }

    /// Asks the committer and waits for its answer.
    ///
    /// # Errors
    /// As the operation says.
    pub async fn ask<T: Send + 'static>(
        &self,
        op: impl FnOnce(Done<T>) -> Op,
    ) -> Result<T, Failure> {
        self.submit(op).await.unwrap_or_else(|_| Err(gone()))
    }

    /// Hands the committer an operation; returns the receiver of its answer.
    fn submit<T: Send + 'static>(
        &self,
        op: impl FnOnce(Done<T>) -> Op,
    ) -> oneshot::Receiver<Result<T, Failure>> {
        let (send, receive) = oneshot::channel();
        self.disk.submit(op(Box::new(move |result| {
            // Nobody waits any more where the request was dropped.
            let _ = send.send(result);
        })));
        receive
    }

    /// What the node holds of a copy, durably. Blocks. A copy that is
    /// not held may be on its way: only [`Self::states`] may deny it.
    pub(crate) fn state(&self, copy: &Copy) -> Result<v1::CopyState, Failure> {
        // Checked before the disk: a create that ends in between is found there.
        let underway = self.creates().is_finishing(copy.key);
        let found = match self.disk.find(Place::Data, copy) {
            Ok(Some(found)) => found,
            Ok(None) => {
                return Ok(v1::CopyState {
                    underway,
                    ..v1::CopyState::default()
                });
            }
            // Whether it is there is not known, so it is not denied; and the answer on the
            // other copies must not fail for it.
            Err(_) => {
                return Ok(v1::CopyState {
                    held: true,
                    corrupt: true,
                    leaf: copy.leaf.unwrap_or_default(),
                    ..v1::CopyState::default()
                });
            }
        };
        Ok(v1::CopyState {
            held: true,
            leaf: found.leaf,
            corrupt: !self.is_intact(copy, &found)?,
            meta: Some(found.meta.to_wire(&copy.name)),
            underway: false,
        })
    }

    /// Whether a copy is not known to be corrupt. One that is shorter or longer than its
    /// record says is noted as corrupt.
    fn is_intact(&self, copy: &Copy, found: &Found) -> Result<bool, Failure> {
        if self.scrub.is_corrupt(copy.key) {
            return Ok(false);
        }
        let whole = found.is_whole()?;
        if !whole {
            self.scrub.is_not_whole(copy);
        }
        Ok(whole)
    }

    /// A copy as it may be served: there, and not known to be corrupt. Blocks.
    ///
    /// # Errors
    /// `NotFound`, `Checksum`.
    pub(crate) fn served(&self, copy: &Copy) -> Result<Found, Failure> {
        let found = self.disk.find(Place::Data, copy)?;
        let found = found
            .ok_or_else(|| Failure::new(Fault::NotFound, "the node does not hold that copy"))?;
        if !self.is_intact(copy, &found)? {
            let why = "the copy is corrupt: its bytes are kept, and not served";
            return Err(Failure::new(Fault::Checksum, why));
        }
        Ok(found)
    }

    /// What the node holds of these copies. A denial comes only after all that
    /// was asked before is durable (rule 5).
    ///
    /// # Errors
    /// When a copy can't be read, or a flush failed.
    pub async fn states(
        self: &Arc<Self>,
        copies: Vec<Copy>,
    ) -> Result<Vec<v1::CopyState>, Failure> {
        let (copies, states) = self.look(copies).await?;
        if states.iter().all(|state| state.held) {
            return Ok(states);
        }
        self.barrier().await?;
        Ok(self.look(copies).await?.1)
    }

    async fn look(
        self: &Arc<Self>,
        copies: Vec<Copy>,
    ) -> Result<(Vec<Copy>, Vec<v1::CopyState>), Failure> {
        let node = Arc::clone(self);
        self.readers
            .call(move || {
                let states: Result<Vec<_>, _> = copies.iter().map(|c| node.state(c)).collect();
                states.map(|states| (copies, states))
            })
            .await
            .unwrap_or_else(|| Err(gone()))
    }

    /// Refuses a leader below the highest that was seen; a higher one is stored
    /// before it is obeyed (rule 10).
    ///
    /// # Errors
    /// `StaleLeader`, or `Io` when it can't be stored.
    pub async fn obey(self: &Arc<Self>, leader: u64) -> Result<(), Failure> {
        if self.volume.identity().leader == leader {
            return Ok(());
        }
        let node = Arc::clone(self);
        let seen = self
            .writers
            .call(move || node.volume.observe_leader(leader))
            .await
            .ok_or_else(gone)?;
        match seen {
            Ok(Ok(())) => Ok(()),
            Ok(Err(highest)) => {
                let message = format!("leader {leader} is below {highest}");
                Err(Failure::new(Fault::StaleLeader, message))
            }
            Err(error) => Err(Failure::new(
                Fault::Io,
                format!("store the leader: {error}"),
            )),
        }
    }

    /// Seals the node against new files, or opens it again, durably (rule 15).
    /// When it returns nothing more can appear.
    ///
    /// # Errors
    /// When it can't be stored or flushed.
    pub async fn seal(self: &Arc<Self>, sealed: bool) -> Result<(), Failure> {
        let node = Arc::clone(self);
        let stored = self
            .writers
            .call(move || node.volume.set_sealed(sealed))
            .await;
        stored
            .ok_or_else(gone)?
            .map_err(|error| Failure::new(Fault::Io, format!("store the seal: {error}")))?;
        let ended = self.creates().set_sealed(sealed);
        for finish in ended {
            (finish.done)(Err(Failure::new(
                Fault::Sealed,
                "the node was sealed by a drain",
            )));
        }
        self.changed.send_replace(());
        self.barrier().await
    }
}

/// The answer where a thread of ours failed.
pub(crate) fn gone() -> Failure {
    Failure::new(Fault::Io, "the operation was broken off")
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;

//! One joined node: its link, its last report, and the count that placement uses.

use super::Address;
use super::calls::Calls;
use super::pace::Pace;
use crate::store::{Copy, Record};
use crate::world::World;
use bytes::Bytes;
use messages::v1::{CopyRef, Counted, Hello, Report, ScrubProgress, SealReply};
use messages::{FileId, FileName, NodeId};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A node without a report for this long is unavailable; nothing else distinguishes a
/// stopped node from a busy one. Together with the time that a broken call takes, this
/// stays under the promised 10 s.
pub const SILENCE: Duration = Duration::from_secs(5);

/// How often a task that waits for a node checks whether its disk still answers.
const LOOK: Duration = Duration::from_millis(500);

/// What a node last said of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeReport {
    /// Files on its disk.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that uploads may still use.
    pub free: u64,
    /// Bytes that files could ever take there.
    pub capacity: u64,
    /// Copies in quarantine.
    pub quarantined: u64,
    /// Sealed by a drain.
    pub sealed: bool,
    /// It takes no writes until it is restarted.
    pub read_only: bool,
    /// For how long its disk has not answered what waits for it.
    pub disk_silent: Duration,
    /// It was asked to stop.
    pub leaving: bool,
    /// Inodes that uploads may still use.
    pub free_inodes: u64,
    /// Copies whose bytes do not match their records.
    pub corrupt_files: u64,
    /// How far it is with re-reading its files.
    pub scrub: ScrubProgress,
}

impl NodeReport {
    /// Whether its disk has not answered for too long.
    fn is_silent(&self) -> bool {
        self.disk_silent >= messages::DISK_SILENT
    }
}

struct Heard {
    report: NodeReport,
    at: Instant,
    corrupt: Arc<Vec<CopyRef>>,
    read_only_why: Arc<str>,
    troubles: Arc<Vec<String>>,
    pace: Pace,
}

/// A node whose join stream is open.
pub struct Node {
    pub(super) world: World,
    /// Its id.
    pub id: NodeId,
    /// Its volume.
    pub volume_id: Uuid,
    /// Its pool.
    pub pool: String,
    /// Where it is reached.
    pub endpoint: String,
    /// The calls to it.
    pub link: Box<dyn Calls>,
    /// Cancelled when it leaves.
    pub closed: CancellationToken,
    /// The highest generation that its volume had taken when it joined.
    pub generation_seen: u32,
    /// With which tickets for it are made; empty where it joined without a certificate,
    /// and the pool's key does it.
    pub ticket_key: Bytes,
    session: AtomicU64,
    /// Bytes of the files that are being moved there.
    moving: AtomicU64,
    in_flight: AtomicI64,
    heard: Mutex<Heard>,
}

impl Node {
    /// A node that just joined, as its first report describes it.
    pub fn new(
        world: World,
        id: NodeId,
        volume_id: Uuid,
        hello: Hello,
        link: Box<dyn Calls>,
        closed: CancellationToken,
        first: &Report,
    ) -> Self {
        let now = world.now();
        link.count().take(count_of(first));
        Self {
            world,
            id,
            volume_id,
            pool: hello.pool,
            endpoint: hello.endpoint,
            link,
            closed,
            generation_seen: hello.generation_seen,
            ticket_key: hello.ticket_key,
            session: AtomicU64::new(first.session),
            moving: AtomicU64::new(0),
            in_flight: AtomicI64::new(0),
            heard: Mutex::new(Heard {
                report: read(first),
                at: now,
                corrupt: Arc::new(first.corrupt.clone()),
                read_only_why: first.read_only_why.as_str().into(),
                troubles: Arc::new(first.troubles.clone()),
                pace: Pace::default(),
            }),
        }
    }

    /// Where it is reached.
    pub fn address(&self) -> Address<'_> {
        Address {
            endpoint: &self.endpoint,
            pool: &self.pool,
            secured: self.is_secured(),
        }
    }

    /// Whether it joined with a certificate, and so speaks TLS.
    pub fn is_secured(&self) -> bool {
        !self.ticket_key.is_empty()
    }

    /// Takes a report in.
    pub fn hear(&self, report: &Report) {
        self.session.store(report.session, Ordering::Relaxed);
        let mut heard = self.heard.lock();
        heard.report = read(report);
        heard.at = self.world.now();
        if *heard.corrupt != report.corrupt {
            heard.corrupt = Arc::new(report.corrupt.clone());
        }
        if *heard.troubles != report.troubles {
            heard.troubles = Arc::new(report.troubles.clone());
        }
        if *heard.read_only_why != *report.read_only_why {
            heard.read_only_why = report.read_only_why.as_str().into();
        }
        if report.sealed {
            let now = heard.at;
            heard.pace.note(now, report.files);
        } else {
            heard.pace.forget();
        }
        drop(heard);
        self.link.count().take(count_of(report));
    }

    /// Its last report.
    pub fn report(&self) -> NodeReport {
        self.heard.lock().report
    }

    /// Why it takes no writes; None where it takes them.
    pub fn read_only_why(&self) -> Option<String> {
        let heard = self.heard.lock();
        heard
            .report
            .read_only
            .then(|| heard.read_only_why.to_string())
    }

    /// Some of its files and directories that can't be used, and why.
    pub fn troubles(&self) -> Arc<Vec<String>> {
        self.heard.lock().troubles.clone()
    }

    /// Notes that it answered that it takes no writes, before its report says so.
    pub(crate) fn refuses_writes(&self, why: &str) {
        let mut heard = self.heard.lock();
        if !heard.report.read_only {
            heard.report.read_only = true;
            heard.read_only_why = why.into();
        }
    }

    /// Whether its disk has not answered for too long.
    pub(crate) fn is_silent(&self) -> bool {
        self.report().is_silent()
    }

    /// Waits until its disk has not answered for too long.
    pub(crate) async fn falls_silent(&self) {
        while !self.is_silent() {
            self.world.sleep(LOOK).await;
        }
    }

    /// Notes its answer to an order to be sealed or opened.
    pub fn sealed(&self, sealed: bool, reply: &SealReply) {
        let mut heard = self.heard.lock();
        heard.report.sealed = sealed;
        heard.report.files = reply.files;
        heard.report.quarantined = reply.quarantined;
    }

    /// The corrupt copies that it reports.
    pub fn corrupt(&self) -> Arc<Vec<CopyRef>> {
        self.heard.lock().corrupt.clone()
    }

    /// Whether it said that a record's copy is corrupt.
    pub(crate) fn is_corrupt(&self, record: &Record) -> bool {
        let (id, generation) = (record.id.as_bytes(), record.generation);
        let corrupt = self.corrupt();
        corrupt
            .iter()
            .any(|copy| copy.id[..] == id[..] && copy.generation == generation)
    }

    /// Files a second that leave it while it is drained.
    pub(crate) fn leave_rate(&self) -> f64 {
        self.heard.lock().pace.rate()
    }

    /// Whether it reported lately and its stream is open.
    pub fn is_available(&self) -> bool {
        !self.closed.is_cancelled() && self.world.now() < self.heard.lock().at + SILENCE
    }

    /// Its session (rule 4).
    pub fn session(&self) -> u64 {
        self.session.load(Ordering::Relaxed)
    }

    /// Files on its disk, as it last said itself.
    pub fn files(&self) -> u64 {
        self.link.count().files()
    }

    /// Its files as placement counts them: those on disk, and those that this
    /// manager is bringing there.
    pub fn count(&self) -> u64 {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        self.files()
            .saturating_add(u64::try_from(in_flight).unwrap_or(0))
    }

    /// Bytes that an upload may use. Sizes that clients announce are not subtracted:
    /// the node counts bytes as they come, each once.
    pub fn free(&self) -> u64 {
        self.report().free
    }

    /// The most bytes that one more file to be moved there may have. The known sizes of
    /// files on their way are subtracted, so that none of them fails for lack of room.
    pub(crate) fn free_for_moves(&self) -> u64 {
        let moving = self.moving.load(Ordering::Relaxed);
        self.free().saturating_sub(moving)
    }

    /// Whether there is room for any further file, by bytes and by inodes.
    pub(crate) fn has_room(&self) -> bool {
        let report = self.report();
        report.free > 0 && report.free_inodes > 0
    }

    /// Whether files may be placed there.
    pub(crate) fn takes_files(&self) -> bool {
        let report = self.report();
        !report.sealed && !report.read_only && !report.leaving && !report.is_silent()
    }

    /// Whether a drain takes its files away: the node itself is sealed (rule 15).
    pub fn is_draining(&self) -> bool {
        self.report().sealed
    }

    pub(super) fn begin(&self, moving: u64) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.moving.fetch_add(moving, Ordering::Relaxed);
    }

    pub(super) fn end(&self, moving: u64) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.moving.fetch_sub(moving, Ordering::Relaxed);
    }
}

fn count_of(report: &Report) -> Counted {
    Counted {
        number: report.counted,
        files: report.files,
    }
}

fn read(report: &Report) -> NodeReport {
    NodeReport {
        files: report.files,
        bytes: report.bytes,
        free: report.free,
        capacity: report.capacity,
        quarantined: report.quarantined,
        sealed: report.sealed,
        read_only: report.read_only,
        disk_silent: Duration::from_millis(report.disk_silent_ms),
        leaving: report.leaving,
        free_inodes: report.free_inodes,
        corrupt_files: report.corrupt_files,
        scrub: report.scrub.unwrap_or_default(),
    }
}

/// A copy as a message names it.
pub(crate) fn copy_ref(id: FileId, generation: u32, name: &FileName, leaf: Option<u32>) -> CopyRef {
    CopyRef {
        id: id.to_wire(),
        generation,
        name: name.as_str().to_owned(),
        leaf,
        session: 0,
    }
}

/// The copy of a record that counts, as a message names it.
pub(crate) fn home_ref(record: &Record) -> CopyRef {
    match record.counting_copy() {
        Some(copy) => listed_ref(record, copy),
        None => copy_ref(record.id, record.generation, &record.name, record.leaf),
    }
}

/// Any copy of a record, as a message names it.
pub(crate) fn listed_ref(record: &Record, copy: &Copy) -> CopyRef {
    let leaf = record.leaf.filter(|_| record.counts(copy));
    CopyRef {
        session: copy.session,
        ..copy_ref(record.id, copy.generation, &record.name, leaf)
    }
}

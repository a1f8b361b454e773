//! The node's metrics, by Prometheus's conventions.

use kit::metrics::{Named, register};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `ok`, or the fault's name in lower case.
    pub result: String,
}

/// Counters, gauges and histograms of one node.
pub struct Metrics {
    /// Files in `data/`.
    pub files: Gauge,
    /// Bytes of the files in `data/`.
    pub bytes: Gauge,
    /// Bytes that uploads may still use.
    pub free_bytes: Gauge,
    /// Files in quarantine.
    pub quarantined: Gauge,
    /// 1 while sealed by a drain.
    pub sealed: Gauge,
    /// 1 while it takes no writes until a restart.
    pub read_only: Gauge,
    /// Files and directories that can't be used.
    pub troubles: Gauge,
    /// Seconds for which the disk has not answered what waits for it.
    pub disk_silent: Gauge<f64, AtomicU64>,
    /// Copies whose bytes do not match their records.
    pub corrupt: Gauge,
    /// Files that the scrub has read since the start.
    pub scrubbed_files: Gauge,
    /// Their bytes.
    pub scrubbed_bytes: Gauge,
    /// When the last whole scrub ended, in seconds since 1970.
    pub scrub_ended: Gauge,
    /// Creates that are open.
    pub open_creates: Gauge,
    /// Operations that wait for the committer.
    pub commit_queue: Gauge,
    /// Files that wait for a thread that writes and flushes them.
    pub write_queue: Gauge,
    /// Managers joined.
    pub managers: Gauge,
    /// Creates that ended, by result.
    pub uploads: Family<Outcome, Counter>,
    /// Copies read, by result.
    pub downloads: Family<Outcome, Counter>,
    /// Copies deleted, by result.
    pub deletes: Family<Outcome, Counter>,
    /// Copies sent to other nodes, by result.
    pub transfers: Family<Outcome, Counter>,
    /// Seconds from Finish to its answer.
    pub upload_seconds: Histogram,
    /// Seconds that a file's flush took.
    pub file_flush: Histogram,
    /// Seconds that the flush of a batch's directories took.
    pub dir_flush: Histogram,
    /// Changes that shared one flush.
    pub batch: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        Self {
            files: Gauge::default(),
            bytes: Gauge::default(),
            free_bytes: Gauge::default(),
            quarantined: Gauge::default(),
            sealed: Gauge::default(),
            read_only: Gauge::default(),
            troubles: Gauge::default(),
            disk_silent: Gauge::default(),
            corrupt: Gauge::default(),
            scrubbed_files: Gauge::default(),
            scrubbed_bytes: Gauge::default(),
            scrub_ended: Gauge::default(),
            open_creates: Gauge::default(),
            commit_queue: Gauge::default(),
            write_queue: Gauge::default(),
            managers: Gauge::default(),
            uploads: Family::default(),
            downloads: Family::default(),
            deletes: Family::default(),
            transfers: Family::default(),
            upload_seconds: seconds(),
            file_flush: seconds(),
            dir_flush: seconds(),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
        }
    }
}

impl Metrics {
    /// Registers all of them under `dfs_node_…`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("dfs_node");
        register(registry, &self.gauges());
        registry.register(
            "disk_silent_seconds",
            "For how long the disk has not answered a call that waits for it",
            self.disk_silent.clone(),
        );
        register(registry, &self.outcomes());
        register(registry, &self.histograms());
    }

    fn gauges(&self) -> [Named<'_, Gauge>; 15] {
        [
            ("files", "Files on this node", &self.files),
            ("bytes", "Bytes of the files on this node", &self.bytes),
            (
                "free_bytes",
                "Bytes that uploads may still use",
                &self.free_bytes,
            ),
            (
                "quarantined_files",
                "Files in quarantine",
                &self.quarantined,
            ),
            ("sealed", "1 while sealed by a drain", &self.sealed),
            (
                "read_only",
                "1 after a flush failed or the disk refused, until the restart",
                &self.read_only,
            ),
            (
                "corrupt_files",
                "Files whose bytes do not match their records",
                &self.corrupt,
            ),
            (
                "scrubbed_files",
                "Files that the scrub has read since the start",
                &self.scrubbed_files,
            ),
            (
                "scrubbed_bytes",
                "Bytes that the scrub has read since the start",
                &self.scrubbed_bytes,
            ),
            (
                "scrub_ended_timestamp_seconds",
                "When the last whole scrub ended; 0 before the first",
                &self.scrub_ended,
            ),
            (
                "troubles",
                "Files and directories that can't be used, see /status",
                &self.troubles,
            ),
            ("open_creates", "Uploads in flight", &self.open_creates),
            (
                "commit_queue_depth",
                "Changes that wait for the committer",
                &self.commit_queue,
            ),
            (
                "write_queue_depth",
                "Files that wait for a writing thread",
                &self.write_queue,
            ),
            (
                "managers_joined",
                "Managers that this node is joined to",
                &self.managers,
            ),
        ]
    }

    fn outcomes(&self) -> [Named<'_, Family<Outcome, Counter>>; 4] {
        [
            ("uploads", "Uploads that ended, by result", &self.uploads),
            ("downloads", "Files read, by result", &self.downloads),
            ("deletes", "Files deleted, by result", &self.deletes),
            (
                "transfers",
                "Files sent to other nodes, by result",
                &self.transfers,
            ),
        ]
    }

    fn histograms(&self) -> [Named<'_, Histogram>; 4] {
        [
            (
                "upload_finish_seconds",
                "From Finish to its answer",
                &self.upload_seconds,
            ),
            ("file_flush_seconds", "Flushes of a file", &self.file_flush),
            (
                "directory_flush_seconds",
                "Flushes of a batch's directories",
                &self.dir_flush,
            ),
            (
                "commit_batch_size",
                "Changes that shared one flush",
                &self.batch,
            ),
        ]
    }

    /// Counts an outcome.
    pub fn count<T>(family: &Family<Outcome, Counter>, result: &Result<T, crate::fault::Failure>) {
        let result = match result {
            Ok(_) => "ok".to_owned(),
            Err(failure) => failure
                .fault
                .as_str_name()
                .trim_start_matches("FAULT_")
                .to_ascii_lowercase(),
        };
        family.get_or_create(&Outcome { result }).inc();
    }
}

//! The gauges that Prometheus reads: brought up to date just before each reading.

use crate::metrics::Metrics;
use crate::status::{NAMES, corrupt_files, skew};
use kit::metrics::{Named, register};
use manager_protocol::core::Core;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabels {
    node: String,
}

/// A file that something is wrong with; only ever a few of them have a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FileLabels {
    name: String,
    node: String,
}

type NodeGauge = Family<NodeLabels, Gauge<u64, AtomicU64>>;
type Total = Gauge<u64, AtomicU64>;

/// The gauges.
#[derive(Default)]
pub(crate) struct Gauges {
    node_available: NodeGauge,
    node_files: NodeGauge,
    node_bytes: NodeGauge,
    node_free: NodeGauge,
    node_queue: NodeGauge,
    node_quarantined: NodeGauge,
    skew: Total,
    moves_left: Total,
    missing: Total,
    corrupt: Total,
    corrupt_file: Family<FileLabels, Total>,
    leader: Total,
    moved_files: Total,
    moved_bytes: Total,
    failed_moves: Total,
    stuck: Total,
    store_queue: Total,
    store_operations: Total,
    store_commits: Total,
    store_commit_seconds: Gauge<f64, AtomicU64>,
    store_available: Total,
    store_full: Total,
    set_back: Total,
}

impl Gauges {
    /// Adds them to the manager's metrics.
    pub(crate) fn of(metrics: &Metrics) -> Self {
        let gauges = Self::default();
        let mut registry = metrics.registry.lock();
        gauges.register(&mut registry);
        gauges
    }

    fn register(&self, registry: &mut Registry) {
        register(registry, &self.of_nodes());
        register(registry, &self.totals());
        registry.register(
            "store_available",
            "1 while the metadata store answers",
            self.store_available.clone(),
        );
        registry.register(
            "store_full",
            "1 while the store's disk has too little room for the records of new files",
            self.store_full.clone(),
        );
        registry.register(
            "set_back_nodes",
            "Nodes that must be merged before files settle, move or are deleted, as the \
             metadata store was set back",
            self.set_back.clone(),
        );
        registry.register(
            "corrupt_file",
            "1 for each of the first files whose bytes do not match their records",
            self.corrupt_file.clone(),
        );
        registry.register(
            "store_commit_seconds",
            "Time spent in durable commits since the start",
            self.store_commit_seconds.clone(),
        );
    }

    /// One for each node.
    fn of_nodes(&self) -> [Named<'_, NodeGauge>; 6] {
        [
            (
                "node_available",
                "1 while the node is joined, 0 while it is away",
                &self.node_available,
            ),
            ("node_files", "Files on the node", &self.node_files),
            ("node_bytes", "Bytes of files on the node", &self.node_bytes),
            (
                "node_free_bytes",
                "Bytes that uploads may still use",
                &self.node_free,
            ),
            (
                "node_queue_length",
                "Small operations that wait to be sent",
                &self.node_queue,
            ),
            (
                "node_quarantined_files",
                "Copies in quarantine",
                &self.node_quarantined,
            ),
        ]
    }

    fn totals(&self) -> [Named<'_, Total>; 12] {
        [
            (
                "skew_files",
                "Most files on a node less the fewest",
                &self.skew,
            ),
            (
                "moves_left_files",
                "Files that balancing still has to move",
                &self.moves_left,
            ),
            (
                "missing_files",
                "Files whose node lacks the bytes",
                &self.missing,
            ),
            (
                "corrupt_files",
                "Files whose bytes do not match their records",
                &self.corrupt,
            ),
            (
                "leader",
                "1 while this manager does the leader's work",
                &self.leader,
            ),
            (
                "moved_files",
                "Files moved since the start",
                &self.moved_files,
            ),
            (
                "moved_bytes",
                "Bytes moved since the start",
                &self.moved_bytes,
            ),
            (
                "failed_moves",
                "Moves that failed since the start",
                &self.failed_moves,
            ),
            (
                "stuck_files",
                "Files that could not be moved lately",
                &self.stuck,
            ),
            (
                "store_queue_length",
                "Changes that wait for a commit",
                &self.store_queue,
            ),
            (
                "store_operations",
                "Changes asked of the store",
                &self.store_operations,
            ),
            ("store_commits", "Durable commits", &self.store_commits),
        ]
    }

    /// Brings those of nodes up to date. A node that the store lists and that has not joined
    /// has the one series that it is away.
    fn refresh_nodes(&self, core: &Core) {
        let nodes = core.nodes.all();
        for family in [
            &self.node_available,
            &self.node_files,
            &self.node_bytes,
            &self.node_free,
            &self.node_queue,
            &self.node_quarantined,
        ] {
            family.clear();
        }
        self.corrupt_file.clear();
        for id in core.known.listed.ids() {
            let node = id.to_string();
            self.node_available
                .get_or_create(&NodeLabels { node })
                .set(0);
        }
        for node in &nodes {
            let report = node.report();
            for copy in node.corrupt().iter().take(NAMES) {
                let labels = FileLabels {
                    name: copy.name.clone(),
                    node: node.id.to_string(),
                };
                self.corrupt_file.get_or_create(&labels).set(1);
            }
            let labels = NodeLabels {
                node: node.id.to_string(),
            };
            let set = |family: &NodeGauge, value: u64| {
                family.get_or_create(&labels).set(value);
            };
            set(&self.node_available, u64::from(node.is_available()));
            set(&self.node_files, node.files());
            set(&self.node_bytes, report.bytes);
            set(&self.node_free, report.free);
            set(&self.node_queue, node.link.queued() as u64);
            set(&self.node_quarantined, report.quarantined);
        }
    }

    /// Brings them up to date.
    pub(crate) fn refresh(&self, core: &Core) {
        self.refresh_nodes(core);
        self.skew.set(skew(&core.nodes.all_available()));
        self.moves_left.set(
            core.known
                .moves
                .lines(core.world.now())
                .iter()
                .map(|m| m.files_left)
                .sum(),
        );
        self.missing.set(core.known.missing.count() as u64);
        self.corrupt.set(corrupt_files(core));
        self.leader.set(u64::from(core.lead.number() != 0));
        let (files, bytes, failed) = core.known.moves.totals();
        self.moved_files.set(files);
        self.moved_bytes.set(bytes);
        self.failed_moves.set(failed);
        self.stuck.set(core.known.moves.stuck.count());
        let away = core.known.store_health.away().is_some();
        self.store_available.set(u64::from(!away));
        self.store_full.set(u64::from(core.store.short().is_some()));
        self.set_back
            .set(core.known.set_back.waits_for().len() as u64);
        let stats = core.store.stats();
        self.store_queue
            .set(stats.queue_depth.load(Ordering::Relaxed));
        self.store_operations
            .set(stats.operations.load(Ordering::Relaxed));
        self.store_commits
            .set(stats.commits.load(Ordering::Relaxed));
        let nanos = stats.commit_nanos.load(Ordering::Relaxed);
        self.store_commit_seconds.set(nanos as f64 / 1e9);
    }
}

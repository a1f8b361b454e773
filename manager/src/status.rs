//! What `GET /status` returns.

use crate::format;
use manager_protocol::core::Core;
use manager_protocol::nodes::{Node, NodeReport};
use manager_protocol::recovery::set_back;
use manager_protocol::state::counts::{Counted, WAIT};
use manager_protocol::state::{Missing, MoveLine, StuckFiles};
use manager_protocol::store::{NodeRow, Stay, StoreError};
use manager_protocol::upkeep::drain::{self, DrainLine};
use proto::v1::RefusedFor;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

/// Missing and corrupt files that are named.
pub(crate) const NAMES: usize = 20;
/// Unsettled records that are counted.
const UNSETTLED: usize = 1000;

/// The service as a person wants to see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    /// The cluster's id.
    pub cluster_id: String,
    /// Whether this manager does the leader's work.
    pub leader: bool,
    /// Why the metadata store is away; missing while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_away: Option<String>,
    /// What new files are refused with while the store's disk is nearly full; missing
    /// while there is room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_full: Option<String>,
    /// Why nothing settles, moves or is deleted, where the store was set back to an
    /// earlier state and nodes still have to be merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_back: Option<String>,
    /// Every node that the store knows.
    pub nodes: Vec<NodeStatus>,
    /// Files of the service.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long ago `files` and `bytes` were counted; missing while they never were,
    /// or the store is away: then they are what the joined nodes report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_seconds_ago: Option<u64>,
    /// Most files on an available node less the fewest.
    pub skew: u64,
    /// Files that go from node to node now.
    pub moves: Vec<MoveLine>,
    /// Files moved since this manager started.
    pub moved_files: u64,
    /// Their bytes.
    pub moved_bytes: u64,
    /// Files that could not be moved lately, and why: they are tried again.
    pub stuck: StuckFiles,
    /// Uploads, moves and deletes that have begun and not ended, 1000 at the most.
    pub unsettled: usize,
    /// Drains that were ordered and not cancelled.
    pub drains: Vec<DrainLine>,
    /// Copies in quarantine, all nodes together.
    pub quarantined: u64,
    /// Files whose node lacks the bytes.
    pub missing: Damaged,
    /// Files whose bytes do not match their records: kept, and not served.
    pub corrupt: Damaged,
}

/// One node.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NodeStatus {
    /// Its id.
    pub id: String,
    /// Its pool.
    pub pool: String,
    /// `available`, `unavailable` or `draining`.
    pub state: &'static str,
    /// Files on it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that uploads may still use.
    pub free: u64,
    /// Bytes that files could ever take there.
    pub capacity: u64,
    /// Copies in quarantine.
    pub quarantined: u64,
    /// A flush failed there, or its disk refuses writes or is gone; it takes no
    /// files until it is restarted.
    pub read_only: bool,
    /// Why it is read-only; missing where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_why: Option<String>,
    /// For how many seconds its disk has not answered what waits for it; it takes no
    /// files while that is 3 or more.
    pub disk_silent_seconds: f64,
    /// Files and directories on its disk that can't be used and are left alone, with
    /// the reason, some of them; missing where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// Where it is reached: for `Admin` alone, which asks for the token.
    #[serde(skip)]
    pub endpoint: String,
    /// Its volume; for `Admin` alone.
    #[serde(skip)]
    pub volume: Uuid,
    /// Files whose bytes do not match their records.
    pub corrupt: u64,
    /// Whether its files and the records were compared since it joined.
    pub merged: bool,
    /// Why somebody who came under this id is not let in; missing where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What that is about, for the operator.
    #[serde(skip)]
    pub refused_for: RefusedFor,
    /// How far it is with re-reading its files.
    pub scrub: ScrubStatus,
}

/// A node's scrub.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ScrubStatus {
    /// Bytes a second at the most; 0 where it is off.
    pub bytes_per_second: u64,
    /// When the pass under way, or else the last one, began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
    /// When the last whole pass ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How much of its files the pass under way has read, from 0 to 1.
    pub done: f64,
    /// Files read since the node's start.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Files that something is wrong with.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Damaged {
    /// How many are known.
    pub files: u64,
    /// The first of their names.
    pub names: Vec<String>,
}

/// Reads how the service stands; while the store is away, only of the joined nodes.
pub(crate) async fn status(core: &Core) -> Status {
    match stored(core).await {
        Ok((rows, unsettled)) => {
            let counted = core
                .known
                .counts
                .get(&core.world, &core.store, None, WAIT)
                .await;
            whole(core, &rows, counted, unsettled)
        }
        Err(_) => {
            let joined = core.nodes.all();
            let rows: Vec<_> = joined.iter().map(|node| joined_row(node)).collect();
            whole(core, &rows, None, 0)
        }
    }
}

async fn stored(core: &Core) -> Result<(Vec<NodeRow>, usize), StoreError> {
    let unsettled = core.store.unsettled(None, UNSETTLED).await?.len();
    Ok((core.store.nodes().await?, unsettled))
}

fn whole(core: &Core, rows: &[NodeRow], counted: Option<Counted>, unsettled: usize) -> Status {
    let (moved_files, moved_bytes, _) = core.known.moves.totals();
    let nodes: Vec<_> = rows.iter().map(|row| node_status(core, row)).collect();
    let (files, bytes) = match &counted {
        Some(counted) => (counted.load.files, counted.load.bytes),
        None => (
            nodes.iter().map(|node| node.files).sum(),
            nodes.iter().map(|node| node.bytes).sum(),
        ),
    };
    Status {
        cluster_id: core.cluster_id().to_string(),
        leader: core.lead.number() != 0,
        store_away: core.known.store_health.away(),
        store_full: core.store.short().map(|full| full.to_string()),
        set_back: set_back(core),
        unsettled,
        drains: drain::lines(core, rows),
        corrupt: corrupt(core),
        quarantined: nodes.iter().map(|n| n.quarantined).sum(),
        nodes,
        files,
        bytes,
        counted_seconds_ago: counted.map(|counted| counted.age.as_secs()),
        skew: skew(&core.nodes.all_available()),
        moves: core.known.moves.lines(core.world.now()),
        moved_files,
        moved_bytes,
        stuck: core.known.moves.stuck.all(),
        missing: missing(&core.known.missing),
    }
}

/// Most files less the fewest, over the available nodes that are not drained.
pub(crate) fn skew(available: &[Arc<Node>]) -> u64 {
    let staying = || available.iter().filter(|n| !n.is_draining());
    let counts = || staying().map(|node| node.files());
    counts().max().unwrap_or(0) - counts().min().unwrap_or(0)
}

fn set_back(core: &Core) -> Option<String> {
    let waits_for = core.known.set_back.waits_for();
    (!waits_for.is_empty()).then(|| set_back::why(&waits_for))
}

fn missing(missing: &Missing) -> Damaged {
    Damaged {
        files: missing.count() as u64,
        names: missing.names(NAMES),
    }
}

fn corrupt(core: &Core) -> Damaged {
    let nodes = core.nodes.all_available();
    let mut names = Vec::new();
    for node in &nodes {
        names.extend(node.corrupt().iter().map(|copy| copy.name.clone()));
    }
    names.sort_unstable();
    names.truncate(NAMES);
    Damaged {
        names,
        files: corrupt_files(core),
    }
}

/// How many files the nodes call corrupt.
pub(crate) fn corrupt_files(core: &Core) -> u64 {
    let nodes = core.nodes.all_available();
    nodes.iter().map(|node| node.report().corrupt_files).sum()
}

fn scrub_status(report: &NodeReport) -> ScrubStatus {
    let scrub = report.scrub;
    let time = |ms| (ms > 0).then(|| format::rfc3339(ms));
    ScrubStatus {
        bytes_per_second: scrub.bytes_per_second,
        begun: time(scrub.begun_ms),
        ended: time(scrub.ended_ms),
        done: f64::from(scrub.thousandths) / 1000.0,
        files: scrub.files,
        bytes: scrub.bytes,
    }
}

/// A joined node in the form of a row.
fn joined_row(node: &Node) -> NodeRow {
    NodeRow {
        id: node.id.clone(),
        volume_id: node.volume_id,
        pool: node.pool.clone(),
        rev: 0,
        stay: Stay::Stays,
        merged_session: 0,
        endpoint: node.endpoint.clone(),
        set_back: false,
        generation_floor: 0,
    }
}

fn node_status(core: &Core, row: &NodeRow) -> NodeStatus {
    let node = core.nodes.available(&row.id);
    let report = node.as_ref().map(|n| n.report()).unwrap_or_default();
    let state = match &node {
        None => "unavailable",
        Some(node) if node.is_draining() => "draining",
        Some(_) => "available",
    };
    let (refused, refused_for) = core.nodes.refused(&row.id).unzip();
    NodeStatus {
        id: row.id.to_string(),
        pool: row.pool.clone(),
        state,
        files: node.as_ref().map_or(0, |n| n.files()),
        bytes: report.bytes,
        free: report.free,
        capacity: report.capacity,
        quarantined: report.quarantined,
        read_only: report.read_only,
        read_only_why: node.as_ref().and_then(|node| node.read_only_why()),
        troubles: node
            .as_ref()
            .map(|node| node.troubles().to_vec())
            .unwrap_or_default(),
        disk_silent_seconds: report.disk_silent.as_secs_f64(),
        endpoint: row.endpoint.clone(),
        volume: row.volume_id,
        corrupt: report.corrupt_files,
        merged: node.is_some_and(|node| row.is_merged(node.session())),
        refused,
        refused_for: refused_for.unwrap_or_default(),
        scrub: scrub_status(&report),
    }
}

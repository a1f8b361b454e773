//! The mover: plans whenever the nodes are out of balance, and carries files a
//! few at a time.

use super::carry::carry;
use super::plan::{Flow, NodeLoad, plan};
use super::throttle::Throttle;
use crate::config::Limits;
use crate::core::{Core, now_ms};
use crate::nodes::Node;
use manager_store::{Record, State, StoreError};
use proto::{FileName, NodeId};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often the balance is looked at when nothing tells of a change.
const LOOK: Duration = Duration::from_secs(1);
/// How long the nodes must have stayed the same before files move.
const CALM: Duration = Duration::from_secs(1);
/// Records looked at for one step.
const PAGE: usize = 256;
/// Files one step moves at the most, so that the plan follows what clients do.
const STEP: u64 = 256;
/// Moves side by side.
const SIDE_BY_SIDE: usize = 8;

/// One line of `/status`: files that go from one node to another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MoveLine {
    /// The giver.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// Files that still have to go.
    pub files_left: u64,
    /// Files a second, over this event so far.
    pub rate: f64,
    /// Seconds until it is done at that rate.
    pub seconds_left: Option<f64>,
}

#[derive(Default)]
struct UnderWay {
    flows: Vec<Flow>,
    moved: u64,
    since: Option<Instant>,
}

/// What is under way, and how much was done.
pub struct Moves {
    throttle: Throttle,
    under_way: Mutex<UnderWay>,
    moved_files: AtomicU64,
    moved_bytes: AtomicU64,
    failed: AtomicU64,
}

impl Moves {
    /// Nothing is under way.
    pub fn new(limits: &Limits) -> Self {
        Self {
            throttle: Throttle::new(limits.move_files_per_second, limits.move_bytes_per_second),
            under_way: Mutex::default(),
            moved_files: AtomicU64::new(0),
            moved_bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Files and bytes moved, and moves that failed, since the start.
    pub fn totals(&self) -> (u64, u64, u64) {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (
            read(&self.moved_files),
            read(&self.moved_bytes),
            read(&self.failed),
        )
    }

    /// What is under way, for a person.
    pub fn lines(&self) -> Vec<MoveLine> {
        let state = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let seconds = state.since.map_or(0.0, |at| at.elapsed().as_secs_f64());
        let rate = if seconds > 0.0 {
            state.moved as f64 / seconds
        } else {
            0.0
        };
        let left: u64 = state.flows.iter().map(|f| f.files).sum();
        state
            .flows
            .iter()
            .map(|flow| MoveLine {
                from: flow.from.to_string(),
                to: flow.to.to_string(),
                files_left: flow.files,
                rate,
                seconds_left: (rate > 0.0).then(|| left as f64 / rate),
            })
            .collect()
    }

    fn show(&self, flows: Vec<Flow>) {
        let mut state = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if flows.is_empty() {
            *state = UnderWay::default();
        } else {
            state.flows = flows;
            state.since.get_or_insert_with(Instant::now);
        }
    }

    fn moved(&self, bytes: u64) {
        self.moved_files.fetch_add(1, Ordering::Relaxed);
        self.moved_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .moved += 1;
    }
}

/// One pass of balancing: from the moment the nodes are out of balance until
/// they are not, or until the nodes change. Its number is written into each
/// record that it moves, so that no file moves twice for it.
struct Event {
    number: u64,
    nodes: Vec<(NodeId, bool)>,
    cursors: BTreeMap<NodeId, FileName>,
}

impl Event {
    fn new(nodes: Vec<(NodeId, bool)>, earlier: u64) -> Self {
        Self {
            number: now_ms().max(earlier + 1),
            nodes,
            cursors: BTreeMap::new(),
        }
    }
}

/// Keeps the balance for as long as this process leads.
pub(crate) async fn run(core: Arc<Core>, shutdown: CancellationToken) {
    let mut changes = core.nodes.changes();
    let mut event: Option<Event> = None;
    let mut last = 0;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = changes.changed() => {
                tokio::time::sleep(CALM).await;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        while core.leader() != 0 && !shutdown.is_cancelled() {
            let loads = loads(&core);
            let flows = plan(&loads);
            core.moves.show(flows.clone());
            if flows.is_empty() {
                event = None;
                break;
            }
            let nodes: Vec<_> = loads.iter().map(|n| (n.id.clone(), n.draining)).collect();
            let current = match event.take() {
                Some(current) if current.nodes == nodes => event.insert(current),
                _ => event.insert(Event::new(nodes, last)),
            };
            last = current.number;
            let stepped = tokio::select! {
                // Moves in flight break off as in a crash, and the janitor settles
                // them: an orderly end waits for requests, not for the throttle.
                () = shutdown.cancelled() => return,
                stepped = step(&core, current, &flows) => stepped,
            };
            match stepped {
                // Nothing more can move for this event; what is still uneven is another.
                Ok(0) => {
                    event = None;
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "balancing waits for the store");
                    break;
                }
            }
        }
        if core.leader() == 0 {
            // Whatever moves now, another leader tells it.
            core.moves.show(Vec::new());
        }
    }
}

fn loads(core: &Core) -> Vec<NodeLoad> {
    core.nodes
        .all_available()
        .into_iter()
        .map(|node| NodeLoad {
            id: node.id.clone(),
            files: node.count(),
            draining: node.is_draining(),
            receives: node.takes_files() && node.free() > 0,
        })
        .collect()
}

/// Moves some of what the plan asks for; answers how many files it moved.
async fn step(core: &Arc<Core>, event: &mut Event, flows: &[Flow]) -> Result<u64, StoreError> {
    let mut moved = 0;
    let mut running = JoinSet::new();
    for flow in flows {
        let mut left = flow.files.min(STEP);
        let giver = core.nodes.available(&flow.from);
        // One that was paused may find in the midst of it that another leads.
        while left > 0 && core.leader() != 0 {
            let after = event.cursors.get(&flow.from).cloned();
            let page = core
                .store
                .listed_on(&flow.from, after.as_ref(), PAGE)
                .await?;
            let Some(last) = page.last() else {
                // The end of the node's files: what failed is tried in the next round.
                event.cursors.remove(&flow.from);
                break;
            };
            let mut reached = last.name.clone();
            for record in page {
                if left == 0 || core.leader() == 0 {
                    break;
                }
                reached = record.name.clone();
                if !may_move(core, giver.as_deref(), &record, flow, event.number) {
                    continue;
                }
                while running.len() >= SIDE_BY_SIDE {
                    moved += u64::from(
                        running
                            .join_next()
                            .await
                            .is_some_and(|r| r.is_ok_and(|m| m)),
                    );
                }
                if start(core, &mut running, record, flow, event.number).await {
                    left -= 1;
                }
            }
            event.cursors.insert(flow.from.clone(), reached);
        }
    }
    while let Some(done) = running.join_next().await {
        moved += u64::from(done.is_ok_and(|m| m));
    }
    Ok(moved)
}

/// A corrupt file stays where it is: nothing could take its bytes for whole. One
/// whose bytes are missing has nothing to move.
fn may_move(core: &Core, giver: Option<&Node>, record: &Record, flow: &Flow, event: u64) -> bool {
    record.state == State::Stored
        && record.node == flow.from
        && record.moved_event != event
        && !core.is_busy(&record.id)
        && !core.missing.has(record)
        && giver.is_some_and(|giver| !giver.is_corrupt(record))
}

/// The node that a file goes to, as long as it may take it.
fn receiver(core: &Core, flow: &Flow, record: &Record) -> Option<Arc<Node>> {
    let target = core.nodes.available(&flow.to)?;
    let takes = target.takes_files() && target.free() >= record.size;
    takes.then_some(target)
}

async fn start(
    core: &Arc<Core>,
    running: &mut JoinSet<bool>,
    record: Record,
    flow: &Flow,
    event: u64,
) -> bool {
    if receiver(core, flow, &record).is_none() {
        return false;
    }
    core.moves.throttle.wait(record.size).await;
    // The plan is as old as the wait was long: a node that is drained since is
    // listed by nothing any more, or it would never be empty.
    let Some(target) = receiver(core, flow, &record) else {
        return false;
    };
    let placement = core.nodes.place_on(target, record.size);
    let core = core.clone();
    running.spawn(async move {
        let (name, size) = (record.name.clone(), record.size);
        match carry(&core, record, placement, event).await {
            Ok(()) => {
                core.moves.moved(size);
                true
            }
            Err(error) => {
                core.moves.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%name, %error, "a move failed");
                false
            }
        }
    });
    true
}

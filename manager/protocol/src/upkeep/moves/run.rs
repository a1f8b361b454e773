//! The mover: plans whenever the nodes are out of balance, and carries files a
//! few at a time.

use super::carry::carry;
use super::plan::{NodeLoad, plan};
use crate::core::Core;
use crate::nodes::Node;
use crate::recovery::unsettled::Unsettled;
use crate::state::{Flow, Told};
use crate::store::{Record, State, StoreError};
use crate::tasks::Tasks;
use messages::{FileName, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the balance is checked when no change is reported.
const LOOK: Duration = Duration::from_secs(1);
/// How long the nodes must have stayed the same before files move.
const CALM: Duration = Duration::from_secs(1);
/// Records that are read at a time for one step.
const PAGE: usize = 256;
/// Files one step moves at the most, so that the plan follows what clients do.
const STEP: u64 = 256;
/// Moves side by side.
const SIDE_BY_SIDE: usize = 8;
/// How long the result of a pass over all files of the givers is believed that found
/// none to move: at first and at the most, while neither nodes nor their room change.
const FRUITLESS: Duration = Duration::from_secs(2);
const LONG_FRUITLESS: Duration = Duration::from_secs(30);

/// One pass of balancing: from the moment the nodes are out of balance until
/// they are not, or until the nodes change. Its number is written into each
/// record that it moves, so that no file moves twice for it.
struct Event {
    number: u64,
    nodes: Vec<(NodeId, bool)>,
    cursors: BTreeMap<NodeId, FileName>,
}

impl Event {
    fn new(now: u64, nodes: Vec<(NodeId, bool)>, earlier: u64) -> Self {
        Self {
            number: now.max(earlier + 1),
            nodes,
            cursors: BTreeMap::new(),
        }
    }
}

/// The plan for which no file was found that could move, so that the givers' records
/// are not all read again before anything has changed.
#[derive(Default)]
struct Fruitless {
    flows: Vec<(NodeId, NodeId)>,
    room: u64,
    until: Option<Instant>,
    pause: Duration,
}

impl Fruitless {
    /// Whether the plan is the one for which nothing was found, and no receiver has
    /// more room than then.
    fn holds(&self, flows: &[Flow], room: u64, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
            && room <= self.room
            && self.flows.iter().eq(pairs(flows).iter())
    }

    fn note(&mut self, flows: &[Flow], room: u64, now: Instant) {
        self.pause = (self.pause * 2).clamp(FRUITLESS, LONG_FRUITLESS);
        self.flows = pairs(flows);
        self.room = room;
        self.until = Some(now + self.pause);
    }
}

fn pairs(flows: &[Flow]) -> Vec<(NodeId, NodeId)> {
    let mut pairs: Vec<_> = flows
        .iter()
        .map(|flow| (flow.from.clone(), flow.to.clone()))
        .collect();
    pairs.sort();
    pairs
}

/// The most room that a receiver has.
fn room(core: &Core, flows: &[Flow]) -> u64 {
    let free = |flow: &Flow| core.nodes.available(&flow.to).map(|node| node.free());
    flows.iter().filter_map(free).max().unwrap_or(0)
}

/// Keeps the balance for as long as this process leads.
pub async fn run(core: Arc<Core>, shutdown: CancellationToken) {
    let mut changes = core.nodes.changes();
    let mut event: Option<Event> = None;
    let mut fruitless = Fruitless::default();
    let mut last = 0;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = changes.changed() => {
                fruitless = Fruitless::default();
                core.world.sleep(CALM).await;
            }
            () = core.world.sleep(LOOK) => {}
        }
        core.known.moves.stuck.tidy(core.world.now());
        while core.lead.number() != 0 && !core.known.set_back.holds() && !shutdown.is_cancelled() {
            let loads = loads(&core);
            let flows = plan(&loads);
            core.known.moves.show(flows.clone(), core.world.now());
            if flows.is_empty() {
                event = None;
                break;
            }
            let room = room(&core, &flows);
            if fruitless.holds(&flows, room, core.world.now()) {
                break;
            }
            let nodes: Vec<_> = loads.iter().map(|n| (n.id.clone(), n.draining)).collect();
            let current = match event.take() {
                Some(current) if current.nodes == nodes => event.insert(current),
                _ => event.insert(Event::new(core.world.unix_ms(), nodes, last)),
            };
            last = current.number;
            let stepped = tokio::select! {
                biased;
                // Moves in flight break off as in a crash, and the janitor settles
                // them: an orderly end waits for requests, not for the throttle.
                () = shutdown.cancelled() => return,
                stepped = step(&core, current, &flows) => stepped,
            };
            match stepped {
                Ok(Step { moved: 1.., .. }) => fruitless = Fruitless::default(),
                // All failed: the next ones have their turn after a pause.
                Ok(Step { started: 1.., .. }) => break,
                // Nothing more can move for this event; what is still uneven needs
                // another one.
                Ok(_) => {
                    event = None;
                    fruitless.note(&flows, room, core.world.now());
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "balancing waits for the store");
                    break;
                }
            }
        }
        if core.lead.number() == 0 {
            // Moves from now on are another leader's to report.
            core.known.moves.show(Vec::new(), core.world.now());
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
            receives: node.takes_files() && node.has_room(),
        })
        .collect()
}

/// What came of a step.
#[derive(Debug, Default)]
struct Step {
    /// Moves that were begun.
    started: u64,
    /// Those that ended well.
    moved: u64,
}

impl Step {
    fn end(&mut self, done: Option<bool>) {
        self.moved += u64::from(done == Some(true));
    }
}

/// Moves some of what the plan asks for.
async fn step(core: &Arc<Core>, event: &mut Event, flows: &[Flow]) -> Result<Step, StoreError> {
    let mut step = Step::default();
    let mut running = Tasks::new(&core.world);
    for flow in flows {
        follow(core, event, flow, &mut running, &mut step).await?;
    }
    while let Some(done) = running.next().await {
        step.end(done);
    }
    Ok(step)
}

/// Begins moves of one flow, from where the last step ended: files that can't move
/// are passed by, however many of them come first.
async fn follow(
    core: &Arc<Core>,
    event: &mut Event,
    flow: &Flow,
    running: &mut Tasks<bool>,
    step: &mut Step,
) -> Result<(), StoreError> {
    let mut left = flow.files.min(STEP);
    let giver = core.nodes.available(&flow.from);
    let mut from_the_first = !event.cursors.contains_key(&flow.from);
    // A process that was paused may find midway that another one leads.
    while left > 0 && core.lead.number() != 0 {
        let after = event.cursors.get(&flow.from).cloned();
        let page = core
            .store
            .listed_on(&flow.from, after.as_ref(), PAGE)
            .await?;
        let Some(last) = page.last() else {
            event.cursors.remove(&flow.from);
            if from_the_first {
                return Ok(());
            }
            // The end of the node's files: those before have another turn.
            from_the_first = true;
            continue;
        };
        let mut reached = last.name.clone();
        for record in page {
            if left == 0 || core.lead.number() == 0 {
                break;
            }
            reached = record.name.clone();
            if !may_move(core, giver.as_deref(), &record, flow, event.number) {
                continue;
            }
            while running.len() >= SIDE_BY_SIDE {
                step.end(running.next().await.flatten());
            }
            if start(core, running, record, flow, event.number).await {
                left -= 1;
                step.started += 1;
            }
        }
        event.cursors.insert(flow.from.clone(), reached);
    }
    Ok(())
}

/// A corrupt file stays where it is: no node would accept its bytes as whole. One whose
/// bytes are missing has nothing to move, and one that failed lately waits.
fn may_move(core: &Core, giver: Option<&Node>, record: &Record, flow: &Flow, event: u64) -> bool {
    record.state == State::Stored
        && record.node == flow.from
        && record.moved_event != event
        && !core.is_busy(&record.id)
        && !core.known.missing.has(record)
        && !core.known.moves.stuck.waits(record, core.world.now())
        && giver.is_some_and(|giver| !giver.is_corrupt(record))
}

/// The node that a file goes to, as long as it may take it.
fn receiver(core: &Core, flow: &Flow, record: &Record) -> Option<Arc<Node>> {
    let target = core.nodes.available(&flow.to)?;
    let room = target.has_room() && target.free_for_moves() >= record.size;
    let takes = target.takes_files() && room;
    takes.then_some(target)
}

async fn start(
    core: &Arc<Core>,
    running: &mut Tasks<bool>,
    record: Record,
    flow: &Flow,
    event: u64,
) -> bool {
    if receiver(core, flow, &record).is_none() {
        return false;
    }
    core.known
        .moves
        .throttle
        .wait(&core.world, record.size)
        .await;
    // The plan is older by the time waited: a node that was drained since must not be
    // listed by anything any more, or it would never be empty.
    let Some(target) = receiver(core, flow, &record) else {
        return false;
    };
    let placement = core.nodes.place_on(target, record.size);
    let core = core.clone();
    running.spawn(async move {
        match carry(&core, record.clone(), placement, event).await {
            Ok(()) => {
                core.known.moves.moved(record.size);
                core.known.moves.stuck.forget(&record.name);
                true
            }
            Err(error) => {
                failed(&core, &record, &error);
                false
            }
        }
    });
    true
}

fn failed(core: &Core, record: &Record, error: &Unsettled) {
    let name = &record.name;
    core.known.moves.failed();
    match error {
        // Somebody else works on it; that is no fault of the file's.
        Unsettled::Raced | Unsettled::SetBack => {
            tracing::debug!(%name, %error, "a move gave way");
        }
        Unsettled::Node(_)
        | Unsettled::Store(_)
        | Unsettled::Underway(_)
        | Unsettled::NoneWhole => {
            let told = core
                .known
                .moves
                .stuck
                .note(record, error.to_string(), core.world.now());
            match told {
                Told::Warn(0) => tracing::warn!(%name, %error, "a move failed; tried again later"),
                Told::Warn(left_out) => {
                    tracing::warn!(%name, %error, left_out, "a move failed; tried again later");
                }
                Told::LeftOut => tracing::debug!(%name, %error, "a move failed"),
            }
        }
    }
}

//! Drains (rule 15). One is ordered in the node's row, which outlives everything,
//! and then on the node itself, which is sealed durably; the mover takes a sealed
//! node's files away. A drain whose files would not fit elsewhere is refused
//! before the first of them moves, and one that can't go on says what it waits for.

mod line;

use crate::core::Core;
use crate::failpoints::{STALL_AFTER_RECORDS, STALL_BEFORE_SEAL, STALL_IN_ORDER, stall};
use crate::failure::Failure;
use crate::fit::{Load, Room, shortfall};
use crate::node_rows::{TRIES, keeps_changing, no_such_node, row, set_stay};
use crate::nodes::{CallError, Node};
use crate::state::counts::{self, WAIT};
use crate::store::{NodeRow, Stay, StoreError};
use crate::upkeep::abandon;
use line::Seen;
use messages::{Code, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub use line::DrainLine;

/// How long the order of a drain waits for each count of records.
const ORDERED: Duration = Duration::from_secs(20);
/// How often the leader checks whether every drained node is sealed.
const LOOK: Duration = Duration::from_secs(1);

fn is_drained(core: &Core, row: &NodeRow) -> bool {
    row.stay == Stay::Drains
        || core
            .nodes
            .available(&row.id)
            .is_some_and(|node| node.is_draining())
}

/// The nodes whose files have to go elsewhere.
fn doomed(core: &Core, rows: &[NodeRow]) -> Vec<NodeId> {
    let drained = rows.iter().filter(|row| is_drained(core, row));
    drained.map(|row| row.id.clone()).collect()
}

fn is_ordered(rows: &[NodeRow], id: &NodeId) -> bool {
    let mut rows = rows.iter();
    rows.any(|row| row.id == *id && row.stay == Stay::Drains)
}

/// Every drain among these rows, by what the nodes report.
pub fn lines(core: &Core, rows: &[NodeRow]) -> Vec<DrainLine> {
    let doomed = doomed(core, rows);
    let mut load = Load::default();
    for node in doomed.iter().filter_map(|id| core.nodes.available(id)) {
        let report = node.report();
        load.add(Load {
            files: report.files,
            bytes: report.bytes,
            largest: 0,
        });
    }
    let short = shortfall(load, &rooms_beside(core, &doomed));
    let line = |id| Seen::now(core, id).line(core, is_ordered(rows, id), short.clone());
    doomed.iter().map(line).collect()
}

/// A drain, and how many records still list its node.
pub type Counted = (DrainLine, u64);

/// Every drain, by what the records say.
///
/// # Errors
/// When the store fails.
pub async fn list(core: &Core) -> Result<Vec<Counted>, StoreError> {
    let rows = core.store.nodes().await?;
    let doomed = doomed(core, &rows);
    standing(core, &doomed, &doomed, |id| is_ordered(&rows, id)).await
}

/// How the drains of `wanted` stand, with all of `doomed` to be placed elsewhere.
async fn standing(
    core: &Core,
    wanted: &[NodeId],
    doomed: &[NodeId],
    ordered: impl Fn(&NodeId) -> bool,
) -> Result<Vec<Counted>, StoreError> {
    // Only in this order does zero mean zero: nothing is committed on a node that is
    // seen sealed, so that the records counted after that are all there will be.
    let seen: Vec<_> = wanted.iter().map(|id| Seen::now(core, id)).collect();
    let Weighed { records, short } = weigh(core, doomed, WAIT).await?;
    stall(&core.world, STALL_AFTER_RECORDS).await;
    let counted = |(id, seen): (&NodeId, Seen<'_>)| {
        let mut line = seen.line(core, ordered(id), short.clone());
        let left = records.get(id).copied().unwrap_or(Some(0));
        if left.is_none() {
            line.holds
                .get_or_insert_with(|| "its records are still being counted".to_owned());
        }
        // Not counted yet, but there is one.
        (line, left.unwrap_or(1))
    };
    Ok(wanted.iter().zip(seen).map(counted).collect())
}

/// What has to leave the nodes that are drained.
struct Weighed<'a> {
    /// How many records list each; unknown where the first count is not over.
    records: BTreeMap<&'a NodeId, Option<u64>>,
    /// What room is missing for all of them, as far as is known.
    short: Option<String>,
}

/// Counts what records list on each of the nodes, waiting for at most `wait` for each.
async fn weigh<'a>(
    core: &Core,
    doomed: &'a [NodeId],
    wait: Duration,
) -> Result<Weighed<'a>, StoreError> {
    let mut total = Load::default();
    let mut records = BTreeMap::new();
    // All at once: many nodes that are still being counted cost one wait.
    let loads = doomed
        .iter()
        .map(|id| counts::listed_on(&core.known.counts, &core.world, &core.store, id, wait));
    let loads = futures::future::try_join_all(loads).await?;
    for (id, load) in doomed.iter().zip(loads) {
        total.add(load.unwrap_or_default());
        records.insert(id, load.map(|load| load.files));
    }
    let short = shortfall(total, &rooms_beside(core, doomed));
    Ok(Weighed { records, short })
}

/// Notes the drain of nodes that never joined, so that they can't take a file if they
/// join later.
///
/// # Errors
/// When the store fails.
pub async fn note_strangers(core: &Core, ids: &[NodeId]) -> Result<(), Failure> {
    let rows = core.store.nodes().await?;
    for id in ids {
        if !rows.iter().any(|row| row.id == *id) {
            // One that joins at this very moment is found by the order that follows.
            core.store.put_node(stranger(id)).await?;
        }
    }
    Ok(())
}

fn stranger(id: &NodeId) -> NodeRow {
    NodeRow {
        id: id.clone(),
        volume_id: Uuid::nil(),
        pool: String::new(),
        rev: 1,
        stay: Stay::Drains,
        merged_session: 0,
        endpoint: String::new(),
        set_back: false,
        generation_floor: 0,
    }
}

/// Orders drains, or reports how those stand that were ordered before. The drain of an
/// unavailable node is noted, and begins when the node is back.
///
/// # Errors
/// Code 6 for a node that is not known, code 8 where the files of all that are
/// drained have no room elsewhere: then nothing is changed.
pub async fn order(core: &Core, ids: &[NodeId]) -> Result<Vec<Counted>, Failure> {
    let weighing = core.drains.lock().await;
    let rows = core.store.nodes().await?;
    let wanted = known(&rows, ids)?;
    let mut doomed = doomed(core, &rows);
    let fresh: Vec<_> = ids
        .iter()
        .filter(|id| !doomed.contains(id))
        .cloned()
        .collect();
    if !fresh.is_empty() {
        doomed.extend(fresh);
        let weighed = weigh(core, &doomed, ORDERED).await?;
        let names = || {
            ids.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        if let Some(short) = weighed.short {
            let why = format!("not drained: {}: {short}", names());
            return Err(Failure::new(Code::InsufficientStorage).because(why));
        }
        if let Some((id, _)) = weighed.records.iter().find(|(_, left)| left.is_none()) {
            let why = format!(
                "not drained: {}: the records of {id} are still being counted; order it again",
                names()
            );
            return Err(Failure::new(Code::ServersUnavailable).because(why));
        }
    }
    for row in wanted {
        set_stay(core, row, Stay::Drains).await?;
    }
    drop(weighing);
    stall(&core.world, STALL_IN_ORDER).await;
    for node in ids.iter().filter_map(|id| core.nodes.available(id)) {
        seal_by_row(core, &node).await?;
    }
    Ok(standing(core, ids, &doomed, |_| true).await?)
}

/// Opens nodes to files again.
///
/// # Errors
/// Code 1 while one of them is unavailable: its seal is its own, and durable.
pub async fn cancel(core: &Core, ids: &[NodeId]) -> Result<Vec<Counted>, Failure> {
    let wanted = known(&core.store.nodes().await?, ids)?;
    let mut nodes = Vec::new();
    for id in ids {
        nodes.push(core.nodes.available(id).ok_or_else(|| {
            Failure::new(Code::ServersUnavailable).because(format_args!(
                "node {id} is unavailable, and stays sealed until it can be opened"
            ))
        })?);
    }
    for (row, node) in wanted.into_iter().zip(nodes) {
        set_stay(core, row, Stay::Stays).await?;
        seal_by_row(core, &node).await?;
    }
    let mut counted = standing(core, ids, ids, |_| false).await?;
    for (line, _) in &mut counted {
        line.holds = None;
    }
    Ok(counted)
}

/// Seals a node or opens it, as its row says. A caller that changes the row does so
/// first, and the row is read once more after the node has answered: so a task that
/// read the row before an order or its cancelling does not undo it.
async fn seal_by_row(core: &Core, node: &Node) -> Result<(), Failure> {
    let stay = async || {
        let row = row(core, &node.id).await?;
        Ok::<_, Failure>(row.map_or(Stay::Abandoned, |row| row.stay))
    };
    let mut wanted = stay().await?;
    for _ in 0..TRIES {
        if wanted == Stay::Abandoned {
            return Ok(());
        }
        seal(core, node, wanted == Stay::Drains).await?;
        let now = stay().await?;
        if now == wanted {
            return Ok(());
        }
        wanted = now;
    }
    Err(keeps_changing())
}

/// Seals a node or opens it again, in this manager's view at once.
async fn seal(core: &Core, node: &Node, sealed: bool) -> Result<(), Failure> {
    let order = core.order_number().await?;
    let reply = node.link.seal(sealed, order).await.map_err(unavailable)?;
    node.sealed(sealed, &reply);
    core.nodes.touched();
    Ok(())
}

/// Seals a node that joins while its drain is under way, before anything can be
/// placed on it.
///
/// # Errors
/// When the node or the store does not answer.
pub async fn seal_joining(core: &Core, node: &Node, row: &NodeRow) -> Result<(), Failure> {
    if row.stay == Stay::Drains && !node.is_draining() {
        seal_by_row(core, node).await?;
    }
    Ok(())
}

/// As long as this process leads: seals nodes whose order was broken off between row
/// and node, and removes the rows of abandoned nodes that no record lists any more.
pub async fn keep(core: Arc<Core>) {
    loop {
        core.world.sleep(LOOK).await;
        if core.lead.number() == 0 {
            continue;
        }
        let Ok(rows) = core.store.nodes().await else {
            continue;
        };
        for row in rows.iter().filter(|row| row.stay == Stay::Abandoned) {
            if let Err(error) = abandon::end(&core, &row.id).await {
                tracing::warn!(node = %row.id, %error, "an abandoned node's row stays");
            }
        }
        for row in rows.iter().filter(|row| row.stay == Stay::Drains) {
            stall(&core.world, STALL_BEFORE_SEAL).await;
            let node = core.nodes.available(&row.id);
            if let Some(node) = node.filter(|node| !node.is_draining())
                && let Err(error) = seal_by_row(&core, &node).await
            {
                tracing::warn!(node = %row.id, %error, "a drained node is not sealed yet");
            }
        }
    }
}

/// The rows of nodes that are named.
fn known(rows: &[NodeRow], ids: &[NodeId]) -> Result<Vec<NodeRow>, Failure> {
    if ids.is_empty() {
        return Err(Failure::new(Code::InvalidRequest).because("no node is named"));
    }
    let known = |id: &NodeId| match rows.iter().find(|row| row.id == *id) {
        None => Err(no_such_node(id)),
        Some(row) if row.stay == Stay::Abandoned => Err(Failure::conflict(format_args!(
            "node {id} is being abandoned"
        ))),
        Some(row) => Ok(row.clone()),
    };
    ids.iter().map(known).collect()
}

/// What the nodes that stay may still take.
fn rooms_beside(core: &Core, doomed: &[NodeId]) -> Vec<Room> {
    let others = core.nodes.all_available().into_iter();
    others
        .filter(|node| !doomed.contains(&node.id))
        .filter(|node| !node.is_draining() && !node.report().read_only)
        .map(|node| Room {
            bytes: node.free(),
            files: node.report().free_inodes,
        })
        .collect()
}

fn unavailable(error: CallError) -> Failure {
    Failure::new(Code::ServersUnavailable).because(error)
}

//! Drains (rule 15). One is ordered in the node's row, which outlives everything,
//! and then on the node itself, which is sealed durably; the mover takes a sealed
//! node's files away. A drain whose files would not fit elsewhere is refused
//! before the first of them moves, and one that can't go on says what it waits for.

mod line;

use crate::core::Core;
use crate::failure::Failure;
use crate::fit::{Load, Room, shortfall};
use crate::merge::row;
use crate::nodes::{CallError, Node};
use line::line;
use manager_store::{NodeRow, Stay, StoreError};
use proto::{Code, NodeId};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use line::DrainLine;

/// Records counted in one look.
const PAGE: usize = 1000;
/// Times that a change of a node's row is tried.
const TRIES: usize = 5;
/// How often the leader looks whether every drained node is sealed.
const LOOK: Duration = Duration::from_secs(1);

fn is_drained(core: &Core, row: &NodeRow) -> bool {
    row.stay == Stay::Drains
        || core
            .nodes
            .available(&row.id)
            .is_some_and(|node| node.is_draining())
}

/// Every drain among these rows.
pub(crate) fn lines(core: &Core, rows: &[NodeRow]) -> Vec<DrainLine> {
    rows.iter()
        .filter(|row| is_drained(core, row))
        .map(|row| {
            let report = core.nodes.available(&row.id).map(|node| node.report());
            let report = report.unwrap_or_default();
            let load = Load {
                files: report.files,
                bytes: report.bytes,
                largest: 0,
            };
            line(core, &row.id, shortfall(load, &rooms_beside(core, &row.id)))
        })
        .collect()
}

/// Every drain, with the records that still list its node.
///
/// # Errors
/// When the store fails.
pub(crate) async fn list(core: &Core) -> Result<Vec<(DrainLine, u64)>, StoreError> {
    let rows = core.store.nodes().await?;
    let mut all = Vec::new();
    for row in rows.iter().filter(|row| is_drained(core, row)) {
        let load = load_of(core, &row.id).await?;
        let short = shortfall(load, &rooms_beside(core, &row.id));
        all.push((line(core, &row.id, short), load.files));
    }
    Ok(all)
}

/// Orders a drain, or tells how one that was ordered stands. Of a node that is
/// unavailable it is noted, and begins when that is back.
///
/// # Errors
/// Code 6 for a node that is not known, code 8 where its files have no room
/// elsewhere: then nothing is changed.
pub(crate) async fn order(core: &Core, id: &NodeId) -> Result<(DrainLine, u64), Failure> {
    let known = known(core, id).await?;
    if !is_drained(core, &known)
        && let Some(short) = shortfall(load_of(core, id).await?, &rooms_beside(core, id))
    {
        let why = format!("{id} is not drained: {short}");
        return Err(Failure::new(Code::InsufficientStorage).because(why));
    }
    set_stay(core, known, Stay::Drains).await?;
    // In this order zero means zero: sealed, the node's own count, the records.
    if let Some(node) = core.nodes.available(id) {
        seal(core, &node, true).await?;
    }
    let load = load_of(core, id).await?;
    let short = shortfall(load, &rooms_beside(core, id));
    Ok((line(core, id, short), load.files))
}

/// Opens a node to files again.
///
/// # Errors
/// Code 1 while the node is unavailable: its seal is its own, and durable.
pub(crate) async fn cancel(core: &Core, id: &NodeId) -> Result<(DrainLine, u64), Failure> {
    let known = known(core, id).await?;
    let node = core.nodes.available(id).ok_or_else(|| {
        Failure::new(Code::ServersUnavailable).because(format_args!(
            "node {id} is unavailable, and stays sealed until it can be opened"
        ))
    })?;
    set_stay(core, known, Stay::Stays).await?;
    seal(core, &node, false).await?;
    let load = load_of(core, id).await?;
    let mut line = line(core, id, None);
    line.holds = None;
    Ok((line, load.files))
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
pub(crate) async fn seal_joining(core: &Core, node: &Node, row: &NodeRow) -> Result<(), Failure> {
    if row.stay == Stay::Drains && !node.is_draining() {
        seal(core, node, true).await?;
    }
    Ok(())
}

/// Seals, for as long as this process leads, nodes whose order was broken off
/// between row and node.
pub(crate) async fn keep(core: Arc<Core>) {
    loop {
        tokio::time::sleep(LOOK).await;
        if core.leader() == 0 {
            continue;
        }
        let Ok(rows) = core.store.nodes().await else {
            continue;
        };
        for row in rows.iter().filter(|row| row.stay == Stay::Drains) {
            let node = core.nodes.available(&row.id);
            if let Some(node) = node.filter(|node| !node.is_draining())
                && let Err(error) = seal(&core, &node, true).await
            {
                tracing::warn!(node = %row.id, %error, "a drained node is not sealed yet");
            }
        }
    }
}

async fn known(core: &Core, id: &NodeId) -> Result<NodeRow, Failure> {
    let found = row(core, id).await?;
    let found = found.ok_or_else(|| {
        Failure::new(Code::InvalidRequest).because(format_args!("there is no node {id}"))
    })?;
    match found.stay {
        Stay::Stays | Stay::Drains => Ok(found),
        Stay::Abandoned => Err(Failure::new(Code::InvalidRequest)
            .because(format_args!("node {id} is being abandoned"))),
    }
}

/// Writes a node's new stay into its row.
///
/// # Errors
/// When the store fails, or others keep changing the row.
pub(crate) async fn set_stay(core: &Core, mut found: NodeRow, stay: Stay) -> Result<(), Failure> {
    for _ in 0..TRIES {
        if found.stay == stay {
            return Ok(());
        }
        let id = found.id.clone();
        let next = NodeRow {
            stay,
            rev: found.rev + 1,
            ..found
        };
        if core.store.put_node(next).await? {
            return Ok(());
        }
        let again = row(core, &id).await?;
        found = again.ok_or_else(|| {
            Failure::new(Code::InvalidRequest).because(format_args!("node {id} is gone"))
        })?;
    }
    Err(Failure::new(Code::ServersUnavailable).because("the node's row keeps changing"))
}

/// What the records list on a node, in any state.
///
/// # Errors
/// When the store fails.
async fn load_of(core: &Core, id: &NodeId) -> Result<Load, StoreError> {
    let mut after = None;
    let mut load = Load::default();
    loop {
        let page = core.store.listed_on(id, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(load);
        };
        after = Some(last.name.clone());
        for record in &page {
            load.files += 1;
            load.bytes += record.size;
            load.largest = load.largest.max(record.size);
        }
    }
}

/// What the other nodes that stay may still take.
fn rooms_beside(core: &Core, id: &NodeId) -> Vec<Room> {
    let others = core.nodes.all_available().into_iter();
    others
        .filter(|node| node.id != *id && !node.is_draining() && !node.report().read_only)
        .map(|node| Room {
            bytes: node.free(),
            files: node.report().free_inodes,
        })
        .collect()
}

fn unavailable(error: CallError) -> Failure {
    Failure::new(Code::ServersUnavailable).because(error)
}

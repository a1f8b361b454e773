//! Drains (rule 15). One is ordered in the node's row, which outlives everything,
//! and then on the node itself, which is sealed durably; the mover takes a sealed
//! node's files away. A drain whose files would not fit elsewhere is refused
//! before the first of them moves, and one that can't go on says what it waits for.

use crate::core::Core;
use crate::failure::Failure;
use crate::fit::{Load, Room, shortfall};
use crate::merge::row;
use crate::nodes::{CallError, Node};
use manager_store::{NodeRow, Stay, StoreError};
use proto::{Code, NodeId};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Records counted in one look.
const PAGE: usize = 1000;
/// Times that a change of a node's row is tried.
const TRIES: usize = 5;
/// How often the leader looks whether every drained node is sealed.
const LOOK: Duration = Duration::from_secs(1);
/// Names that are told of files that can't move.
const NAMES: usize = 3;

/// One drain, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct DrainLine {
    /// The node.
    pub node: String,
    /// Whether the node itself takes no more files, durably.
    pub sealed: bool,
    /// Files still on it; missing while it is unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_left: Option<u64>,
    /// Copies in quarantine, which only a person takes away.
    pub quarantined: u64,
    /// Files a second that left it over the last minute.
    pub rate: f64,
    /// Seconds until it is empty at that rate; missing while nothing leaves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    /// Why it holds, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
}

/// What a drain may have to wait for.
#[derive(Debug, Default)]
struct Facts {
    store_away: Option<String>,
    unavailable: bool,
    read_only: bool,
    sealed: bool,
    files: u64,
    quarantined: u64,
    corrupt: Vec<String>,
    missing: Vec<String>,
    short: Option<String>,
}

/// Why a drain holds; pure.
fn holds(facts: &Facts) -> Option<String> {
    if let Some(why) = &facts.store_away {
        return Some(format!("the metadata store is away: {why}"));
    }
    if facts.unavailable {
        return Some("the node is unavailable; its files stay its own until it is back".to_owned());
    }
    if facts.read_only {
        return Some("a flush failed on the node, which has to be restarted".to_owned());
    }
    if !facts.sealed {
        return Some("the node is not sealed yet".to_owned());
    }
    if let Some(short) = facts.short.as_ref().filter(|_| facts.files > 0) {
        return Some(short.clone());
    }
    for (names, what, cure) in [
        (&facts.corrupt, "corrupt", "delete them"),
        (
            &facts.missing,
            "missing",
            "delete them, or bring their bytes back",
        ),
    ] {
        if !names.is_empty() {
            let some = names[..names.len().min(NAMES)].join(", ");
            let more = if names.len() > NAMES { ", …" } else { "" };
            let count = names.len();
            return Some(format!(
                "{count} files can't move, they are {what} ({some}{more}): {cure}"
            ));
        }
    }
    (facts.files == 0 && facts.quarantined > 0).then(|| {
        let count = facts.quarantined;
        format!("{count} copies are in quarantine: adopt or remove them")
    })
}

/// How a drain stands, as this manager sees it.
fn line(core: &Core, id: &NodeId, short: Option<String>) -> DrainLine {
    let node = core.nodes.available(id);
    let report = node.as_ref().map(|node| node.report()).unwrap_or_default();
    let files_left = node.as_ref().map(|node| node.files());
    let corrupt = node.as_ref().map(|node| node.corrupt()).unwrap_or_default();
    let rate = node.as_ref().map_or(0.0, |node| node.leave_rate());
    let facts = Facts {
        store_away: core.store_health.away(),
        unavailable: node.is_none(),
        read_only: report.read_only,
        sealed: report.sealed,
        files: files_left.unwrap_or(0),
        quarantined: report.quarantined,
        corrupt: corrupt.iter().map(|copy| copy.name.clone()).collect(),
        missing: core.missing.names_on(id),
        short,
    };
    DrainLine {
        node: id.to_string(),
        sealed: report.sealed,
        files_left,
        quarantined: report.quarantined,
        rate,
        seconds_left: files_left
            .filter(|_| rate > 0.0)
            .map(|files| (files as f64 / rate).round()),
        holds: holds(&facts),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_that_holds_says_what_it_waits_for() {
        let sealed = || Facts {
            sealed: true,
            files: 9,
            ..Facts::default()
        };
        let names = |n: usize| (0..n).map(|i| format!("f{i}")).collect::<Vec<_>>();
        for (facts, told) in [
            (sealed(), None),
            (Facts::default(), Some("not sealed")),
            (
                Facts {
                    store_away: Some("gone".to_owned()),
                    ..sealed()
                },
                Some("store is away: gone"),
            ),
            (
                Facts {
                    unavailable: true,
                    ..Facts::default()
                },
                Some("unavailable"),
            ),
            (
                Facts {
                    read_only: true,
                    ..sealed()
                },
                Some("restarted"),
            ),
            (
                Facts {
                    short: Some("5 bytes short".to_owned()),
                    ..sealed()
                },
                Some("5 bytes short"),
            ),
            (
                Facts {
                    corrupt: names(4),
                    ..sealed()
                },
                Some("4 files can't move, they are corrupt (f0, f1, f2, …)"),
            ),
            (
                Facts {
                    missing: names(1),
                    files: 0,
                    ..sealed()
                },
                Some("missing (f0)"),
            ),
            (
                Facts {
                    quarantined: 2,
                    files: 0,
                    short: Some("no room".to_owned()),
                    ..sealed()
                },
                Some("2 copies are in quarantine"),
            ),
        ] {
            let found = holds(&facts);
            match told {
                None => assert_eq!(found, None, "{facts:?}"),
                Some(told) => assert!(
                    found.as_ref().is_some_and(|text| text.contains(told)),
                    "{facts:?}: {found:?}"
                ),
            }
        }
    }
}

//! A store that was set back to an earlier state (rule 17). What its records say
//! is then of another time than what the nodes hold: nothing settles, moves or is
//! deleted until every node that a record lists was merged anew, and generations
//! go on above the highest that any of them has seen.

use crate::core::Core;
use crate::node_rows;
use crate::recovery::merge;
use crate::state::Marking;
use crate::store::{NodeRow, StoreError};
use messages::NodeId;
use std::sync::Arc;
use std::time::Duration;

/// How old the last read of the rows may be when it decides whether files may be
/// deleted. The leader's loop reads them several times as often.
const FRESH: Duration = Duration::from_secs(2);
/// How often a change of a node's row is tried.
const TRIES: usize = 20;
/// Nodes that are named.
const NAMES: usize = 5;
/// The generation of a copy that a move makes (rule 17).
pub(crate) fn generation_of_move(next: u32, floor: u32) -> u32 {
    next.max(floor.saturating_add(1))
}

/// Notes in every node's row that the store was set back, and merges all joined nodes anew.
///
/// # Errors
/// When the store fails; then it has to be called again.
pub(crate) async fn begin(core: &Arc<Core>) -> Result<(), StoreError> {
    let marking = Marking::begin(&core.known.set_back);
    core.known.cache.clear();
    for row in core.store.nodes().await? {
        mark(core, row).await?;
    }
    drop(marking);
    look(core).await?;
    for node in core.nodes.all() {
        core.world.spawn(merge::run(core.clone(), node));
    }
    Ok(())
}

async fn mark(core: &Core, mut row: NodeRow) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let id = row.id.clone();
        // A marked row is marked again: a merge under way compared with another state.
        let marked = NodeRow {
            set_back: true,
            rev: row.rev + 1,
            ..row
        };
        if core.store.put_node(marked).await? {
            return Ok(());
        }
        match node_rows::row(core, &id).await? {
            Some(again) => row = again,
            None => return Ok(()),
        }
    }
    Err(StoreError::unavailable("a node's row keeps changing"))
}

/// Reads the rows, notes which nodes have to be merged, and returns the rows.
///
/// # Errors
/// When the store fails; what was known before holds.
pub(crate) async fn look(core: &Core) -> Result<Vec<NodeRow>, StoreError> {
    let marks = core.known.set_back.marks();
    // Read before the rows: each of these nodes had its row when it was admitted.
    let joined = core.nodes.all();
    let rows = core.store.nodes().await?;
    for node in joined {
        let known = |row: &NodeRow| row.id == node.id && row.volume_id == node.volume_id;
        if !rows.iter().any(known) {
            tracing::warn!(node = %node.id,
                "the store was set back to before the node came: it has to join again");
            node.closed.cancel();
        }
    }
    let floor = rows.iter().map(|row| row.generation_floor).max();
    let mut waits_for = Vec::new();
    for row in rows.iter().filter(|row| row.set_back) {
        // A node that no record lists holds nothing that records could be wrong about.
        if !core.store.listed_on(&row.id, None, 1).await?.is_empty() {
            waits_for.push(row.id.clone());
        }
    }
    core.known
        .set_back
        .take(marks, waits_for, floor.unwrap_or(0), core.world.now());
    Ok(rows)
}

/// Why nothing may settle, move or be deleted now; nothing where all may go on.
///
/// # Errors
/// When the store fails: then nothing may, either.
pub(crate) async fn holds(core: &Core) -> Result<Option<String>, StoreError> {
    if core.known.set_back.is_older_than(FRESH, core.world.now()) {
        look(core).await?;
    }
    Ok(core
        .known
        .set_back
        .holds()
        .then(|| why(&core.known.set_back.waits_for())))
}

/// The explanation for people: what is waited for, and what ends it.
pub fn why(waits_for: &[NodeId]) -> String {
    let mut names: Vec<_> = waits_for
        .iter()
        .take(NAMES)
        .map(ToString::to_string)
        .collect();
    if waits_for.len() > NAMES {
        names.push(format!("{} more", waits_for.len() - NAMES));
    }
    let nodes = match names.is_empty() {
        true => "every node".to_owned(),
        false => names.join(", "),
    };
    format!(
        "the metadata store was set back to an earlier state: nothing settles, moves or is \
         deleted until {nodes} joined and was merged; bring back what is away, or abandon it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str) -> NodeId {
        NodeId::new(id).expect("a node id")
    }

    #[test]
    fn a_move_takes_no_generation_that_a_node_may_have_seen() {
        for (next, floor, taken) in [(2, 0, 2), (2, 1, 2), (2, 7, 8), (9, 7, 9)] {
            assert_eq!(generation_of_move(next, floor), taken);
        }
    }

    #[test]
    fn a_person_is_told_who_is_waited_for() {
        let all: Vec<_> = (0..7).map(|i| node(&format!("n{i}"))).collect();
        assert!(why(&all[..2]).contains("until n0, n1 joined"));
        assert!(why(&all).contains("n4, 2 more joined"));
        assert!(why(&[]).contains("every node"));
    }
}

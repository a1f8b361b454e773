//! Asks again for records whose node denied the bytes, and for files that could not be
//! moved: what is remembered of them (`state::Missing`, `state::Stuck`) must not outlive
//! the trouble.

use crate::core::Core;
use crate::files::copies::leaf_if_whole;
use crate::nodes::home_ref;
use crate::state::Denied;
use crate::store::Record;
use messages::{FileName, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often some are checked again, and how many: others may have deleted or adopted
/// them through another manager, or brought their bytes back.
const AGAIN: Duration = Duration::from_secs(2);
const SOME: usize = 100;

/// Drops, one part after the other, those whose records went or changed place, and
/// those whose bytes are there again.
pub async fn watch(core: Arc<Core>) {
    let (mut missing, mut stuck) = (None, None);
    loop {
        core.world.sleep(AGAIN).await;
        missing = look_at_missing(&core, missing).await;
        stuck = look_at_stuck(&core, stuck).await;
    }
}

/// Checks some after a name; returns the last one.
async fn look_at_missing(core: &Core, after: Option<FileName>) -> Option<FileName> {
    let some = core.known.missing.some_after(after.as_ref(), SOME);
    let last = some.last().map(|(name, _)| name.clone());
    let mut still = BTreeMap::<NodeId, Vec<Record>>::new();
    for (name, denied) in some {
        let Ok(found) = core.store.get(&name).await else {
            break;
        };
        match found.filter(|record| Denied::of(record) == denied) {
            Some(record) => still.entry(denied.node).or_default().push(record),
            None => core.known.missing.forget_denied(&name, &denied),
        }
    }
    for (node, records) in still {
        ask_again(core, &node, &records).await;
    }
    last
}

/// The same for files that could not be moved.
async fn look_at_stuck(core: &Core, after: Option<FileName>) -> Option<FileName> {
    let stuck = &core.known.moves.stuck;
    let some = stuck.some_after(after.as_ref(), SOME);
    let last = some.last().map(|(name, _)| name.clone());
    for (name, file) in some {
        let Ok(found) = core.store.get(&name).await else {
            break;
        };
        if found.is_none_or(|record| (record.id, record.node) != file) {
            stuck.forget_file(&name, &file);
        }
    }
    last
}

async fn ask_again(core: &Core, node: &NodeId, records: &[Record]) {
    // One whose disk is silent would hold up the others.
    let Some(node) = core.nodes.available(node).filter(|node| !node.is_silent()) else {
        return;
    };
    let copies = records.iter().map(home_ref).collect();
    let Ok(states) = node.link.inspect(copies).await else {
        return;
    };
    for (record, state) in records.iter().zip(states) {
        if leaf_if_whole(record, &state).is_some() {
            let denied = Denied::of(record);
            core.known.missing.forget_denied(&record.name, &denied);
        }
    }
}

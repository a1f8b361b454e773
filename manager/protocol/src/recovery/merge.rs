//! The merge when a node joins (rule 11), in batches, both ways. From disk to store:
//! first the bytes are read and then their record. From store to disk: first the record
//! is read, then the node is asked, and after its denial the record is read again. This
//! order keeps an upload or a move under way from being taken for a difference.

use crate::core::Core;
use crate::node_rows::row;
use crate::nodes::{CallError, Node, copy_ref, home_ref};
use crate::recovery::listed::Listed;
use crate::recovery::rebuild::restore;
use crate::state::{HIGHEST, Progress};
use crate::store::{NodeRow, Record, State, StoreError};
use futures::StreamExt;
use messages::v1::{CopyState, FileMeta, InventoryEntry, QuarantineRequest};
use messages::{FileId, FileName, NodeId};
use std::sync::Arc;
use std::time::Duration;

/// Records in one question to a node.
const BATCH: usize = 512;
/// How long a merge that failed waits before it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Why a merge did not end.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The node left or failed.
    #[error(transparent)]
    Node(#[from] CallError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's row changed meanwhile.
    #[error("the node's row was changed meanwhile")]
    Raced,
}

/// What a copy on a disk is to the store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A record lists it.
    Listed,
    /// None does: quarantine.
    Unlisted,
}

/// Whether a record lists a copy.
pub(crate) fn standing(record: Option<&Record>, node: &NodeId, meta: &FileMeta) -> Standing {
    let listed = record.is_some_and(|record| {
        record.id.as_bytes()[..] == meta.id[..]
            && record
                .copies
                .iter()
                .any(|c| c.node == *node && c.generation == meta.generation)
    });
    if listed {
        Standing::Listed
    } else {
        Standing::Unlisted
    }
}

/// Merges a node that joined until it is done or the node has left.
pub async fn run(core: Arc<Core>, node: Arc<Node>) {
    while !node.closed.is_cancelled() {
        match merge(&core, &node).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(node = %node.id, %error, "the merge waits"),
        }
        tokio::select! {
            biased;
            () = node.closed.cancelled() => return,
            () = core.world.sleep(AGAIN) => {}
        }
    }
}

async fn merge(core: &Arc<Core>, node: &Arc<Node>) -> Result<(), MergeError> {
    let session = node.session();
    let Some(row) = row(core, &node.id).await? else {
        return Ok(());
    };
    if row.is_merged(session) {
        return Ok(());
    }
    let restoring = row.merged_session == 0;
    let found = core.known.unfinished.resume(&row, session);
    let found = disk_to_store(core, node, restoring, found).await?;
    let missing = store_to_disk(core, node).await?;
    // The node may have taken generations that the store, as it is now, does not know of.
    let unknown = row.set_back || row.merged_session == 0;
    let seen = node.generation_seen.max(found.generation).min(HIGHEST);
    let floor = if unknown { seen } else { 0 };
    let merged = NodeRow {
        merged_session: session,
        set_back: false,
        generation_floor: row.generation_floor.max(floor),
        rev: row.rev + 1,
        ..row
    };
    // If the row was changed meanwhile it may have been marked as set back: then this
    // merge compared with another state of the store (rule 17).
    core.known.unfinished.end(&node.id);
    if !core.store.put_node(merged).await? {
        return Err(MergeError::Raced);
    }
    tracing::info!(node = %node.id, quarantined = found.quarantined, missing, "merged");
    Ok(())
}

async fn disk_to_store(
    core: &Arc<Core>,
    node: &Arc<Node>,
    restoring: bool,
    mut progress: Progress,
) -> Result<Progress, MergeError> {
    let mut inventory = node.link.inventory(false, progress.leaf).await?;
    while let Some(batch) = inventory.next().await {
        let entries = batch?.entries;
        for (name, meta, leaf) in unlisted(core, node, &entries).await? {
            // Asked for each copy, since the rebuild ends before a file is deleted.
            let restoring = restoring && core.known.restoring.goes_on(&*core.store).await?;
            let record = core.store.get(&name).await?;
            if standing(record.as_ref(), &node.id, meta) == Standing::Listed {
                continue;
            }
            if restoring && restore(core, node, record, &name, meta, leaf).await? {
                continue;
            }
            quarantine(core, node, &name, meta, leaf).await?;
            progress.quarantined += 1;
        }
        for entry in &entries {
            let generation = entry.meta.as_ref().map_or(0, |meta| meta.generation);
            progress.generation = progress.generation.max(generation);
            progress.leaf = entry.leaf;
        }
        core.known.unfinished.note(&node.id, &progress);
    }
    Ok(progress)
}

/// The entries that no record lists, by one read of all their records. That read may be
/// out of date: a caller that acts on it reads the record again.
pub(crate) async fn unlisted<'a>(
    core: &Core,
    node: &Node,
    entries: &'a [InventoryEntry],
) -> Result<Vec<(FileName, &'a FileMeta, u32)>, StoreError> {
    let mut names = Vec::with_capacity(entries.len());
    let mut copies = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((name, meta)) = readable(entry) else {
            tracing::warn!(node = %node.id, path = entry.unreadable, "a file has no record");
            continue;
        };
        names.push(name);
        copies.push((meta, entry.leaf));
    }
    let records = core.store.get_many(&names).await?;
    let looked = names.into_iter().zip(copies).zip(records);
    Ok(looked
        .filter(|((_, (meta, _)), record)| {
            standing(record.as_ref(), &node.id, meta) == Standing::Unlisted
        })
        .map(|((name, (meta, leaf)), _)| (name, meta, leaf))
        .collect())
}

/// The name and record of an inventory's entry, where they can be read.
pub(crate) fn readable(entry: &InventoryEntry) -> Option<(FileName, &FileMeta)> {
    let meta = entry.meta.as_ref()?;
    Some((FileName::new(&meta.name).ok()?, meta))
}

/// Moves a copy that no record lists out of the way, for a person to judge.
///
/// # Errors
/// When the node does not confirm, or the store fails.
pub(crate) async fn quarantine(
    core: &Core,
    node: &Node,
    name: &FileName,
    meta: &FileMeta,
    leaf: u32,
) -> Result<(), MergeError> {
    let Ok(id) = FileId::from_wire(&meta.id) else {
        return Ok(());
    };
    let reason = format!("no record lists it, found at {}", core.world.unix_ms());
    let copy = Some(copy_ref(id, meta.generation, name, Some(leaf)));
    let request = QuarantineRequest {
        copy,
        reason,
        leader: core.order_number().await?,
        session: 0,
    };
    if node.link.quarantine(request).await? {
        tracing::warn!(node = %node.id, %name, %id, "bytes without a record were quarantined");
    }
    Ok(())
}

async fn store_to_disk(core: &Arc<Core>, node: &Arc<Node>) -> Result<u64, MergeError> {
    core.known.missing.forget_node(&node.id);
    let mut listed = Listed::on(core, &node.id, BATCH);
    let mut missing = 0;
    while let Some(page) = listed.next().await? {
        for record in denied(core, node, &page).await? {
            core.known.missing.note(&record);
            tracing::error!(node = %node.id, name = %record.name, "its node lacks the bytes");
            missing += 1;
        }
    }
    Ok(missing)
}

/// What a node says of bytes that it does not confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// They are not there.
    Denied,
    /// It can't read them, or where they would be.
    Unreadable,
}

/// What is doubtful about a copy; pure.
fn doubt(state: &CopyState) -> Option<Doubt> {
    match (state.held, &state.meta) {
        (false, _) => Some(Doubt::Denied),
        (true, None) => Some(Doubt::Unreadable),
        (true, Some(_)) => None,
    }
}

/// The records among `page` that live on the node, that it denies, and that
/// are still at the same rev after the denial.
///
/// # Errors
/// When node or store do not answer.
pub(crate) async fn denied(
    core: &Core,
    node: &Node,
    page: &[Record],
) -> Result<Vec<Record>, MergeError> {
    let doubted = doubted(core, node, page).await?.into_iter();
    let denied = doubted.filter(|(_, doubt)| *doubt == Doubt::Denied);
    Ok(denied.map(|(record, _)| record).collect())
}

/// As [`denied`], with the records whose bytes the node can't read.
///
/// # Errors
/// When node or store do not answer.
pub(crate) async fn doubted(
    core: &Core,
    node: &Node,
    page: &[Record],
) -> Result<Vec<(Record, Doubt)>, MergeError> {
    let here: Vec<&Record> = page
        .iter()
        .filter(|r| r.node == node.id && matches!(r.state, State::Stored | State::Moving))
        .collect();
    if here.is_empty() {
        return Ok(Vec::new());
    }
    let states = node
        .link
        .inspect(here.iter().map(|r| home_ref(r)).collect())
        .await?;
    let mut doubted = Vec::new();
    for (record, state) in here.into_iter().zip(states) {
        let Some(doubt) = doubt(&state) else {
            continue;
        };
        if let Some(again) = core.store.get(&record.name).await?
            && again.rev == record.rev
            && again.id == record.id
        {
            doubted.push((again, doubt));
        }
    }
    Ok(doubted)
}

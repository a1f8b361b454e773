//! Quarantine, on a person's word: bytes without a record are listed or removed.

use crate::core::Core;
use crate::failure::Failure;
use crate::node_rows::known;
use crate::nodes::{CallError, Node, copy_ref};
use crate::store::{Copy, Record, State};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use messages::v1::{FileMeta, InventoryEntry, QuarantineRequest, Quarantined};
use messages::{Code, FileId, FileName, NodeId};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What is in quarantine on one node, read a page at a time as it is taken: there may
/// be more of it than memory (invariant 9).
///
/// # Errors
/// When the node does not answer.
pub async fn list(
    node: &Node,
) -> Result<BoxStream<'static, Result<Quarantined, CallError>>, CallError> {
    let id = node.id.to_string();
    let pages = node.link.inventory(true, 0).await?;
    let copies = pages.map(move |page| {
        let copy = |entry: InventoryEntry| Quarantined {
            node_id: id.clone(),
            meta: entry.meta,
            reason: entry.reason,
        };
        let copies: Vec<_> = match page {
            Ok(page) => page
                .entries
                .into_iter()
                .map(|entry| Ok(copy(entry)))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        futures::stream::iter(copies)
    });
    Ok(copies.flatten().boxed())
}

/// Hands on what is in quarantine, on one node or with an empty id on all, as fast as the
/// caller takes it and `limit` copies at the most.
///
/// # Errors
/// When a node does not answer.
pub async fn list_all(
    core: &Core,
    wanted: &str,
    limit: usize,
    told: &mpsc::Sender<Quarantined>,
) -> Result<(), CallError> {
    let mut left = limit;
    for node in core.nodes.all_available() {
        if !wanted.is_empty() && node.id.as_str() != wanted {
            continue;
        }
        let mut held = list(&node).await?;
        while let Some(copy) = held.try_next().await? {
            left = left.saturating_sub(1);
            // A caller that has gone wants no more of it.
            if told.send(copy).await.is_err() || left == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Removes a quarantined copy for good.
///
/// # Errors
/// Code 2 when it is not there.
pub async fn remove(
    core: &Arc<Core>,
    node: &NodeId,
    id: FileId,
    generation: u32,
) -> Result<FileName, Failure> {
    let node = holder(core, node).await?;
    let (name, _) = find(&node, id, generation).await?;
    let request = QuarantineRequest {
        copy: Some(copy_ref(id, generation, &name, None)),
        reason: String::new(),
        leader: core.order_number().await?,
        session: 0,
    };
    if node.link.discard(request).await.map_err(unavailable)? {
        Ok(name)
    } else {
        Err(Failure::new(Code::FileDoesNotExist))
    }
}

/// The record that a copy's own metadata describes, `pending` on its node.
///
/// # Errors
/// When the metadata is damaged.
pub(crate) fn record_of(
    core: &Core,
    node: &NodeId,
    session: u64,
    name: &FileName,
    id: FileId,
    meta: &FileMeta,
) -> Result<Record, Failure> {
    let sha256 = meta.sha256[..].try_into().map_err(|_| {
        Failure::new(Code::Internal).because(format_args!("the record of {name} is damaged"))
    })?;
    let text = |s: &String| (!s.is_empty()).then(|| s.clone());
    Ok(Record {
        name: name.clone(),
        id,
        rev: 1,
        token: core.world.random(),
        state: State::Pending,
        node: node.clone(),
        generation: meta.generation,
        copies: vec![Copy {
            node: node.clone(),
            session,
            generation: meta.generation,
            doomed: false,
        }],
        next_generation: meta.generation + 1,
        leaf: None,
        size: meta.size,
        sha256,
        crc64: meta.crc64,
        content_type: text(&meta.content_type),
        created_ms: meta.created_ms,
        idempotency_key: text(&meta.idempotency_key),
        // A node does not keep it.
        owner: None,
        moved_event: 0,
    })
}

/// The node that is said to hold a copy.
///
/// # Errors
/// Code 6 if there is no such node, code 1 if it is not available.
pub async fn holder(core: &Core, node: &NodeId) -> Result<Arc<Node>, Failure> {
    let found = available(core, node);
    if found.is_err() {
        known(core, node).await?;
    }
    found
}

/// The node, if it is available.
///
/// # Errors
/// Code 1 if it is not.
pub(crate) fn available(core: &Core, node: &NodeId) -> Result<Arc<Node>, Failure> {
    core.nodes.available(node).ok_or_else(|| {
        Failure::new(Code::ServersUnavailable).because(format_args!("node {node} is unavailable"))
    })
}

/// One copy in quarantine.
///
/// # Errors
/// Code 2 when it is not there.
pub(crate) async fn find(
    node: &Node,
    id: FileId,
    generation: u32,
) -> Result<(FileName, FileMeta), Failure> {
    let mut held = list(node).await.map_err(unavailable)?;
    while let Some(copy) = held.try_next().await.map_err(unavailable)? {
        if let Some(meta) = copy.meta
            && meta.id[..] == id.as_bytes()[..]
            && meta.generation == generation
            && let Ok(name) = FileName::new(&meta.name)
        {
            return Ok((name, meta));
        }
    }
    Err(Failure::new(Code::FileDoesNotExist)
        .because(format_args!("no such copy in quarantine on {}", node.id)))
}

/// The caller's error when a node does not answer.
pub(crate) fn unavailable(error: CallError) -> Failure {
    Failure::new(Code::ServersUnavailable).because(error)
}

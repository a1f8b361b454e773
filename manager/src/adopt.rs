//! Adoption of quarantined copies, on a person's word: a copy gets its record
//! back under its own name. A record of that name gives way only if it is older
//! and its node denies the bytes, as after a backup of the store was restored.

use crate::core::{Core, next_rev};
use crate::failure::Failure;
use crate::merge::{self, MergeError};
use crate::nodes::{CallError, Node, copy_ref};
use crate::quarantine::{available, find, list, record_of, unavailable};
use crate::rebuild::{Verdict, judge};
use crate::swap::{Changed, insert, swap};
use manager_store::{Record, State, Swap};
use proto::v1::{Adopted, FileMeta, QuarantineRequest};
use proto::{Code, FileId, FileName, NodeId};
use std::cmp::Reverse;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Adopts one copy.
///
/// # Errors
/// Code 2 when it is not there, code 3 when its name is another file's.
pub(crate) async fn adopt(
    core: &Arc<Core>,
    node: &NodeId,
    id: FileId,
    generation: u32,
) -> Result<FileName, Failure> {
    let node = available(core, node)?;
    let (_, meta) = find(&node, id, generation).await?;
    adopt_copy(core, &node, &meta).await
}

/// Adopts all that can be, the newest of each name first, and tells of each
/// copy what became of it.
///
/// # Errors
/// When a node's quarantine can't be listed; what was adopted stays adopted.
pub(crate) async fn adopt_all(
    core: &Arc<Core>,
    wanted: &str,
    told: &mpsc::Sender<Adopted>,
) -> Result<(), CallError> {
    let mut copies = Vec::new();
    for node in core.nodes.all_available() {
        if wanted.is_empty() || node.id.as_str() == wanted {
            let held = list(&node).await?.into_iter();
            let metas = held.filter_map(|held| held.meta);
            copies.extend(metas.map(|meta| (node.clone(), meta)));
        }
    }
    copies.sort_by_cached_key(|(_, meta)| {
        let age = (meta.created_ms, meta.id.clone(), meta.generation);
        (meta.name.clone(), Reverse(age))
    });
    for (node, meta) in copies {
        let adopted = adopt_copy(core, &node, &meta).await;
        let line = Adopted {
            node_id: node.id.to_string(),
            id: meta.id,
            generation: meta.generation,
            filename: meta.name,
            kept: adopted.err().map(|why| why.to_string()).unwrap_or_default(),
        };
        // A caller that has gone wants no more of it.
        if told.send(line).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn adopt_copy(
    core: &Arc<Core>,
    node: &Arc<Node>,
    meta: &FileMeta,
) -> Result<FileName, Failure> {
    let damaged = || Failure::new(Code::Internal).because("its record is damaged");
    let name = FileName::new(&meta.name).map_err(|_| damaged())?;
    let id = FileId::from_wire(&meta.id).map_err(|_| damaged())?;
    let _busy = core.busy(id);
    // Rule 2: listed durably before the bytes appear in the tree.
    let record = reserve(core, node, &name, id, meta).await?;
    let request = QuarantineRequest {
        copy: Some(copy_ref(id, meta.generation, &name, None)),
        reason: String::new(),
        leader: core.order_number().await?,
    };
    let leaf = node.link.adopt(request).await.map_err(unavailable)?;
    let leaf =
        leaf.ok_or_else(|| Failure::new(Code::FileDoesNotExist).because("it left quarantine"))?;
    let mut stored = next_rev(&record);
    stored.state = State::Stored;
    stored.leaf = Some(leaf);
    match swap(&*core.store, &stored).await? {
        Changed::Done => {
            node.file_arrived();
            core.missing.forget(&name);
            Ok(name)
        }
        Changed::Lost(_) => Err(Failure::new(Code::ServersUnavailable)
            .because("the record was settled meanwhile; look again")),
    }
}

/// Lists the copy in a record of its name: a new one, or one that has lost its
/// own bytes.
async fn reserve(
    core: &Arc<Core>,
    node: &Node,
    name: &FileName,
    id: FileId,
    meta: &FileMeta,
) -> Result<Record, Failure> {
    let record = record_of(&node.id, node.session(), name, id, meta)?;
    let found = match insert(&*core.store, &record).await? {
        Changed::Done => return Ok(record),
        Changed::Lost(found) => found.ok_or_else(changing)?,
    };
    if found.id == id && found.node == record.node && found.generation == record.generation {
        // An earlier adoption was broken off here.
        return Ok(found);
    }
    if found.state != State::Stored || judge(&found, meta) == Verdict::Loses {
        return Err(in_use(&found));
    }
    let home = available(core, &found.node)?;
    let denied = merge::denied(core, &home, std::slice::from_ref(&found)).await;
    if denied.map_err(told)?.is_empty() {
        return Err(in_use(&found));
    }
    replace(core, &found, record).await
}

/// Puts the record of a copy in the place of one whose copy is gone. The node
/// denied that copy, so nothing of it is left to be listed (rule 2).
async fn replace(core: &Core, found: &Record, mut record: Record) -> Result<Record, Failure> {
    tracing::warn!(name = %found.name, old = %found.id, new = %record.id,
        "a record without bytes gives way to an adopted copy");
    if found.id == record.id {
        // The same file, further on its way: it exists all the time.
        record.state = State::Stored;
        record.rev = found.rev + 1;
        record.next_generation = record.next_generation.max(found.next_generation);
        return match swap(&*core.store, &record).await? {
            Changed::Done => Ok(record),
            Changed::Lost(_) => Err(changing()),
        };
    }
    match core.store.remove(&found.name, found.id, found.rev).await? {
        Swap::Done => {}
        Swap::Mismatch(_) => return Err(changing()),
    }
    match insert(&*core.store, &record).await? {
        Changed::Done => Ok(record),
        Changed::Lost(_) => Err(changing()),
    }
}

fn in_use(found: &Record) -> Failure {
    Failure::new(Code::FileNameExists)
        .because(format_args!("{} is file {} now", found.name, found.id))
}

fn changing() -> Failure {
    Failure::new(Code::FileNameExists).because("its record keeps changing")
}

fn told(error: MergeError) -> Failure {
    match error {
        MergeError::Node(error) => unavailable(error),
        MergeError::Store(error) => error.into(),
        MergeError::Raced => changing(),
    }
}

//! Adoption of quarantined copies, on a person's word: a copy gets its record
//! back under its own name. A record of that name gives way only if it is older
//! and its node denies the bytes, as after a backup of the store was restored.

use crate::core::{Busy, Core};
use crate::failpoints::{STALL_IN_ADOPT, stall};
use crate::failure::Failure;
use crate::nodes::{CallError, Node, copy_ref};
use crate::recovery::merge::{self, MergeError, Standing, standing};
use crate::recovery::quarantine::{available, find, holder, list, record_of, unavailable};
use crate::recovery::rebuild::{Verdict, judge};
use crate::store::{Record, State, Swap};
use crate::swap::{Changed, insert, swap};
use crate::trace::Trace;
use crate::world::World;
use futures::TryStreamExt;
use messages::v1::{Adopted, CopyRef, Fault, FileMeta, QuarantineRequest};
use messages::{Code, FileId, FileName, NodeId};
use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Copies that are held at once, at some 700 bytes each (invariant 9).
const HELD: u64 = 10_000;
/// Changes of a record that an adoption follows before it gives up.
const TRIES: usize = 5;
/// How often an adoption looks whether the record of its name has come to rest, and the
/// pause between: together longer than janitors leave a record to others.
const LOOKS: usize = 40;
const PAUSE: Duration = Duration::from_millis(200);

/// Adopts one copy.
///
/// # Errors
/// Code 2 when it is not there, code 3 when its name is another file's.
pub async fn adopt(
    core: &Arc<Core>,
    node: &NodeId,
    id: FileId,
    generation: u32,
) -> Result<FileName, Failure> {
    let node = holder(core, node).await?;
    let (_, meta) = find(&node, id, generation).await?;
    adopt_copy(core, &node, &meta).await
}

/// Adopts all copies that can be, the newest of each name first, and reports what
/// became of each.
///
/// # Errors
/// When a node's quarantine can't be listed; what was adopted stays adopted.
pub async fn adopt_all(
    core: &Arc<Core>,
    wanted: &str,
    told: &mpsc::Sender<Adopted>,
) -> Result<(), CallError> {
    let mut nodes = core.nodes.all_available();
    nodes.retain(|node| wanted.is_empty() || node.id.as_str() == wanted);
    let held = nodes.iter().map(|node| node.report().quarantined).sum();
    let shares = Shares::of(&core.world, held);
    for share in 0..shares.count {
        let mut copies = Vec::new();
        for node in &nodes {
            let mut held = list(node).await?;
            while let Some(copy) = held.try_next().await? {
                // A caller that has gone wants no more of it.
                if told.is_closed() {
                    return Ok(());
                }
                let meta = copy.meta.filter(|meta| shares.has(share, &meta.name));
                copies.extend(meta.map(|meta| (node.clone(), meta)));
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
    }
    Ok(())
}

/// Shares of all names, each with about [`HELD`] copies: the copies of a name must be
/// compared with one another, and all copies together may be more than memory.
struct Shares {
    /// No client can foresee which names share one.
    key: u64,
    count: u64,
}

impl Shares {
    fn of(world: &World, copies: u64) -> Self {
        Self {
            key: world.random(),
            count: copies.div_ceil(HELD).max(1),
        }
    }

    fn has(&self, share: u64, name: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (self.key, name).hash(&mut hasher);
        hasher.finish() % self.count == share
    }
}

async fn adopt_copy(
    core: &Arc<Core>,
    node: &Arc<Node>,
    meta: &FileMeta,
) -> Result<FileName, Failure> {
    let damaged = || Failure::new(Code::Internal).because("its record is damaged");
    let name = FileName::new(&meta.name).map_err(|_| damaged())?;
    let id = FileId::from_wire(&meta.id).map_err(|_| damaged())?;
    // Rule 2: listed durably before the bytes appear in the tree.
    let (_busy, record, whose) = reserve(core, node, &name, id, meta).await?;
    stall(&core.world, STALL_IN_ADOPT).await;
    let copy = copy_ref(id, meta.generation, &name, None);
    let request = order(&record, copy.clone(), core.order_number().await?);
    let leaf = match node.link.adopt(request).await {
        Ok(Some(leaf)) => leaf,
        Ok(None) => match in_tree(core, node, copy).await? {
            Some(leaf) => leaf,
            None => {
                withdraw(core, &record, whose, Left::Nothing).await;
                return Err(Failure::new(Code::FileDoesNotExist).because("it left quarantine"));
            }
        },
        Err(error) => {
            if error.certainly_not_done() {
                let left = what_is_left(core, node, copy, &error).await;
                withdraw(core, &record, whose, left).await;
            }
            return Err(unavailable(error));
        }
    };
    let mut stored = core.next_rev(&record);
    stored.state = State::Stored;
    stored.leaf = Some(leaf);
    match swap(core, &stored).await? {
        Changed::Done => {}
        // Another order for the same copy came first.
        Changed::Lost(Some(found)) if is_file(&found, &node.id, meta) => {}
        Changed::Lost(_) => {
            return Err(Failure::new(Code::ServersUnavailable)
                .because("the record was settled meanwhile; look again"));
        }
    }
    core.known.missing.forget(&name);
    Ok(name)
}

/// The leaf of a copy that is no longer in quarantine: another order may have brought
/// it into the tree before this one came.
async fn in_tree(core: &Core, node: &Node, copy: CopyRef) -> Result<Option<u32>, Failure> {
    let state = node.link.stat(Trace::random(&core.world).0, copy).await;
    let state = state.map_err(unavailable)?;
    Ok(state.held.then_some(state.leaf))
}

/// Whether a record is that of a file, and lists the copy.
fn is_file(record: &Record, node: &NodeId, meta: &FileMeta) -> bool {
    matches!(record.state, State::Stored | State::Moving)
        && standing(Some(record), node, meta) == Standing::Listed
}

/// The order to the node to bring the copy back, in the session in which the record
/// lists it: an order that comes late, in another session, is refused, since the
/// tombstone of a delete may be gone by then.
fn order(record: &Record, copy: CopyRef, leader: u64) -> QuarantineRequest {
    let listed = record.counting_copy();
    QuarantineRequest {
        copy: Some(copy),
        reason: String::new(),
        leader,
        session: listed.map_or(0, |copy| copy.session),
    }
}

/// Whose record it was before the adoption made it its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// It is new.
    New,
    /// Another order for the same copy began it, and may go on with it.
    Shared,
    /// A file or an upload had it before.
    Others,
}

/// What an adoption that brought no bytes leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The copy lies nowhere, or was deleted: no order for it brings bytes any more.
    Nothing,
    /// Another order may bring it.
    Copy,
}

/// What is left by a refusal.
async fn what_is_left(core: &Core, node: &Node, copy: CopyRef, refused: &CallError) -> Left {
    let deleted = matches!(refused, CallError::Fault(Fault::Tombstone, _));
    match deleted && matches!(in_tree(core, node, copy).await, Ok(None)) {
        true => Left::Nothing,
        false => Left::Copy,
    }
}

/// Whether the record of an adoption that brought no bytes is removed; pure.
fn goes(whose: Whose, left: Left) -> bool {
    match (whose, left) {
        // Another order that goes on with the record has raised its rev.
        (Whose::New, Left::Nothing | Left::Copy) | (Whose::Shared, Left::Nothing) => true,
        (Whose::Shared, Left::Copy) | (Whose::Others, Left::Nothing | Left::Copy) => false,
    }
}

/// Removes the record of an adoption that brought no bytes into the tree, unless
/// another order goes on with it, which has raised its rev.
async fn withdraw(core: &Core, record: &Record, whose: Whose, left: Left) {
    if !goes(whose, left) {
        return;
    }
    let removed = core.store.remove(&record.name, record.id, record.rev);
    if let Err(error) = removed.await {
        tracing::warn!(name = %record.name, %error, "the record of a copy that was not adopted stays");
    }
}

/// Lists the copy in a record of its name: a new one, that of another order for it, or
/// one that has lost its own bytes. A record that others change just now is waited for: a
/// move may have chosen a file without knowing that its bytes are gone. Meanwhile the file is
/// not marked as busy, or this manager's janitor would leave it alone.
async fn reserve(
    core: &Arc<Core>,
    node: &Node,
    name: &FileName,
    id: FileId,
    meta: &FileMeta,
) -> Result<(Busy, Record, Whose), Failure> {
    let record = record_of(core, &node.id, node.session(), name, id, meta)?;
    for look in 0..LOOKS {
        if look > 0 {
            core.world.sleep(PAUSE).await;
        }
        let busy = core.busy(id);
        let reserved = reserve_at_rest(core, node, record.clone(), meta).await?;
        if let Some((record, whose)) = reserved {
            return Ok((busy, record, whose));
        }
    }
    Err(changing())
}

/// The same, or nothing while the record of the name is not at rest.
async fn reserve_at_rest(
    core: &Arc<Core>,
    node: &Node,
    mut record: Record,
    meta: &FileMeta,
) -> Result<Option<(Record, Whose)>, Failure> {
    // Not `pending`: a janitor, here or elsewhere, would doom what its node denies,
    // and its order might arrive after the bytes did (invariant 8). Until they are
    // there the file is code 4, and a repeated order goes on from here.
    record.state = State::Stored;
    let found = match insert(core, &record).await? {
        Changed::Done => return Ok(Some((record, Whose::New))),
        Changed::Lost(None) => return Ok(None),
        Changed::Lost(Some(found)) => found,
    };
    if is_same(&found, &record) {
        // An earlier adoption was broken off here, or goes on beside this one.
        let owned = take_over(core, found, node.session()).await?;
        let whose = match owned.state {
            State::Stored => Whose::Shared,
            State::Pending | State::Moving | State::Deleting => Whose::Others,
        };
        return Ok(Some((owned, whose)));
    }
    match gives_way(&found, meta) {
        GivesWay::No => return Err(in_use(&found)),
        GivesWay::NotYet => return Ok(None),
        GivesWay::WithoutBytes => {}
    }
    let home = available(core, &found.node)?;
    let denied = merge::denied(core, &home, std::slice::from_ref(&found)).await;
    if denied.map_err(told)?.is_empty() {
        let now = core.store.get(&found.name).await?;
        return match now.is_some_and(|now| (now.id, now.rev) == (found.id, found.rev)) {
            true => Err(in_use(&found)),
            false => Ok(None),
        };
    }
    let replaced = replace(core, &found, record).await?;
    Ok(replaced.map(|replaced| (replaced, Whose::Others)))
}

/// Whether a record of the same name gives way to a copy.
#[derive(Debug, PartialEq, Eq)]
enum GivesWay {
    No,
    /// It moves, and is looked at again when it has come to rest.
    NotYet,
    /// If its node denies its bytes.
    WithoutBytes,
}

/// Whether a record gives way to a copy of its name; pure.
fn gives_way(found: &Record, meta: &FileMeta) -> GivesWay {
    match (found.state, judge(found, meta)) {
        (State::Stored, Verdict::Wins) => GivesWay::WithoutBytes,
        (State::Moving, Verdict::Wins) => GivesWay::NotYet,
        (State::Pending | State::Deleting, _) | (_, Verdict::Loses) => GivesWay::No,
    }
}

/// Whether two records are of one copy, and of a file or of one that may become it.
fn is_same(found: &Record, record: &Record) -> bool {
    let open = matches!(found.state, State::Pending | State::Stored);
    let home = |record: &Record| (record.id, record.node.clone(), record.generation);
    open && home(found) == home(record)
}

/// Makes a record this order's own before anything is sent (rule 1): another order for
/// the same copy can't remove it any more. From then on a delete that comes first
/// leaves a tombstone in the node's present session (rule 3).
async fn take_over(core: &Core, mut found: Record, session: u64) -> Result<Record, Failure> {
    for _ in 0..TRIES {
        let mut owned = core.next_rev(&found);
        for copy in owned.copies.iter_mut().filter(|copy| found.counts(copy)) {
            copy.session = session;
        }
        match swap(core, &owned).await? {
            Changed::Done => return Ok(owned),
            Changed::Lost(Some(now)) if is_same(&now, &found) => found = now,
            Changed::Lost(_) => break,
        }
    }
    Err(changing())
}

/// Puts the record of a copy in the place of one whose copy is gone, unless that one has
/// changed. The node denied that copy, so nothing of it is left to be listed (rule 2).
async fn replace(
    core: &Core,
    found: &Record,
    mut record: Record,
) -> Result<Option<Record>, Failure> {
    tracing::warn!(name = %found.name, old = %found.id, new = %record.id,
        "a record without bytes gives way to an adopted copy");
    let changed = if found.id == record.id {
        // The same file at a later step of a move: it exists all the time.
        record.rev = found.rev + 1;
        record.next_generation = record.next_generation.max(found.next_generation);
        record.owner = found.owner;
        swap(core, &record).await?
    } else {
        match core.store.remove(&found.name, found.id, found.rev).await? {
            Swap::Done => insert(core, &record).await?,
            Swap::Mismatch(_) => return Ok(None),
        }
    };
    Ok(matches!(changed, Changed::Done).then_some(record))
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

#[cfg(test)]
mod tests;

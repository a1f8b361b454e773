//! Gives a lost node up, on a person's word that names the number of files this
//! costs (invariant 7). Its records go, and then its row. No byte is removed by
//! it: a volume that turns up again is quarantined file by file (rule 11).

use crate::core::Core;
use crate::failure::Failure;
use crate::files::copies::confirmed;
use crate::files::delete::remove_doomed;
use crate::node_rows::{known, row, set_stay};
use crate::nodes::Address;
use crate::recovery::listed::Listed;
use crate::recovery::unsettled::{Unsettled, commit};
use crate::store::{NodeRow, Record, State, Stay, StoreError};
use crate::trace::Trace;
use futures::{StreamExt, stream};
use messages::{Code, NodeId};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Records that are read at a time.
const PAGE: usize = 500;
/// Of these, how many are worked on at a time: each change is durable before the next one
/// of its record, and many share a commit.
const AT_ONCE: usize = 32;
/// How many names are reported.
const NAMES: usize = 10;
/// How long a process at the node's last address has to answer.
const HOLDER: Duration = Duration::from_secs(2);
/// How long other managers have to object: several times the time between their checks.
const OBJECTIONS: Duration = Duration::from_secs(3);
/// Rounds over the records: those that changed meanwhile have their turn in the next.
const ROUNDS: usize = 20;

/// What giving a node up costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// Files whose only copy is there.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first of their names.
    pub names: Vec<String>,
    /// Uploads and deletes under way there, for which no success was returned.
    pub unfinished: u64,
}

/// What a record that lists the node needs.
#[derive(Debug, PartialEq, Eq)]
enum Needs {
    /// Its file has its copy elsewhere: the one here is struck off.
    StrikeOff,
    /// A move was under way: a whole copy elsewhere becomes the file.
    Rescue,
    /// Its bytes are lost.
    Remove,
}

fn needs(record: &Record, node: &NodeId) -> Needs {
    if record.node != *node {
        return Needs::StrikeOff;
    }
    let good = |copy: &crate::store::Copy| copy.node != *node && !copy.doomed;
    let elsewhere = record.copies.iter().any(good);
    match record.state {
        State::Moving if elsewhere => Needs::Rescue,
        State::Moving | State::Stored | State::Pending | State::Deleting => Needs::Remove,
    }
}

impl Loss {
    fn count(&mut self, record: &Record, node: &NodeId) {
        if record.node != *node {
            return;
        }
        match record.state {
            State::Pending | State::Deleting => self.unfinished += 1,
            State::Stored | State::Moving => {
                self.files += 1;
                self.bytes += record.size;
                if self.names.len() < NAMES {
                    self.names.push(record.name.to_string());
                }
            }
        }
    }
}

/// Counts what is lost, and gives the node up if `lose` is that very number; returns
/// whether it did.
///
/// # Errors
/// Code 6 where another node or volume is meant, or the node lives; code 1 where
/// a record has to wait for another node.
pub async fn abandon(
    core: &Arc<Core>,
    id: &NodeId,
    volume: Uuid,
    lose: Option<u64>,
) -> Result<(Loss, bool), Failure> {
    let known = lost_node(core, id, volume).await?;
    let loss = count(core, id).await?;
    match lose {
        None => return Ok((loss, false)),
        Some(files) if files != loss.files => {
            return Err(Failure::conflict(format!(
                "{} files would be lost, not {files}; nothing was changed",
                loss.files
            )));
        }
        Some(_) => {}
    }
    tracing::warn!(node = %id, %volume, files = loss.files, "a node is given up");
    // What comes back of it later is for a person to judge.
    core.known.restoring.end(&*core.store).await?;
    // From here on it is refused, should it come back.
    set_stay(core, known, Stay::Abandoned).await?;
    if core.store.is_shared() {
        wait_for_objections(core, id).await?;
    }
    for _ in 0..ROUNDS {
        if end(core, id).await? {
            return Ok((loss, true));
        }
        clear(core, id).await?;
    }
    Err(Failure::new(Code::ServersUnavailable).because(format_args!(
        "some records of {id} keep changing; order it again"
    )))
}

/// The volume of a node, by which [`abandon`] takes it for the one that is meant.
///
/// # Errors
/// Code 6 where there is no such node.
pub async fn volume_of(core: &Core, id: &NodeId) -> Result<Uuid, Failure> {
    Ok(known(core, id).await?.volume_id)
}

/// The node's row, if it is the one that is meant and nobody serves it.
async fn lost_node(core: &Core, id: &NodeId, volume: Uuid) -> Result<NodeRow, Failure> {
    let found = known(core, id).await?;
    if found.volume_id != volume {
        return Err(Failure::conflict(format!(
            "node {id} has volume {}, not {volume}",
            found.volume_id
        )));
    }
    let at = Address {
        endpoint: &found.endpoint,
        pool: &found.pool,
        // One without a certificate is let in, and so available, or not there at all.
        secured: true,
    };
    let alive = core.network.identify(at, HOLDER).await;
    let alive = alive.is_some_and(|who| who.volume_id[..] == volume.as_bytes()[..]);
    if alive || core.nodes.available(id).is_some() {
        return Err(Failure::conflict(format!(
            "node {id} is alive at {}: drain it instead",
            found.endpoint
        )));
    }
    Ok(found)
}

/// A manager that can't reach a node does not know that it is lost: others, to which it
/// is joined, take the mark back before the first record has gone.
async fn wait_for_objections(core: &Core, id: &NodeId) -> Result<(), Failure> {
    core.world.sleep(OBJECTIONS).await;
    let stays = row(core, id).await?.map(|row| row.stay);
    if stays == Some(Stay::Abandoned) {
        return Ok(());
    }
    Err(Failure::conflict(format!(
        "node {id} is joined to another manager, which this one does not see: nothing was changed"
    )))
}

/// Takes the mark back from nodes that are joined here, whoever ordered to abandon them.
pub(crate) async fn object(core: &Core, rows: Vec<NodeRow>) {
    for row in rows.into_iter().filter(|row| row.stay == Stay::Abandoned) {
        let Some(node) = core.nodes.available(&row.id) else {
            continue;
        };
        if node.volume_id != row.volume_id {
            continue;
        }
        let stay = match node.is_draining() {
            true => Stay::Drains,
            false => Stay::Stays,
        };
        tracing::warn!(node = %row.id, "it was to be given up, but is joined here: it stays");
        if let Err(error) = set_stay(core, row, stay).await {
            tracing::warn!(%error, "the mark of a node that is joined stays");
        }
    }
}

async fn count(core: &Core, id: &NodeId) -> Result<Loss, StoreError> {
    let mut listed = Listed::on(core, id, PAGE);
    let mut loss = Loss::default();
    while let Some(page) = listed.next().await? {
        page.iter().for_each(|record| loss.count(record, id));
    }
    Ok(loss)
}

/// Goes once over all records that list the node.
async fn clear(core: &Arc<Core>, id: &NodeId) -> Result<(), Failure> {
    let mut listed = Listed::on(core, id, PAGE);
    while let Some(page) = listed.next().await? {
        let cleared = page.into_iter().map(|record| clear_one(core, id, record));
        let mut cleared = stream::iter(cleared).buffer_unordered(AT_ONCE);
        while let Some(one) = cleared.next().await {
            one?;
        }
    }
    Ok(())
}

async fn clear_one(core: &Arc<Core>, id: &NodeId, record: Record) -> Result<(), Failure> {
    let _busy = core.busy(record.id);
    match settle(core, id, &record).await {
        // One that changed meanwhile is seen again in the next round.
        Ok(())
        | Err(
            Unsettled::Raced | Unsettled::Underway(_) | Unsettled::NoneWhole | Unsettled::SetBack,
        ) => Ok(()),
        Err(Unsettled::Store(error)) => Err(error.into()),
        Err(Unsettled::Node(error)) => Err(Failure::new(Code::ServersUnavailable).because(
            format_args!("{} has to wait: {error}; order it again later", record.name),
        )),
    }
}

async fn settle(core: &Arc<Core>, id: &NodeId, record: &Record) -> Result<(), Unsettled> {
    match needs(record, id) {
        Needs::StrikeOff => strike_off(core, id, record).await,
        Needs::Rescue => rescue(core, id, record).await,
        Needs::Remove => remove(core, id, record).await,
    }
}

/// The copy on the lost node does not count: it is listed no more. Where it is
/// the last one beside the file's own, nothing is left to be settled.
async fn strike_off(core: &Core, id: &NodeId, record: &Record) -> Result<(), Unsettled> {
    let mut next = core.next_rev(record);
    next.copies.retain(|copy| copy.node != *id);
    if next.state == State::Moving && next.copies.len() == 1 {
        next.state = State::Stored;
    }
    commit(core, &next).await
}

/// A move away from the lost node was under way: if it got so far that a whole
/// copy is elsewhere, that one is the file.
async fn rescue(core: &Arc<Core>, id: &NodeId, record: &Record) -> Result<(), Unsettled> {
    let trace = Trace::random(&core.world);
    let owned = core.next_rev(record);
    commit(core, &owned).await?;
    // A doomed copy may be deleted at any time, by a request that was sent before.
    let others = owned.copies.iter();
    for copy in others.filter(|copy| copy.node != *id && !copy.doomed) {
        if let Some(leaf) = confirmed(core, trace, &owned, copy).await? {
            let mut rescued = owned.clone();
            rescued.node = copy.node.clone();
            rescued.generation = copy.generation;
            rescued.leaf = Some(leaf);
            return strike_off(core, id, &rescued).await;
        }
    }
    remove(core, id, &owned).await
}

/// The record goes, after its copies on other nodes, which it dooms (rule 3).
async fn remove(core: &Arc<Core>, id: &NodeId, record: &Record) -> Result<(), Unsettled> {
    let mut doomed = core.next_rev(record);
    doomed.state = State::Deleting;
    commit(core, &doomed).await?;
    doomed.copies.retain(|copy| copy.node != *id);
    remove_doomed(core, Trace::random(&core.world), &doomed).await
}

/// Removes the row of a node that no record lists any more; returns whether that is so.
///
/// # Errors
/// When the store fails.
pub(crate) async fn end(core: &Core, id: &NodeId) -> Result<bool, Failure> {
    let unlisted = core.store.listed_on(id, None, 1).await?.is_empty();
    if unlisted {
        remove_row(core, id).await?;
    }
    Ok(unlisted)
}

/// The row goes last: until then the order can be repeated.
async fn remove_row(core: &Core, id: &NodeId) -> Result<(), Failure> {
    while let Some(found) = row(core, id).await? {
        if found.stay != Stay::Abandoned {
            // Another order has finished it, and a new node bears the name.
            return Ok(());
        }
        if core.store.remove_node(id, found.rev).await? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::sample;
    use crate::store::Copy;

    fn record(state: State, home: &str, others: &[&str]) -> Record {
        let mut record = sample::record("a", 1);
        record.state = state;
        record.node = NodeId::new(home).expect("a node id");
        record.copies = std::iter::once(&home)
            .chain(others)
            .map(|node| Copy {
                node: NodeId::new(node).expect("a node id"),
                session: 1,
                generation: 1,
                doomed: false,
            })
            .collect();
        record
    }

    #[test]
    fn only_what_has_no_copy_elsewhere_is_lost() {
        let lost = NodeId::new("n1").expect("a node id");
        for (state, home, others, wanted, files, unfinished) in [
            (State::Stored, "n1", &[][..], Needs::Remove, 1, 0),
            (State::Pending, "n1", &[], Needs::Remove, 0, 1),
            (State::Deleting, "n1", &["n2"], Needs::Remove, 0, 1),
            (State::Moving, "n1", &["n2"], Needs::Rescue, 1, 0),
            (State::Moving, "n2", &["n1"], Needs::StrikeOff, 0, 0),
            (State::Deleting, "n2", &["n1"], Needs::StrikeOff, 0, 0),
            (State::Moving, "n1", &["n1"], Needs::Remove, 1, 0),
        ] {
            let record = record(state, home, others);
            assert_eq!(needs(&record, &lost), wanted, "{record:?}");
            let mut loss = Loss::default();
            loss.count(&record, &lost);
            assert_eq!(
                (loss.files, loss.unfinished),
                (files, unfinished),
                "{record:?}"
            );
            assert_eq!(loss.bytes, files * record.size);
            assert_eq!(loss.names.len() as u64, files);
        }
    }
}

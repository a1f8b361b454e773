//! `manager rebuild`: every record of a lost store comes back from the nodes
//! (rule 16). Of two copies of one id the higher generation wins, of two ids
//! of one name the newer; what loses is quarantined and reported.

use crate::core::{Core, next_rev};
use crate::merge::MergeError;
use crate::nodes::Node;
use crate::quarantine::record_of;
use crate::swap::{Changed, insert, swap};
use manager_store::{Record, State, Store, StoreError};
use proto::v1::FileMeta;
use proto::{FileId, FileName};
use std::sync::atomic::{AtomicBool, Ordering};

/// Times that a name is tried which other merges restore at the same time.
const TRIES: usize = 20;

/// How a copy on a disk compares with the record that its name has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the file.
    Wins,
    /// What the record names is.
    Loses,
}

pub(crate) fn judge(record: &Record, meta: &FileMeta) -> Verdict {
    let ours = (record.created_ms, *record.id.as_bytes(), record.generation);
    let Ok(id) = <[u8; 16]>::try_from(&meta.id[..]) else {
        return Verdict::Loses;
    };
    let theirs = (meta.created_ms, id, meta.generation);
    if theirs > ours {
        Verdict::Wins
    } else {
        Verdict::Loses
    }
}

/// Restores the record of one copy, if it wins over what is there; answers
/// whether it did. The bytes of a loser that a record listed are left where
/// they are: that record lists them no more, so the next merge of their node
/// quarantines them.
///
/// # Errors
/// When the store fails.
pub(crate) async fn restore(
    core: &Core,
    node: &Node,
    found: Option<Record>,
    name: &FileName,
    meta: &FileMeta,
    leaf: u32,
) -> Result<bool, MergeError> {
    let Ok(id) = FileId::from_wire(&meta.id) else {
        return Ok(false);
    };
    let Ok(mut record) = record_of(&node.id, node.session(), name, id, meta) else {
        return Ok(false);
    };
    record.state = State::Stored;
    record.leaf = Some(leaf);
    let mut found = found;
    for _ in 0..TRIES {
        let outcome = match found {
            None => insert(&*core.store, &record).await?,
            Some(found) if judge(&found, meta) == Verdict::Loses => return Ok(false),
            Some(found) if found.id == id => {
                // The same file, at a later step of a move.
                record.rev = next_rev(&found).rev;
                swap(&*core.store, &record).await?
            }
            Some(found) => {
                tracing::warn!(%name, old = %found.id, new = %id, "the newer of two files wins");
                core.store.remove(name, found.id, found.rev).await?;
                record.rev = 1;
                insert(&*core.store, &record).await?
            }
        };
        match outcome {
            Changed::Done => return Ok(true),
            // Another node's merge was first with this name: which of the two wins
            // does not depend on that.
            Changed::Lost(now) => found = now,
        }
    }
    Ok(false)
}

/// Whether copies that no record lists are restored (rule 16), or quarantined
/// (rule 11): restored for as long as nobody deleted a file and no node was given up
/// since the rebuild, so that nothing can come back which a person took away.
#[derive(Default)]
pub(crate) struct Restoring {
    /// It never begins in the life of a process: a rebuild runs alone.
    ended: AtomicBool,
}

impl Restoring {
    /// Whether it goes on.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn goes_on(&self, store: &dyn Store) -> Result<bool, StoreError> {
        if self.ended.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let goes_on = store.rebuilt_at_ms().await?.is_some();
        if !goes_on {
            self.ended.store(true, Ordering::Relaxed);
        }
        Ok(goes_on)
    }

    /// Ends it, durably, before a file is deleted or a node given up.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn end(&self, store: &dyn Store) -> Result<(), StoreError> {
        if self.goes_on(store).await? {
            store.set_rebuilt_at_ms(None).await?;
            self.ended.store(true, Ordering::Relaxed);
            tracing::info!("the rebuild is over: what nodes bring from now on is quarantined");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_store::Copy;
    use proto::NodeId;

    fn record(created_ms: u64, id: u8, generation: u32) -> Record {
        let node = NodeId::new("n1").expect("a node id");
        Record {
            name: FileName::new("a").expect("a name"),
            id: FileId::from([id; 16]),
            rev: 1,
            token: 0,
            state: State::Stored,
            node: node.clone(),
            generation,
            copies: vec![Copy {
                node,
                session: 1,
                generation,
                doomed: false,
            }],
            next_generation: generation + 1,
            leaf: None,
            size: 0,
            sha256: [0; 32],
            crc64: 0,
            content_type: None,
            created_ms,
            idempotency_key: None,
            moved_event: 0,
        }
    }

    #[test]
    fn the_higher_generation_and_the_newer_file_win() {
        let meta = |created_ms, id: u8, generation| FileMeta {
            id: vec![id; 16].into(),
            created_ms,
            generation,
            ..FileMeta::default()
        };
        for (ours, theirs, verdict) in [
            ((5, 1, 1), (5, 1, 2), Verdict::Wins),
            ((5, 1, 2), (5, 1, 1), Verdict::Loses),
            ((5, 1, 9), (6, 2, 1), Verdict::Wins),
            ((6, 2, 1), (5, 1, 9), Verdict::Loses),
            ((5, 1, 1), (5, 1, 1), Verdict::Loses),
        ] {
            let judged = judge(
                &record(ours.0, ours.1, ours.2),
                &meta(theirs.0, theirs.1, theirs.2),
            );
            assert_eq!(judged, verdict, "{ours:?} {theirs:?}");
        }
    }
}

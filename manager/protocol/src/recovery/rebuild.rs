//! `manager rebuild`: every record of a lost store comes back from the nodes
//! (rule 16). Of two copies of one id the higher generation wins, of two ids
//! of one name the newer; what loses is quarantined and reported.

use crate::core::Core;
use crate::nodes::Node;
use crate::recovery::quarantine::record_of;
use crate::store::{Record, State, StoreError};
use crate::swap::{Changed, insert, swap};
use messages::v1::FileMeta;
use messages::{FileId, FileName};

/// How often a name is tried that other merges restore at the same time.
const TRIES: usize = 20;

/// How a copy on a disk compares with the record that its name has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the file.
    Wins,
    /// The copy that the record names is.
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

/// Restores the record of one copy, if it wins over what is there; returns whether it
/// did. The bytes of a loser that a record listed are left where they are: that record
/// no longer lists them, so the next merge of their node quarantines them.
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
) -> Result<bool, StoreError> {
    let Ok(id) = FileId::from_wire(&meta.id) else {
        return Ok(false);
    };
    let Ok(mut record) = record_of(core, &node.id, node.session(), name, id, meta) else {
        return Ok(false);
    };
    record.state = State::Stored;
    record.leaf = Some(leaf);
    list(core, found, record, meta).await
}

/// Lists a copy in `record`, if it wins over the record that its name has by now;
/// `found` is the one it had a moment ago.
async fn list(
    core: &Core,
    mut found: Option<Record>,
    mut record: Record,
    meta: &FileMeta,
) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let outcome = match found {
            None => insert(core, &record).await?,
            Some(found) if judge(&found, meta) == Verdict::Loses => return Ok(false),
            Some(found) if found.id == record.id => {
                // The same file, at a later step of a move.
                record.rev = core.next_rev(&found).rev;
                record.owner = found.owner;
                swap(core, &record).await?
            }
            Some(found) => {
                let (old, new) = (found.id, record.id);
                tracing::warn!(name = %record.name, %old, %new, "the newer of two files wins");
                core.store.remove(&record.name, old, found.rev).await?;
                record.rev = 1;
                insert(core, &record).await?
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Copy;
    use crate::testing;
    use messages::NodeId;

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
            owner: None,
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

    fn meta_of(record: &Record) -> FileMeta {
        FileMeta {
            id: record.id.to_wire(),
            created_ms: record.created_ms,
            generation: record.generation,
            ..FileMeta::default()
        }
    }

    /// Two copies of one name, the one that wins first.
    fn rivals(name: &str, same_file: bool) -> [Record; 2] {
        let older = Record {
            name: FileName::new(name).expect("a name"),
            token: 1,
            ..record(5, 1, 1)
        };
        let newer = match same_file {
            true => record(5, 1, 2),
            false => record(6, 2, 1),
        };
        let newer = Record {
            name: older.name.clone(),
            token: 2,
            ..newer
        };
        [newer, older]
    }

    #[tokio::test]
    async fn of_two_nodes_that_bring_one_name_the_order_does_not_decide_which_copy_wins() {
        let core = testing::core();
        for same_file in [true, false] {
            for newer_first in [true, false] {
                let [newer, older] = rivals(&format!("{same_file}-{newer_first}"), same_file);
                let mut order = [newer.clone(), older];
                if !newer_first {
                    order.reverse();
                }
                // Both merges have found no record before either of them inserts one.
                for record in order {
                    let wins = record.token == newer.token;
                    let listed = list(&core, None, record.clone(), &meta_of(&record)).await;
                    let first = !newer_first || wins;
                    assert_eq!(listed.expect("a store"), first, "{record:?}");
                }
                let kept = core.store.get(&newer.name).await.expect("a store");
                assert_eq!(kept.expect("a record").token, newer.token);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_newer_copy_wins_while_two_nodes_merge_at_once() {
        let core = testing::core();
        let bring = |which: usize| {
            let core = core.clone();
            tokio::spawn(async move {
                for number in 0..100 {
                    let record = rivals(&format!("f{number}"), number % 2 == 0)[which].clone();
                    let found = core.store.get(&record.name).await.expect("a store");
                    let meta = meta_of(&record);
                    let listed = list(&core, found, record, &meta).await;
                    assert!(listed.expect("a store") || which == 1, "f{number}");
                }
            })
        };
        let (newer, older) = (bring(0), bring(1));
        newer.await.expect("merged");
        older.await.expect("merged");
        for number in 0..100 {
            let name = FileName::new(&format!("f{number}")).expect("a name");
            let kept = core.store.get(&name).await.expect("a store");
            assert_eq!(kept.expect("a record").token, 2, "f{number}");
        }
    }
}

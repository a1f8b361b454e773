//! The janitor: brings records that no request works on any more to an end
//! (rule 9). Whoever settles a record raises its rev first (rule 1), so that
//! whatever the earlier owner still sends comes too late to count.

use crate::copies::{confirmed, keep_one, state_at};
use crate::core::{Core, next_rev};
use crate::delete::remove_doomed;
use crate::failpoints::{STALL_AFTER_DOOM, stall};
use crate::nodes::CallError;
use crate::swap::{Changed, swap};
use crate::trace::Trace;
use manager_store::{Record, State, StoreError};
use proto::{FileId, FileName, NodeId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the janitor looks for records to settle.
const ROUND: Duration = Duration::from_secs(1);
/// Records in one look.
const PAGE: usize = 256;
/// How long a record must stand still before it is settled, where it may be
/// another manager's that works on it.
const OTHERS: Duration = Duration::from_secs(5);
/// Records whose standing still is watched at once; further ones wait.
const STANDS: usize = 100_000;

/// Why a record is not settled yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    /// A node is out, or does not confirm: wait.
    #[error(transparent)]
    Node(#[from] CallError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another change came first.
    #[error("another change came first")]
    Raced,
    /// The upload, or a move, is not over: wait.
    #[error("node {0} is still flushing it")]
    Underway(NodeId),
    /// No copy is whole, and more than one is there: a person has to decide.
    #[error("none of its copies is whole: delete the file, or bring its bytes back")]
    NoneWhole,
    /// The store was set back (rule 17): wait.
    #[error("the store was set back, and nodes have to be merged first")]
    SetBack,
}

/// What a record that nobody works on needs.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    AskNode,
    DropExtraCopies,
    FinishDelete,
}

fn decide(state: State) -> Next {
    match state {
        State::Stored => Next::Nothing,
        State::Pending => Next::AskNode,
        State::Moving => Next::DropExtraCopies,
        State::Deleting => Next::FinishDelete,
    }
}

/// Settles one record.
///
/// # Errors
/// When it has to wait; nothing is lost by that.
pub(crate) async fn settle(core: &Arc<Core>, record: &Record) -> Result<(), Unsettled> {
    if core.set_back.holds() {
        return Err(Unsettled::SetBack);
    }
    let trace = Trace::random();
    match decide(record.state) {
        Next::Nothing => Ok(()),
        Next::AskNode => settle_pending(core, trace, record).await,
        Next::DropExtraCopies => settle_moving(core, trace, record).await,
        Next::FinishDelete => {
            let owned = raise(core, record).await?;
            Ok(remove_doomed(core, trace, &owned).await?)
        }
    }
}

async fn raise(core: &Core, record: &Record) -> Result<Record, Unsettled> {
    let owned = next_rev(record);
    commit(core, &owned).await?;
    Ok(owned)
}

/// Swaps a record in that nobody else may have changed.
///
/// # Errors
/// When another change came first, or the store fails.
pub(crate) async fn commit(core: &Core, record: &Record) -> Result<(), Unsettled> {
    match swap(&*core.store, record).await? {
        Changed::Done => Ok(()),
        Changed::Lost(_) => Err(Unsettled::Raced),
    }
}

/// `pending` whose node holds the bytes whole becomes `stored`; denied, it is
/// doomed first, so that a finish that is still on its way finds a tombstone.
async fn settle_pending(core: &Arc<Core>, trace: Trace, record: &Record) -> Result<(), Unsettled> {
    for copy in &record.copies {
        // Before rev is raised: where Finish has come, its sender still waits for it.
        if state_at(core, trace, record, copy).await?.underway {
            return Err(Unsettled::Underway(copy.node.clone()));
        }
    }
    let owned = raise(core, record).await?;
    for copy in &owned.copies {
        if let Some(leaf) = confirmed(core, trace, &owned, copy).await? {
            let mut stored = next_rev(&owned);
            stored.node = copy.node.clone();
            stored.generation = copy.generation;
            stored.leaf = Some(leaf);
            // With other copies listed it is a move that the next round ends.
            stored.state = match stored.copies.len() > 1 {
                true => State::Moving,
                false => State::Stored,
            };
            commit(core, &stored).await?;
            tracing::info!(request = %trace, name = %stored.name, "an open upload was completed");
            return Ok(());
        }
    }
    let mut doomed = next_rev(&owned);
    doomed.state = State::Deleting;
    commit(core, &doomed).await?;
    stall(STALL_AFTER_DOOM).await;
    remove_doomed(core, trace, &doomed).await?;
    tracing::info!(request = %trace, name = %doomed.name, "an open upload was ended");
    Ok(())
}

/// `moving`: all copies but the named one are removed (rules 8 and 9).
async fn settle_moving(core: &Arc<Core>, trace: Trace, record: &Record) -> Result<(), Unsettled> {
    let owned = raise(core, record).await?;
    keep_one(core, trace, owned).await.map(|_| ())
}

/// Since when each unsettled record is as it is, on this process's own clock.
/// Where other managers work on the same store, one that still changes is theirs.
#[derive(Default)]
struct Stands(HashMap<FileName, Stand>);

struct Stand {
    id: FileId,
    rev: u64,
    since: Instant,
    round: u64,
}

impl Stands {
    /// How long a record has been as it is.
    fn still(&mut self, record: &Record, round: u64, now: Instant) -> Duration {
        let (id, rev) = (record.id, record.rev);
        let room = self.0.len() < STANDS;
        match self.0.get_mut(&record.name) {
            Some(stand) if stand.id == id && stand.rev == rev => {
                stand.round = round;
                now.duration_since(stand.since)
            }
            Some(stand) => {
                *stand = Stand {
                    id,
                    rev,
                    since: now,
                    round,
                };
                Duration::ZERO
            }
            None => {
                if room {
                    let stand = Stand {
                        id,
                        rev,
                        since: now,
                        round,
                    };
                    self.0.insert(record.name.clone(), stand);
                }
                Duration::ZERO
            }
        }
    }

    /// Forgets what was not seen in a round: it is settled.
    fn end(&mut self, round: u64) {
        self.0.retain(|_, stand| stand.round == round);
    }
}

/// One round over every unsettled record that nobody works on.
///
/// # Errors
/// When the store fails.
async fn round(core: &Arc<Core>, stands: &mut Stands, number: u64) -> Result<usize, StoreError> {
    let patience = match core.store.is_shared() {
        true => OTHERS,
        false => Duration::ZERO,
    };
    let mut after: Option<FileName> = None;
    let mut settled = 0;
    loop {
        let page = core.store.unsettled(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            stands.end(number);
            return Ok(settled);
        };
        after = Some(last.name.clone());
        for record in &page {
            let still = stands.still(record, number, Instant::now());
            if still < patience || core.is_busy(&record.id) {
                continue;
            }
            match settle(core, record).await {
                Ok(()) => settled += 1,
                Err(why) => {
                    tracing::debug!(name = %record.name, state = ?record.state, %why, "waits");
                }
            }
        }
    }
}

/// Settles for as long as this process leads.
pub(crate) async fn run(core: Arc<Core>) {
    let mut stands = Stands::default();
    for number in 0.. {
        tokio::time::sleep(ROUND).await;
        if core.leader() == 0 {
            stands = Stands::default();
            continue;
        }
        match round(&core, &mut stands, number).await {
            Ok(0) => {}
            Ok(settled) => tracing::info!(settled, "records were settled"),
            Err(error) => tracing::debug!(%error, "the janitor can't read the store"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_end() {
        assert_eq!(decide(State::Stored), Next::Nothing);
        assert_eq!(decide(State::Pending), Next::AskNode);
        assert_eq!(decide(State::Moving), Next::DropExtraCopies);
        assert_eq!(decide(State::Deleting), Next::FinishDelete);
    }

    #[test]
    fn only_a_record_that_stands_still_counts_its_time() {
        let mut stands = Stands::default();
        let mut record = manager_store::suite::sample::record("a", 1);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(stands.still(&record, 1, start), Duration::ZERO);
        assert_eq!(stands.still(&record, 2, start + second), second);
        record.rev += 1;
        assert_eq!(stands.still(&record, 3, start + second * 2), Duration::ZERO);
        stands.end(4);
        assert_eq!(stands.still(&record, 5, start + second * 9), Duration::ZERO);
    }
}

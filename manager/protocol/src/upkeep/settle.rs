//! The janitor: brings records that no request works on any more to an end
//! (rule 9). Whoever settles a record raises its rev first (rule 1), so that
//! whatever the earlier owner still sends comes too late to count.

use crate::core::Core;
use crate::failpoints::{STALL_AFTER_DOOM, stall};
use crate::files::copies::{confirmed, keep_one, state_at};
use crate::files::delete::remove_doomed;
use crate::nodes::Node;
use crate::recovery::unsettled::{Unsettled, commit};
use crate::store::{Record, State, StoreError};
use crate::trace::Trace;
use messages::{FileId, FileName};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the janitor looks for records to settle.
const ROUND: Duration = Duration::from_secs(1);
/// Records that are read at a time, and that are kept for the end of a round.
const PAGE: usize = 256;
/// How long a record must stand still before it is settled, where another manager may
/// be working on it.
const OTHERS: Duration = Duration::from_secs(5);
/// Records that are watched at once for whether they change; further ones wait.
const STANDS: usize = 100_000;

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
    let trace = Trace::random(&core.world);
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
    let owned = core.next_rev(record);
    commit(core, &owned).await?;
    Ok(owned)
}

/// A `pending` record whose node holds the whole bytes becomes `stored`. If the node denies
/// them, it is doomed first, so that a finish that is still on its way finds a tombstone.
async fn settle_pending(core: &Arc<Core>, trace: Trace, record: &Record) -> Result<(), Unsettled> {
    for copy in &record.copies {
        // Before the rev is raised: if Finish has arrived, its sender still waits for it.
        if state_at(core, trace, record, copy).await?.underway {
            return Err(Unsettled::Underway(copy.node.clone()));
        }
    }
    let owned = raise(core, record).await?;
    for copy in &owned.copies {
        if let Some(leaf) = confirmed(core, trace, &owned, copy).await? {
            let mut stored = core.next_rev(&owned);
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
    let mut doomed = core.next_rev(&owned);
    doomed.state = State::Deleting;
    commit(core, &doomed).await?;
    stall(&core.world, STALL_AFTER_DOOM).await;
    remove_doomed(core, trace, &doomed).await?;
    tracing::info!(request = %trace, name = %doomed.name, "an open upload was ended");
    Ok(())
}

/// `moving`: all copies but the named one are removed (rules 8 and 9).
async fn settle_moving(core: &Arc<Core>, trace: Trace, record: &Record) -> Result<(), Unsettled> {
    let owned = raise(core, record).await?;
    keep_one(core, trace, owned).await.map(|_| ())
}

/// Since when each unsettled record is as it is, on this process's own clock. Where
/// other managers work on the same store, a record that still changes is theirs.
#[derive(Default)]
struct Stands(HashMap<FileName, Stand>);

struct Stand {
    id: FileId,
    rev: u64,
    since: Instant,
    round: u64,
    /// The last round in which its settling was tried.
    tried: Option<u64>,
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
                    // A try raises the rev.
                    tried: stand.tried.filter(|_| stand.id == id),
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
                        tried: None,
                    };
                    self.0.insert(record.name.clone(), stand);
                }
                Duration::ZERO
            }
        }
    }

    /// Notes that a record is tried.
    fn tries(&mut self, name: &FileName, round: u64) {
        if let Some(stand) = self.0.get_mut(name) {
            stand.tried = Some(round);
        }
    }

    /// The order of turns: first those that were never tried, then those whose last
    /// try was longest ago. So none that fails each time stands before another for good.
    fn in_turn(&self, records: &mut [Record]) {
        records.sort_by_key(|record| self.0.get(&record.name).and_then(|stand| stand.tried));
    }

    /// Drops what was not seen in a round: it is settled.
    fn end(&mut self, round: u64) {
        self.0.retain(|_, stand| stand.round == round);
    }
}

/// One round over every unsettled record.
struct Round {
    number: u64,
    begun: Instant,
    /// When the one before it began.
    before: Instant,
}

/// When a record has its turn in a round: a node that does not answer holds up no
/// record of another for longer than one deadline.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    /// After the others: its node let a deadline pass in the round before.
    Last,
    /// Its node let one pass in this round, or its disk is silent.
    NextRound,
}

/// What is known of a node that a record lists.
struct Answers {
    /// Its disk does not answer, by its own word.
    silent: bool,
    /// When it last let a deadline pass.
    late: Option<Instant>,
}

fn turn(nodes: impl IntoIterator<Item = Answers>, round: &Round) -> Turn {
    let mut turn = Turn::Now;
    for Answers { silent, late } in nodes {
        if silent || late.is_some_and(|at| at >= round.begun) {
            return Turn::NextRound;
        }
        if late.is_some_and(|at| at >= round.before) {
            turn = Turn::Last;
        }
    }
    turn
}

/// A node that is not joined is left out: asking for its copies costs no wait.
fn turn_of(core: &Core, record: &Record, round: &Round) -> Turn {
    let copies = record.copies.iter();
    let nodes = copies.filter_map(|copy| core.nodes.joined(&copy.node));
    let answers = |node: Arc<Node>| Answers {
        silent: node.is_silent(),
        late: node.link.late(),
    };
    turn(nodes.map(answers), round)
}

impl Round {
    /// Settles what nobody works on; returns how many it settled.
    ///
    /// # Errors
    /// When the store fails.
    async fn run(&self, core: &Arc<Core>, stands: &mut Stands) -> Result<usize, StoreError> {
        let patience = match core.store.is_shared() {
            true => OTHERS,
            false => Duration::ZERO,
        };
        let mut after: Option<FileName> = None;
        let mut last = Vec::new();
        let mut settled = 0;
        loop {
            let page = core.store.unsettled(after.as_ref(), PAGE).await?;
            let Some(end) = page.last() else {
                break;
            };
            after = Some(end.name.clone());
            for record in page {
                let still = stands.still(&record, self.number, core.world.now());
                if still < patience || core.is_busy(&record.id) {
                    continue;
                }
                match turn_of(core, &record, self) {
                    Turn::Now => settled += self.try_to_settle(core, stands, &record).await,
                    Turn::Last if last.len() < PAGE => last.push(record),
                    Turn::Last | Turn::NextRound => {}
                }
            }
        }
        stands.in_turn(&mut last);
        for record in &last {
            // The first record of a node shows whether it answers again.
            if turn_of(core, record, self) != Turn::NextRound && !core.is_busy(&record.id) {
                settled += self.try_to_settle(core, stands, record).await;
            }
        }
        stands.end(self.number);
        Ok(settled)
    }

    /// Returns how many it settled.
    async fn try_to_settle(&self, core: &Arc<Core>, stands: &mut Stands, record: &Record) -> usize {
        stands.tries(&record.name, self.number);
        match settle(core, record).await {
            Ok(()) => 1,
            Err(why) => {
                tracing::debug!(name = %record.name, state = ?record.state, %why, "waits");
                0
            }
        }
    }
}

/// Settles for as long as this process leads.
pub async fn run(core: Arc<Core>) {
    let mut stands = Stands::default();
    let mut before = core.world.now();
    for number in 0.. {
        core.world.sleep(ROUND).await;
        if core.leader() == 0 {
            stands = Stands::default();
            continue;
        }
        let round = Round {
            number,
            begun: core.world.now(),
            before,
        };
        match round.run(&core, &mut stands).await {
            Ok(0) => {}
            Ok(settled) => tracing::info!(settled, "records were settled"),
            Err(error) => tracing::debug!(%error, "the janitor can't read the store"),
        }
        before = round.begun;
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
    fn a_node_that_hangs_holds_up_no_record_of_another() {
        let begun = Instant::now() + Duration::from_secs(60);
        let round = Round {
            number: 2,
            begun,
            before: begun - Duration::from_secs(20),
        };
        let answers = |silent, late: Option<u64>| Answers {
            silent,
            late: late.map(|ago| begun + Duration::from_secs(20) - Duration::from_secs(ago)),
        };
        let well = || answers(false, None);
        let (in_this, in_the_last, earlier) = (Some(15), Some(30), Some(50));
        for (nodes, wanted) in [
            (vec![], Turn::Now),
            (vec![well(), well()], Turn::Now),
            (vec![answers(false, earlier)], Turn::Now),
            (vec![well(), answers(false, in_the_last)], Turn::Last),
            (vec![answers(false, in_this)], Turn::NextRound),
            (vec![answers(true, None), well()], Turn::NextRound),
            (
                vec![answers(false, in_the_last), answers(false, in_this)],
                Turn::NextRound,
            ),
        ] {
            assert_eq!(turn(nodes, &round), wanted);
        }
    }

    #[test]
    fn a_record_that_fails_each_time_stands_before_no_other() {
        let mut stands = Stands::default();
        let now = Instant::now();
        let mut records: Vec<_> = ["a", "b", "c"]
            .map(|name| crate::store::sample::record(name, 1))
            .into();
        let names = |records: &[Record]| -> Vec<String> {
            records.iter().map(|r| r.name.to_string()).collect()
        };
        for record in &records {
            stands.still(record, 0, now);
        }
        stands.tries(&records[0].name, 0);
        // Trying it raised its rev.
        records[0].rev += 1;
        stands.still(&records[0], 1, now);
        stands.in_turn(&mut records);
        assert_eq!(names(&records), ["b", "c", "a"]);
        stands.tries(&records[0].name, 1);
        stands.in_turn(&mut records);
        assert_eq!(names(&records), ["c", "a", "b"]);
    }

    #[test]
    fn only_a_record_that_stands_still_counts_its_time() {
        let mut stands = Stands::default();
        let mut record = crate::store::sample::record("a", 1);
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

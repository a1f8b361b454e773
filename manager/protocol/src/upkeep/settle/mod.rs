//! The janitor: brings records that no request works on any more to an end
//! (rule 9). Whoever settles a record raises its rev first (rule 1), so that
//! whatever the earlier owner still sends comes too late to count.

mod stands;
mod step;
mod turn;

use crate::core::Core;
use crate::failpoints::{STALL_AFTER_DOOM, stall};
use crate::files::copies::{keep_one, leaf_if_whole, state_at};
use crate::files::delete::remove_doomed;
use crate::nodes::Node;
use crate::recovery::unsettled::{Unsettled, commit};
use crate::store::{Record, State, StoreError};
use crate::trace::Trace;
use messages::FileName;
use stands::Stands;
use std::sync::Arc;
use std::time::Duration;
use step::{Answer, Step, next};
use turn::{Answers, Round, Turn, turn};

/// How often the janitor looks for records to settle.
const ROUND: Duration = Duration::from_secs(1);
/// Records that are read at a time, and that are kept for the end of a round.
const PAGE: usize = 256;
/// How long a record must stand still before it is settled, where another manager may
/// be working on it.
const OTHERS: Duration = Duration::from_secs(5);

/// A record on its way to its end, and what is known of it.
struct Settling<'a> {
    core: &'a Arc<Core>,
    trace: Trace,
    record: Record,
    owned: bool,
    answers: Vec<Option<Answer>>,
}

/// Settles one record.
///
/// # Errors
/// When it has to wait; nothing is lost by that.
pub(crate) async fn settle(core: &Arc<Core>, record: &Record) -> Result<(), Unsettled> {
    if core.known.set_back.holds() {
        return Err(Unsettled::SetBack);
    }
    let mut settling = Settling {
        core,
        trace: Trace::random(&core.world),
        record: record.clone(),
        owned: false,
        answers: vec![None; record.copies.len()],
    };
    settling.run().await
}

impl Settling<'_> {
    async fn run(&mut self) -> Result<(), Unsettled> {
        let (core, trace) = (self.core, self.trace);
        loop {
            match next(self.record.state, self.owned, &self.answers) {
                Step::End => return Ok(()),
                Step::Wait(at) => {
                    return Err(Unsettled::Underway(self.record.copies[at].node.clone()));
                }
                Step::Raise => {
                    self.change(|_| {}).await?;
                    self.owned = true;
                    self.answers.fill(None);
                }
                Step::Ask(at) => self.answers[at] = Some(self.ask(at).await?),
                Step::Complete(at, leaf) => return self.complete(at, leaf).await,
                Step::Doom => {
                    self.change(|record| record.state = State::Deleting).await?;
                    stall(&core.world, STALL_AFTER_DOOM).await;
                    tracing::info!(request = %trace, name = %self.record.name, "an open upload is ended");
                }
                Step::KeepOne => {
                    return keep_one(core, trace, self.record.clone()).await.map(drop);
                }
                Step::Remove => return remove_doomed(core, trace, &self.record).await,
            }
        }
    }

    /// Swaps in the record's next revision.
    async fn change(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Unsettled> {
        let mut changed = self.core.next_rev(&self.record);
        change(&mut changed);
        commit(self.core, &changed).await?;
        self.record = changed;
        Ok(())
    }

    async fn ask(&self, at: usize) -> Result<Answer, Unsettled> {
        let record = &self.record;
        let state = state_at(self.core, self.trace, record, &record.copies[at]).await?;
        Ok(Answer {
            underway: state.underway,
            whole: leaf_if_whole(record, &state),
        })
    }

    /// The copy is the file. With other copies listed it is a move that the next round
    /// ends.
    async fn complete(&mut self, at: usize, leaf: u32) -> Result<(), Unsettled> {
        self.change(|record| {
            record.node = record.copies[at].node.clone();
            record.generation = record.copies[at].generation;
            record.leaf = Some(leaf);
            record.state = match record.copies.len() > 1 {
                true => State::Moving,
                false => State::Stored,
            };
        })
        .await?;
        let (trace, name) = (self.trace, &self.record.name);
        tracing::info!(request = %trace, %name, "an open upload was completed");
        Ok(())
    }
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
        if core.lead.number() == 0 {
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

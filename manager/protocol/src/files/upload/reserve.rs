//! Reserving a name: one `pending` record per name decides between uploads
//! (invariant 4), and distinguishes a repetition from a name in use.

use super::budget::over;
use super::received::Received;
use crate::core::Core;
use crate::failure::Failure;
use crate::nodes::Placement;
use crate::store::{Copy, Record, State};
use crate::swap::{Changed, Inserted, insert_within, swap};
use crate::world::World;
use messages::{Budget, Code, Quota};
use std::time::{Duration, Instant};

/// How long an upload waits for another one of its name, or for a delete, to end.
const NAME_WAIT: Duration = Duration::from_secs(10);
/// The first pause before the name is tried again; each further one is twice as long.
const FIRST_LOOK: Duration = Duration::from_millis(4);
/// The longest pause between two tries.
const SLOWEST_LOOK: Duration = Duration::from_millis(100);

/// What became of one try to reserve the name.
#[expect(
    clippy::large_enum_variant,
    reason = "judged at once, where it is made"
)]
pub(super) enum Reserved {
    Yes,
    Repeated(Record),
}

impl Received {
    /// Lists the copy durably (rule 2): the first time by reserving the name,
    /// later by a swap of our own pending record.
    pub(super) async fn list(
        &self,
        record: &Record,
        budget: Option<&Budget>,
        reserved: bool,
        wait: &mut NameWait,
    ) -> Result<Reserved, Failure> {
        if reserved {
            return match swap(&self.core, record).await? {
                Changed::Done => Ok(Reserved::Yes),
                Changed::Lost(_) => Err(Failure::new(Code::ServersUnavailable)
                    .because("the reservation was settled by another")),
            };
        }
        loop {
            if let Some(reserved) = self.reserve(record, budget).await? {
                return Ok(reserved);
            }
            wait.pause().await?;
            // A look costs less than a try, which counts for its owner.
            while self.is_about_to_change(record).await? {
                wait.pause().await?;
            }
        }
    }

    /// Whether the name's record is one that comes or goes.
    async fn is_about_to_change(&self, record: &Record) -> Result<bool, Failure> {
        let found = self.core.store.get(&record.name).await?;
        Ok(found.is_some_and(|found| matches!(found.state, State::Pending | State::Deleting)))
    }

    /// Tries once; nothing, where the name is about to be free or taken.
    async fn reserve(
        &self,
        record: &Record,
        budget: Option<&Budget>,
    ) -> Result<Option<Reserved>, Failure> {
        let quota = budget.map_or_else(Quota::default, |budget| budget.quota);
        let (found, unknown) = match insert_within(&self.core, record, quota).await? {
            Inserted::Within {
                changed: Changed::Done,
                ..
            } => return Ok(Some(Reserved::Yes)),
            Inserted::Within {
                changed: Changed::Lost(found),
                unknown,
            } => (found, unknown),
            Inserted::Over(stored) => return Err(over(budget, stored, record.size)),
        };
        match found {
            Some(other) if matches!(other.state, State::Stored | State::Moving) => {
                self.repeated(record, other).map(Some)
            }
            // It may come yet, or have come and been ended by the janitor. A second record
            // of this id would look like that one to whoever still works on it (rule 1).
            _ if unknown => Err(Failure::new(Code::ServersUnavailable)
                .because("the metadata store gave no answer to the reservation")),
            _ => Ok(None),
        }
    }

    /// Distinguishes the repetition of an upload from a name that is in use.
    fn repeated(&self, record: &Record, other: Record) -> Result<Reserved, Failure> {
        if record.idempotency_key.is_none() || other.idempotency_key != record.idempotency_key {
            return Err(Failure::new(Code::FileNameExists));
        }
        if other.sha256 == self.sha256 && other.size == self.size {
            return Ok(Reserved::Repeated(other));
        }
        Err(Failure::new(Code::InvalidRequest)
            .because("Idempotency-Key: was used for this name with another body"))
    }
}

/// The same pending record on another node, under a generation never used
/// before; the earlier copy is unlisted, as its node denied it for good.
pub(super) fn relist(core: &Core, earlier: &Record, placement: &Placement) -> Record {
    let mut record = core.next_rev(earlier);
    record.node = placement.node.id.clone();
    record.generation = earlier.next_generation;
    record.next_generation = earlier.next_generation + 1;
    record.copies = vec![Copy {
        node: record.node.clone(),
        session: placement.session,
        generation: record.generation,
        doomed: false,
    }];
    record
}

/// Waits for a name that is about to be free or taken.
pub(super) struct NameWait {
    world: World,
    until: Instant,
    pause: Duration,
}

impl NameWait {
    pub(super) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            until: world.now() + NAME_WAIT,
            pause: FIRST_LOOK,
        }
    }

    /// Waits until it is time for the next try.
    pub(super) async fn pause(&mut self) -> Result<(), Failure> {
        if self.world.now() >= self.until {
            return Err(Failure::new(Code::ServersUnavailable)
                .because("another upload or delete of this name has not ended yet"));
        }
        self.world.sleep(self.pause).await;
        self.pause = (self.pause * 2).min(SLOWEST_LOOK);
        Ok(())
    }
}

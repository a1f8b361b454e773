//! Changes of one record whose outcome is made certain (rule 1): after a
//! mismatch or an unknown outcome, the record is read back and the own token
//! means that it happened.

use crate::core::Core;
use crate::store::{Insert, Record, StoreError, Swap, Totals};
use messages::Quota;
use std::time::Duration;

/// Tries to read a record back after an unknown outcome.
const READ_BACKS: u32 = 5;
/// The pause between these tries.
const PAUSE: Duration = Duration::from_millis(50);

/// How a change ended.
#[expect(
    clippy::large_enum_variant,
    reason = "judged at once, where it is made"
)]
#[derive(Debug)]
pub(crate) enum Changed {
    /// It is durable.
    Done,
    /// Another change came first; the record as it is now.
    Lost(Option<Record>),
}

/// How an insert within a quota ended.
#[expect(
    clippy::large_enum_variant,
    reason = "judged at once, where it is made"
)]
#[derive(Debug)]
pub(crate) enum Inserted {
    /// The quota did not stand against it.
    Within {
        /// What came of it.
        changed: Changed,
        /// Whether the store gave no outcome.
        unknown: bool,
    },
    /// The quota has no room for it beside what is stored.
    Over(Totals),
}

/// Swaps a record in.
///
/// # Errors
/// When the store refuses the change, or can't be read back after an unknown outcome.
pub(crate) async fn swap(core: &Core, new: &Record) -> Result<Changed, StoreError> {
    Ok(try_swap(core, new).await?.0)
}

/// As [`swap`]; also whether the store gave no outcome, so that a change that is not
/// found any more may have happened and been followed by another.
///
/// # Errors
/// As [`swap`].
pub(crate) async fn try_swap(core: &Core, new: &Record) -> Result<(Changed, bool), StoreError> {
    match core.store.swap(new.clone()).await {
        Ok(Swap::Done) => Ok((Changed::Done, false)),
        Ok(Swap::Mismatch(found)) => Ok((judge(new, found), false)),
        Err(error) if error.outcome_unknown() => {
            let found = read_back(core, new, error).await?;
            Ok((judge(new, found), true))
        }
        Err(error) => Err(error),
    }
}

/// Inserts a record under its name.
///
/// # Errors
/// When the store refuses it, or gives no outcome and does not have it: whoever repeats
/// the work begins it anew (rule 1).
pub(crate) async fn insert(core: &Core, new: &Record) -> Result<Changed, StoreError> {
    match insert_within(core, new, Quota::default()).await? {
        Inserted::Within {
            changed: Changed::Lost(_),
            unknown: true,
        } => Err(StoreError::unavailable("no outcome of an insert")),
        Inserted::Within { changed, .. } => Ok(changed),
        // No quota: only a sum that no number can hold is over it.
        Inserted::Over(_) => Err(StoreError::Invalid("its owner's sum has no room for it")),
    }
}

/// As [`insert`], within a quota; also whether the store gave no outcome. A record that is
/// not found then may have been there, and been settled and removed by another: it must not
/// be inserted again, since no change tells two records of one id and rev apart.
///
/// # Errors
/// When the store refuses it, or can't be read back after an unknown outcome.
pub(crate) async fn insert_within(
    core: &Core,
    new: &Record,
    quota: Quota,
) -> Result<Inserted, StoreError> {
    let (changed, unknown) = match core.store.insert_within(new.clone(), quota).await {
        Ok(Insert::Inserted) => (Changed::Done, false),
        Ok(Insert::Exists(found)) => (judge(new, Some(found)), false),
        Ok(Insert::Over(stored)) => return Ok(Inserted::Over(stored)),
        Err(error) if error.outcome_unknown() => {
            let found = read_back(core, new, error).await?;
            (judge(new, found), true)
        }
        Err(error) => return Err(error),
    };
    Ok(Inserted::Within { changed, unknown })
}

fn judge(new: &Record, found: Option<Record>) -> Changed {
    match found {
        Some(record) if record.id == new.id && record.token == new.token => Changed::Done,
        other => Changed::Lost(other),
    }
}

async fn read_back(
    core: &Core,
    new: &Record,
    mut error: StoreError,
) -> Result<Option<Record>, StoreError> {
    for _ in 0..READ_BACKS {
        match core.store.get(&new.name).await {
            Ok(found) => return Ok(found),
            Err(again) => error = again,
        }
        core.world.sleep(PAUSE).await;
    }
    Err(error)
}

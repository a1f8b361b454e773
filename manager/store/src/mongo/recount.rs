//! When an owner's sum is counted anew: while nothing changes it, and with pauses between
//! what is seen, so that whatever was under way has ended or shows in the number of changes.

use super::Mongo;
use super::document::OwnerDocument;
use super::outcome::failed;
use futures::TryStreamExt;
use manager_protocol::store::{StoreError, Totals};
use mongodb::bson::doc;
use names::{FileName, Owner};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Records that one call counts.
const PAGE: usize = 20_000;
/// Sums that one call reads.
const SUMS: usize = 1_000;

/// How long a sum that nothing has changed is taken for right: what leaves it wrong may
/// leave no trace in it.
const RIGHT: Duration = Duration::from_secs(60 * 60);

/// What is known of an owner's sum since the turn before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its number of changes.
    Seen(i64),
    /// What was counted while it had this number of changes.
    Counted(i64, Totals),
    /// It was right at this number of changes.
    Right(i64, Instant),
}

/// What a turn does about a sum.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing but to note that.
    Note(Known),
    /// Count its records.
    Count,
    /// Write this in its place, unless it has changed meanwhile.
    Put(Totals),
    /// Remove a sum of nothing, unless it has changed meanwhile.
    Remove,
}

/// The next step for a sum, as it is now with its number of changes; pure.
pub(super) fn step(known: Option<Known>, changes: i64, sum: Totals, now: Instant) -> Step {
    match known {
        Some(Known::Right(at, since)) if at == changes && now.duration_since(since) < RIGHT => {
            Step::Note(Known::Right(at, since))
        }
        Some(Known::Seen(at) | Known::Right(at, _)) if at == changes => Step::Count,
        Some(Known::Counted(at, counted)) if at == changes => match counted == sum {
            true if sum == Totals::default() => Step::Remove,
            true => Step::Note(Known::Right(changes, now)),
            false => Step::Put(counted),
        },
        _ => Step::Note(Known::Seen(changes)),
    }
}

impl Mongo {
    /// A turn of putting sums right. What fails for one owner holds up no other.
    pub(super) async fn recount_owners(&self) -> Result<(), StoreError> {
        self.index_owners().await?;
        let (mut next, mut failed) = (HashMap::new(), Ok(()));
        let mut after = String::new();
        loop {
            let page = self.page_of_sums(&after).await?;
            let Some(last) = page.last() else {
                break;
            };
            after.clone_from(&last.id);
            for found in page {
                match self.turn(&found).await {
                    Ok(Some(known)) => {
                        next.insert(found.id, known);
                    }
                    Ok(None) => {}
                    Err(error) => failed = Err(error),
                }
            }
        }
        *self.known.lock() = next;
        failed
    }

    /// Does the next step for a sum, and returns what is known of it then.
    async fn turn(&self, found: &OwnerDocument) -> Result<Option<Known>, StoreError> {
        let known = self.known.lock().get(&found.id).copied();
        let (changes, sum) = (found.changes, found.sum());
        Ok(match step(known, changes, sum, Instant::now()) {
            Step::Note(known) => Some(known),
            Step::Count => Some(Known::Counted(changes, self.count_owner(&found.id).await?)),
            Step::Put(counted) => {
                self.put_right(found, counted).await?;
                Some(Known::Seen(changes))
            }
            Step::Remove => {
                let as_seen = doc! {"_id": &found.id, "changes": changes};
                let removed = async {
                    let removed = self.counted.owners.delete_one(as_seen).await;
                    removed.map(drop).map_err(failed)
                };
                self.change(removed).await?;
                None
            }
        })
    }

    async fn page_of_sums(&self, after: &str) -> Result<Vec<OwnerDocument>, StoreError> {
        let page = async {
            // A number of changes that was rolled back could come again for another sum.
            self.is_primary().await?;
            let found = self.counted.owners.find(doc! {"_id": {"$gt": after}});
            let found = found.sort(doc! {"_id": 1}).limit(SUMS as i64);
            let found = found.read_concern(self.read_many.clone());
            let cursor = found.await.map_err(failed)?;
            cursor.map_err(failed).try_collect().await
        };
        self.health.call(page).await
    }

    async fn count_owner(&self, id: &str) -> Result<Totals, StoreError> {
        let mut sum = Totals::default();
        let mut after: Option<FileName> = None;
        let Ok(Owner(owner)) = id.parse() else {
            return Err(StoreError::Corrupt(format!("the owner {id:?}")));
        };
        loop {
            let wanted = doc! {"owner": owner.cast_signed()};
            let step = self.sum_matching(wanted, after.as_ref(), PAGE).await?;
            sum.files += step.files;
            sum.bytes = sum.bytes.saturating_add(step.bytes);
            after = step.last;
            if after.is_none() {
                return Ok(sum);
            }
        }
    }

    async fn put_right(&self, found: &OwnerDocument, counted: Totals) -> Result<(), StoreError> {
        let as_seen = doc! {"_id": &found.id, "changes": found.changes};
        let right = doc! {"$set": {
            "files": counted.files.cast_signed(),
            "bytes": counted.bytes.cast_signed(),
        }};
        let put = async {
            let put = self.counted.owners.update_one(as_seen, right).await;
            Ok(put.map_err(failed)?.matched_count)
        };
        if self.change(put).await? > 0 {
            let (was, is) = (found.sum(), counted);
            tracing::info!(owner = found.id, ?was, ?is, "an owner's sum was put right");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: Totals = Totals {
        files: 3,
        bytes: 30,
    };
    const OTHER: Totals = Totals {
        files: 2,
        bytes: 20,
    };

    #[test]
    fn a_sum_is_put_right_only_where_nothing_has_changed_it_for_two_turns() {
        let now = Instant::now();
        let seen = Step::Note(Known::Seen(5));
        assert_eq!(step(None, 5, SUM, now), seen);
        assert_eq!(step(Some(Known::Seen(4)), 5, SUM, now), seen);
        assert_eq!(step(Some(Known::Seen(5)), 5, SUM, now), Step::Count);
        for (at, counted, wanted) in [
            (5, SUM, Step::Note(Known::Right(5, now))),
            (5, OTHER, Step::Put(OTHER)),
            (4, OTHER, Step::Note(Known::Seen(5))),
        ] {
            assert_eq!(step(Some(Known::Counted(at, counted)), 5, SUM, now), wanted);
        }
    }

    #[test]
    fn a_sum_of_nothing_goes_once_that_was_counted() {
        let (now, none) = (Instant::now(), Totals::default());
        let counted = Some(Known::Counted(5, none));
        assert_eq!(step(counted, 5, none, now), Step::Remove);
        assert_eq!(step(counted, 5, SUM, now), Step::Put(none));
        assert_eq!(step(Some(Known::Seen(5)), 5, none, now), Step::Count);
    }

    #[test]
    fn a_right_sum_is_counted_again_after_a_change_or_an_hour() {
        let now = Instant::now();
        let right = Known::Right(5, now);
        let later = now + RIGHT - Duration::from_secs(1);
        assert_eq!(step(Some(right), 5, SUM, later), Step::Note(right));
        assert_eq!(step(Some(right), 5, SUM, now + RIGHT), Step::Count);
        let seen = Step::Note(Known::Seen(6));
        assert_eq!(step(Some(right), 6, SUM, later), seen);
    }
}

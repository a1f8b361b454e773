//! The sums of owners. No transaction binds them to the records: a sum is raised before
//! a record is inserted, and lowered after it has gone, so that what fails in between, or
//! gives no outcome, leaves it too high and never too low. One manager counts them anew.

use super::INSERTS;
use super::document::{OwnerDocument, RecordDocument, Weight};
use super::outcome::{failed, is_duplicate};
use manager_protocol::store::{Insert, Record, StoreError, Totals};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use names::{FileName, Owner, Quota};
use std::time::{Duration, Instant};

/// How often a sum without room is read again: it is too high for a moment where a name
/// turns out to be taken, and where a record has just gone.
const LOOKS: u32 = 3;
/// The first pause between these; each further one is twice as long.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How long a change whose record has gone waits until the sum is lowered as well.
const LOWERED: Duration = Duration::from_secs(1);
/// After this long the second of two steps is not taken any more: a process that stood
/// still may find a sum that was put right without it.
const LATE: Duration = Duration::from_secs(30);

/// What changes records and sums; cheap to clone, so that a change goes on to its end where
/// its caller goes away.
#[derive(Clone)]
pub(super) struct Counted {
    pub(super) files: Collection<RecordDocument>,
    pub(super) owners: Collection<OwnerDocument>,
    pub(super) read_one: ReadConcern,
}

impl Counted {
    /// The record of a name.
    pub(super) async fn record(&self, name: &FileName) -> Result<Option<Record>, StoreError> {
        let found = self
            .files
            .find_one(doc! {"_id": super::key::key(name.as_str())});
        let found = found.read_concern(self.read_one.clone());
        let found = found.await.map_err(failed)?;
        found.map(Record::try_from).transpose()
    }

    /// Inserts a record that counts for nobody.
    pub(super) async fn insert(
        &self,
        new: &RecordDocument,
        record: &Record,
    ) -> Result<Insert, StoreError> {
        for _ in 0..INSERTS {
            match self.files.insert_one(new).await {
                Ok(_) => return Ok(Insert::Inserted),
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(failed(error)),
            }
            if let Some(found) = self.record(&record.name).await? {
                return Ok(Insert::Exists(found));
            }
        }
        Err(StoreError::unavailable("the name keeps coming and going"))
    }

    /// Inserts a record that counts for an owner, within its quota.
    pub(super) async fn insert_for(
        self,
        owner: Owner,
        new: RecordDocument,
        record: Record,
        quota: Quota,
    ) -> Result<Insert, StoreError> {
        let begun = Instant::now();
        if let Some(stored) = self.raise(owner, record.size, quota).await? {
            let found = self.record(&record.name).await?;
            return Ok(found.map_or(Insert::Over(stored), Insert::Exists));
        }
        if begun.elapsed() > LATE {
            return Err(StoreError::unavailable("the process stood still"));
        }
        let inserted = self.insert(&new, &record).await;
        // Of its own that it finds the outcome had got lost on the way.
        if let Ok(Insert::Exists(found)) = &inserted
            && found.id != record.id
        {
            self.lower(owner, record.size, begun).await;
        }
        inserted
    }

    /// Removes a record, if it still is as it was seen, and counts it off. Returns whether
    /// it was.
    pub(super) async fn remove(self, as_seen: Document) -> Result<bool, StoreError> {
        let begun = Instant::now();
        let files = self.files.clone_with_type::<Weight>();
        let gone = files.find_one_and_delete(as_seen);
        let gone = gone.projection(Weight::fields()).await.map_err(failed)?;
        let Some(gone) = gone else {
            return Ok(false);
        };
        if let Some((owner, size)) = gone.owned() {
            self.lower(owner, size, begun).await;
        }
        Ok(true)
    }

    /// Raises an owner's sum by a file, unless the quota has no room for it: then what there
    /// is already.
    async fn raise(
        &self,
        owner: Owner,
        size: u64,
        quota: Quota,
    ) -> Result<Option<Totals>, StoreError> {
        let more = doc! {"$inc": {"files": 1_i64, "bytes": size.cast_signed(), "changes": 1_i64}};
        let Some(room) = room(owner, size, quota) else {
            return Ok(Some(self.stored(owner).await?));
        };
        let (mut looks, mut pause) = (0, FIRST_LOOK);
        for _ in 0..INSERTS {
            let raised = self.owners.update_one(room.clone(), more.clone()).await;
            if raised.map_err(failed)?.matched_count > 0 {
                return Ok(None);
            }
            match self.sum(owner).await? {
                None => self.begin(owner).await?,
                Some(sum) if quota.has_room(sum.files, sum.bytes, size) => {}
                Some(sum) if looks == LOOKS => return Ok(Some(sum)),
                Some(_) => {
                    tokio::time::sleep(pause).await;
                    (looks, pause) = (looks + 1, pause * 2);
                }
            }
        }
        Err(StoreError::unavailable("an owner's sum keeps changing"))
    }

    /// Lowers an owner's sum by a file that has gone, or did not come, in a change that was
    /// `begun` then. Nothing that fails here undoes that.
    async fn lower(&self, owner: Owner, size: u64, begun: Instant) {
        if begun.elapsed() > LATE {
            return;
        }
        let owners = self.owners.clone();
        let lowering = tokio::spawn(async move {
            let less =
                doc! {"$inc": {"files": -1_i64, "bytes": -size.cast_signed(), "changes": 1_i64}};
            let lowered = owners.update_one(doc! {"_id": key(owner)}, less).await;
            if let Err(error) = lowered {
                tracing::warn!(%owner, %error, "an owner's sum is too high until it is counted anew");
            }
        });
        let _later = tokio::time::timeout(LOWERED, lowering).await;
    }

    /// The sum of an owner.
    pub(super) async fn stored(&self, owner: Owner) -> Result<Totals, StoreError> {
        Ok(self.sum(owner).await?.unwrap_or_default())
    }

    async fn sum(&self, owner: Owner) -> Result<Option<Totals>, StoreError> {
        let found = self.owners.find_one(doc! {"_id": key(owner)});
        let found = found.read_concern(self.read_one.clone());
        Ok(found.await.map_err(failed)?.map(|found| found.sum()))
    }

    async fn begin(&self, owner: Owner) -> Result<(), StoreError> {
        match self.owners.insert_one(OwnerDocument::new(key(owner))).await {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Runs a change to its end, whether its caller waits for that or not.
pub(super) async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let ended = tokio::spawn(change).await;
    ended.unwrap_or_else(|error| Err(StoreError::unavailable(error)))
}

/// The key of an owner's sum.
fn key(owner: Owner) -> String {
    owner.to_string()
}

/// An owner's sum that has room for a file of `size`, as [`Quota::has_room`] says; nothing
/// where no sum has.
fn room(owner: Owner, size: u64, quota: Quota) -> Option<Document> {
    let mut room = doc! {"_id": key(owner)};
    let below = |most: u64, more: u64| {
        let left = most.checked_sub(more)?;
        Some(doc! {"$lte": i64::try_from(left).unwrap_or(i64::MAX)})
    };
    if let Some(most) = quota.files {
        room.insert("files", below(most, 1)?);
    }
    if let Some(most) = quota.bytes {
        room.insert("bytes", below(most, size)?);
    }
    Some(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the filter matches a sum, as a server compares.
    fn matches(filter: Option<&Document>, files: u64, bytes: u64) -> bool {
        let fits = |field: &str, stored: u64| {
            let filter = filter.and_then(|filter| filter.get_document(field).ok());
            let most = filter.and_then(|most| most.get_i64("$lte").ok());
            most.is_none_or(|most| stored.cast_signed() <= most)
        };
        filter.is_some() && fits("files", files) && fits("bytes", bytes)
    }

    #[test]
    fn the_filter_is_the_rule() {
        let limits = [None, Some(0), Some(1), Some(7), Some(u64::MAX)];
        let numbers = [0, 1, 6, 7, 8, 1 << 40];
        for (files, bytes) in limits.iter().flat_map(|f| limits.map(|b| (*f, b))) {
            let quota = Quota { files, bytes };
            for (stored, size) in numbers.iter().flat_map(|n| numbers.map(|s| (*n, s))) {
                let filter = room(Owner(1), size, quota);
                assert_eq!(
                    matches(filter.as_ref(), stored, stored),
                    quota.has_room(stored, stored, size),
                    "{quota:?} {stored} {size}"
                );
            }
        }
    }
}

//! The sums of owners. No transaction binds them to the records: a sum is raised before
//! a record is inserted, and lowered after it has gone, so that what fails in between, or
//! gives no outcome, leaves it too high and never too low. One manager counts them anew.

use super::document::OwnerDocument;
use super::outcome::{failed, is_duplicate};
use super::recount::{Known, Step, step};
use super::{INSERTS, Mongo};
use futures::TryStreamExt;
use manager_protocol::store::{StoreError, Totals};
use mongodb::bson::{Document, doc};
use names::{FileName, Owner, Quota};
use std::collections::HashMap;
use std::time::Instant;

/// Records that one call counts.
const PAGE: usize = 20_000;

impl Mongo {
    /// Raises an owner's sum by a file, unless the quota has no room for it: then what there
    /// is already.
    pub(super) async fn reserve(
        &self,
        owner: Owner,
        size: u64,
        quota: Quota,
    ) -> Result<Option<Totals>, StoreError> {
        let more = doc! {"$inc": {"files": 1_i64, "bytes": size.cast_signed(), "changes": 1_i64}};
        for _ in 0..INSERTS {
            let room = room(owner, size, quota);
            let raised = match &room {
                Some(room) => self.owners.update_one(room.clone(), more.clone()).await,
                None => break,
            };
            if raised.map_err(failed)?.matched_count > 0 {
                return Ok(None);
            }
            match self.read_sum(owner).await? {
                None => self.begin_sum(owner).await?,
                Some(sum) if !quota.has_room(sum.files, sum.bytes, size) => return Ok(Some(sum)),
                // It was lowered meanwhile.
                Some(_) => {}
            }
        }
        Ok(Some(self.stored(owner).await?))
    }

    /// Lowers an owner's sum by a file that has gone. That it fails does not undo that.
    pub(super) async fn release(&self, owner: Owner, size: u64) {
        let less = doc! {"$inc": {"files": -1_i64, "bytes": -size.cast_signed(), "changes": 1_i64}};
        let lowered = self.owners.update_one(doc! {"_id": key(owner)}, less).await;
        if let Err(error) = lowered {
            tracing::warn!(%owner, %error, "an owner's sum is too high until it is counted anew");
        }
    }

    /// The sum of an owner.
    pub(super) async fn stored(&self, owner: Owner) -> Result<Totals, StoreError> {
        Ok(self.read_sum(owner).await?.unwrap_or_default())
    }

    async fn read_sum(&self, owner: Owner) -> Result<Option<Totals>, StoreError> {
        let found = self.owners.find_one(doc! {"_id": key(owner)});
        let found = found.read_concern(self.read_one.clone());
        Ok(found.await.map_err(failed)?.map(|found| found.sum()))
    }

    async fn begin_sum(&self, owner: Owner) -> Result<(), StoreError> {
        match self.owners.insert_one(OwnerDocument::new(key(owner))).await {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// A turn of putting sums right.
    pub(super) async fn recount_owners(&self) -> Result<(), StoreError> {
        let all = async {
            let found = self.owners.find(doc! {}).await.map_err(failed)?;
            found.map_err(failed).try_collect::<Vec<_>>().await
        };
        let mut next = HashMap::new();
        for found in self.health.call(all).await? {
            let known = self.known.lock().get(&found.id).copied();
            let (changes, sum) = (found.changes, found.sum());
            let known = match step(known, changes, sum, Instant::now()) {
                Step::Note(known) => known,
                Step::Count => Known::Counted(changes, self.count_owner(&found.id).await?),
                Step::Put(counted) => {
                    self.put_right(&found, counted).await?;
                    Known::Seen(changes)
                }
            };
            next.insert(found.id, known);
        }
        *self.known.lock() = next;
        Ok(())
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
            let put = self.owners.update_one(as_seen, right).await;
            Ok(put.map_err(failed)?.matched_count)
        };
        if self.change(put).await? > 0 {
            let (was, is) = (found.sum(), counted);
            tracing::info!(owner = found.id, ?was, ?is, "an owner's sum was put right");
        }
        Ok(())
    }
}

/// The key of an owner's sum.
fn key(owner: Owner) -> String {
    owner.to_string()
}

/// An owner's sum that has room for a file of `size`; nothing where no sum has.
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

//! How many files there are, and bytes: the server counts.

use super::document::state_name;
use super::outcome::failed;
use super::{Mongo, key};
use futures::TryStreamExt;
use manager_protocol::store::{CountStep, State, StoreError, Totals, Which};
use mongodb::bson::{Bson, Document, doc};
use names::FileName;

impl Mongo {
    /// Files and bytes of all records that clients see.
    pub(super) async fn sum_all(&self) -> Result<Totals, StoreError> {
        let sums = async {
            let visible = doc! {"$match": {"state": {"$ne": state_name(State::Pending)}}};
            let sum =
                doc! {"$group": {"_id": null, "files": {"$sum": 1}, "bytes": {"$sum": "$size"}}};
            let cursor = self
                .counted
                .files
                .aggregate([visible, sum])
                .await
                .map_err(failed)?;
            cursor.map_err(failed).try_collect::<Vec<Document>>().await
        };
        let sums = self.health.call(sums).await?;
        let Some(sums) = sums.first() else {
            return Ok(Totals::default());
        };
        Ok(Totals {
            files: number(sums, "files")?,
            bytes: number(sums, "bytes")?,
        })
    }

    /// The same of some records at a time, and where the next begin.
    pub(super) async fn sum_some(
        &self,
        which: Which<'_>,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        let wanted = match which {
            Which::Visible => doc! {"state": {"$ne": state_name(State::Pending)}},
            Which::ListedOn(node) => doc! {"copies.node": node.as_str()},
        };
        self.sum_matching(wanted, after, limit).await
    }

    /// The same of records that match.
    pub(super) async fn sum_matching(
        &self,
        mut wanted: Document,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        wanted.insert("_id", key::range("", after.map(FileName::as_str)));
        let sums = doc! {"$group": {
            "_id": null,
            "files": {"$sum": 1},
            "bytes": {"$sum": "$size"},
            "largest": {"$max": "$size"},
            "last": {"$max": "$_id"},
        }};
        let some = i64::try_from(limit).unwrap_or(i64::MAX);
        let steps = [
            doc! {"$match": wanted},
            doc! {"$sort": {"_id": 1}},
            doc! {"$limit": some},
            sums,
        ];
        let found = async {
            let sums = self.counted.files.aggregate(steps);
            let sums = sums.read_concern(self.read_many.clone());
            let cursor = sums.await.map_err(failed)?;
            cursor.map_err(failed).try_collect::<Vec<Document>>().await
        };
        let found = self.health.call(found).await?;
        let Some(sums) = found.first() else {
            return Ok(CountStep::default());
        };
        let files = number(sums, "files")?;
        let last = sums.get_str("last").ok().and_then(key::name);
        Ok(CountStep {
            files,
            bytes: number(sums, "bytes")?,
            largest: number(sums, "largest")?,
            last: last.filter(|_| files >= limit as u64),
        })
    }
}

/// A sum, in whatever kind of number the server chose.
fn number(sums: &Document, field: &str) -> Result<u64, StoreError> {
    let number = match sums.get(field) {
        Some(Bson::Int32(number)) => u64::try_from(*number).ok(),
        Some(Bson::Int64(number)) => u64::try_from(*number).ok(),
        Some(Bson::Double(number)) if *number >= 0.0 => Some(*number as u64),
        _ => None,
    };
    number.ok_or_else(|| StoreError::Corrupt(format!("the sum of {field} is no number")))
}

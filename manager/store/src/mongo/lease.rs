//! The lease for the leader's work: one document, changed only as it was seen.

use super::Mongo;
use super::connect::LEASE;
use super::document::LeaseDocument;
use super::outcome::{failed, is_duplicate};
use crate::term::new_term;
use manager_protocol::store::{Lease, StoreError};
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;

impl Mongo {
    pub(super) async fn read_lease(&self) -> Result<Option<Lease>, StoreError> {
        let found = self
            .leases
            .find_one(doc! {"_id": LEASE})
            .read_concern(self.counted.read_one.clone());
        Ok(found.await.map_err(failed)?.map(Lease::from))
    }

    /// Succeeds where the server that is asked is still the one that others write to:
    /// then a majority read that follows has all that was acknowledged before. A read
    /// of many records can't be linearizable by itself.
    pub(super) async fn is_primary(&self) -> Result<(), StoreError> {
        self.read_lease().await.map(drop)
    }

    /// Changes the lease if it still is as it was seen.
    pub(super) async fn change_lease(
        &self,
        seen: &Lease,
        fields: Document,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        let as_seen = doc! {
            "_id": LEASE,
            "holder": &seen.holder,
            "number": seen.number.cast_signed(),
            "counter": seen.counter.cast_signed(),
        };
        let changed = self
            .leases
            .find_one_and_update(as_seen, doc! {"$set": fields})
            .return_document(ReturnDocument::After)
            .await
            .map_err(failed)?;
        match changed {
            Some(lease) => Ok(Ok(lease.into())),
            None => Ok(Err(self.read_lease().await?)),
        }
    }

    /// Takes the lease if it still is as it was seen.
    pub(super) async fn take(
        &self,
        seen: Option<&Lease>,
        holder: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        let Some(seen) = seen else {
            let first = LeaseDocument {
                id: LEASE.to_owned(),
                holder: holder.to_owned(),
                number: 1,
                counter: 1,
                term: new_term().cast_signed(),
                begun: 0,
            };
            return match self.leases.insert_one(&first).await {
                Ok(_) => Ok(Ok(first.into())),
                Err(error) if is_duplicate(&error) => Ok(Err(self.read_lease().await?)),
                Err(error) => Err(failed(error)),
            };
        };
        let taken = doc! {
            "holder": holder,
            "number": (seen.number + 1).cast_signed(),
            "counter": (seen.counter + 1).cast_signed(),
            "term": new_term().cast_signed(),
            "begun": seen.counter.cast_signed(),
        };
        self.change_lease(seen, taken).await
    }
}

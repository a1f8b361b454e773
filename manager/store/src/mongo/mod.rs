//! The MongoDB engine: any number of managers on one database. Majority writes,
//! one document a step, no transactions and no pipeline updates, so that it
//! runs on a single server, a replica set and servers that speak the protocol.

mod connect;
mod document;
mod health;
mod key;
mod lease;
mod outcome;
mod owners;
mod recount;
mod sums;

use std::collections::HashMap;
use std::time::Instant;

use async_trait::async_trait;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use mongodb::{Collection, Database};
use names::{FileId, FileName, NodeId, Owner, Quota};
use uuid::Uuid;

use connect::{CLUSTER, FILES, META, NODES, OWNERS};
use document::{
    ClusterDocument, LeaseDocument, NodeDocument, RecordDocument, binary, id_binary, state_name,
    uuid_of,
};
use health::Health;
use manager_protocol::store::{
    CountStep, Insert, Lease, LinkKey, NodeRow, Record, State, Store, StoreError, StoreStats, Swap,
    Totals, Which,
};
use outcome::{failed, is_duplicate};
use owners::{Counted, to_its_end};
use parking_lot::Mutex;
use recount::Known;
use tokio::sync::OnceCell;

/// Tries of an insert: the record that it collided with may just have gone.
const INSERTS: usize = 8;

/// A store in a database that other managers use as well.
pub struct Mongo {
    counted: Counted,
    nodes: Collection<NodeDocument>,
    leases: Collection<LeaseDocument>,
    clusters: Collection<ClusterDocument>,
    /// Whether owners' records have their index.
    owned: OnceCell<()>,
    /// What was found at the last turn of a recount, by owner.
    known: Mutex<HashMap<String, Known>>,
    read_many: ReadConcern,
    health: Health,
    stats: StoreStats,
}

impl Mongo {
    /// Connects to the database that the URL names (`dfs` if it names none),
    /// formats it if it is new, and makes its indexes.
    ///
    /// # Errors
    /// [`StoreError::Url`] for a bad URL (which is not repeated: it may hold a
    /// password), [`StoreError::Unavailable`] when no server answers,
    /// [`StoreError::NewerFormat`] when a newer version formatted it.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let connected = connect::connect(url).await?;
        let database: Database = connected.database;
        Ok(Self {
            counted: Counted {
                files: database.collection(FILES),
                owners: database.collection(OWNERS),
                read_one: connected.read_one,
            },
            nodes: database.collection(NODES),
            leases: database.collection(META),
            clusters: database.collection(META),
            owned: OnceCell::new(),
            known: Mutex::default(),
            read_many: connected.read_many,
            health: Health::watch(
                database.collection(META),
                connected.cluster,
                connected.connections,
            ),
            stats: StoreStats::default(),
        })
    }

    /// Does a change, and counts it.
    async fn change<T>(
        &self,
        change: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        // Counted off also where the caller goes away before the answer.
        let _waits = self.stats.waits();
        let done = self.health.call(change).await;
        if done.is_ok() {
            self.stats.committed(1, begun.elapsed());
        }
        done
    }

    /// Reads records that rest on what most servers keep.
    async fn read_records(
        &self,
        filter: Document,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        if limit == 0 {
            // To the server, no limit.
            return Ok(Vec::new());
        }
        let found = async {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let found = self
                .counted
                .files
                .find(filter)
                .sort(doc! {"_id": 1})
                .limit(limit);
            let found = found.read_concern(self.read_many.clone());
            let cursor = found.await.map_err(failed)?;
            cursor.map_err(failed).try_collect::<Vec<_>>().await
        };
        let found = self.health.call(found).await?;
        found.into_iter().map(Record::try_from).collect()
    }

    async fn read_cluster(&self) -> Result<ClusterDocument, StoreError> {
        let found = self.clusters.find_one(doc! {"_id": CLUSTER});
        let found = self
            .health
            .call(async { found.await.map_err(failed) })
            .await?;
        // Emptied while this manager runs: another cluster, or none yet.
        found.ok_or_else(|| StoreError::unavailable("the database has no cluster id"))
    }

    /// Makes the index by which an owner's records are counted, and nothing else needs. It
    /// may take minutes where there are many.
    async fn index_owners(&self) -> Result<(), StoreError> {
        let make = || {
            let keys = doc! {"owner": 1, "_id": 1, "size": 1};
            let owned = doc! {"owner": {"$exists": true}};
            connect::make_partial(&self.counted.files, "owned", keys, owned)
        };
        self.owned.get_or_try_init(make).await.map(drop)
    }

    async fn change_cluster(&self, fields: Document) -> Result<(), StoreError> {
        let change = self
            .clusters
            .update_one(doc! {"_id": CLUSTER}, doc! {"$set": fields});
        change.await.map(drop).map_err(failed)
    }
}

#[async_trait]
impl Store for Mongo {
    async fn cluster_id(&self) -> Result<Uuid, StoreError> {
        uuid_of(&self.read_cluster().await?.cluster_id)
    }

    async fn set_cluster_id(&self, id: Uuid) -> Result<(), StoreError> {
        // A rebuild runs alone (rule 16), so that nothing comes between.
        let any = self.counted.files.find_one(doc! {});
        let any = self
            .health
            .call(async { any.await.map_err(failed) })
            .await?;
        if any.is_some() {
            return Err(StoreError::NotEmpty);
        }
        self.change(async {
            self.change_cluster(doc! {"cluster_id": binary(id.as_bytes())})
                .await?;
            // Before anything is asked of it again.
            self.health.expect(id);
            Ok(())
        })
        .await
    }

    async fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError> {
        let cluster = self.read_cluster().await?;
        Ok(cluster.rebuilt_at_ms.map(i64::cast_unsigned))
    }

    async fn set_rebuilt_at_ms(&self, at: Option<u64>) -> Result<(), StoreError> {
        let at = at.map(u64::cast_signed);
        self.change(self.change_cluster(doc! {"rebuilt_at_ms": at}))
            .await
    }

    async fn link_key(&self, offered: LinkKey) -> Result<LinkKey, StoreError> {
        let decode = |kept: mongodb::bson::Binary| {
            let kept = LinkKey::try_from(kept.bytes.as_slice());
            kept.map_err(|_| StoreError::Corrupt("the key of links".into()))
        };
        if let Some(kept) = self.read_cluster().await?.link_key {
            return decode(kept);
        }
        self.change(async {
            // Of several managers that offer one at once, the first wins.
            let none = doc! {"_id": CLUSTER, "link_key": null};
            let set = doc! {"$set": {"link_key": binary(&offered)}};
            self.clusters.update_one(none, set).await.map_err(failed)?;
            let kept = self.read_cluster().await?.link_key;
            let kept =
                kept.ok_or_else(|| StoreError::unavailable("the key of links was removed"))?;
            decode(kept)
        })
        .await
    }

    async fn get(&self, name: &FileName) -> Result<Option<Record>, StoreError> {
        self.health
            .call(async {
                let found = self.counted.record(name).await?;
                if found.is_none() {
                    // A database that was emptied or swapped knows no file:
                    // that must not be answered as code 2 (rule 12).
                    self.health.ask().await?;
                }
                Ok(found)
            })
            .await
    }

    async fn get_many(&self, names: &[FileName]) -> Result<Vec<Option<Record>>, StoreError> {
        let keys: Vec<_> = names.iter().map(|name| key::key(name.as_str())).collect();
        let found = self
            .read_records(doc! {"_id": {"$in": keys}}, names.len())
            .await?;
        let mut found: HashMap<FileName, Record> = found
            .into_iter()
            .map(|record| (record.name.clone(), record))
            .collect();
        Ok(names.iter().map(|name| found.remove(name)).collect())
    }

    async fn insert_within(&self, record: Record, quota: Quota) -> Result<Insert, StoreError> {
        let new = RecordDocument::try_from(&record)?;
        let Some(owner) = record.owner else {
            return self.change(self.counted.insert(&new, &record)).await;
        };
        let insert = self.counted.clone().insert_for(owner, new, record, quota);
        self.change(to_its_end(insert)).await
    }

    async fn swap(&self, new: Record) -> Result<Swap, StoreError> {
        let document = RecordDocument::try_from(&new)?;
        let Some(before) = new.rev.checked_sub(1) else {
            return Err(StoreError::Invalid("the first rev is inserted"));
        };
        let earlier = doc! {
            "_id": &document.key,
            "id": id_binary(new.id),
            "rev": before.cast_signed(),
        };
        self.change(async {
            let done = self.counted.files.replace_one(earlier, &document).await;
            match done.map_err(failed)?.matched_count {
                0 => Ok(Swap::Mismatch(self.counted.record(&new.name).await?)),
                _ => Ok(Swap::Done),
            }
        })
        .await
    }

    async fn remove(&self, name: &FileName, id: FileId, rev: u64) -> Result<Swap, StoreError> {
        let as_seen = doc! {
            "_id": key::key(name.as_str()),
            "id": id_binary(id),
            "rev": rev.cast_signed(),
        };
        self.change(async {
            match to_its_end(self.counted.clone().remove(as_seen)).await? {
                true => Ok(Swap::Done),
                false => Ok(Swap::Mismatch(self.counted.record(name).await?)),
            }
        })
        .await
    }

    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let visible = doc! {
            "_id": key::range(prefix, after),
            "state": {"$ne": state_name(State::Pending)},
        };
        self.read_records(visible, limit).await
    }

    async fn unsettled(
        &self,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        // What it finds decides that nothing is left.
        self.health.call(self.is_primary()).await?;
        let range = key::range("", after.map(FileName::as_str));
        self.read_records(doc! {"unsettled": true, "_id": range}, limit)
            .await
    }

    async fn listed_on(
        &self,
        node: &NodeId,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        // What it finds decides that nothing is left.
        self.health.call(self.is_primary()).await?;
        let range = key::range("", after.map(FileName::as_str));
        self.read_records(doc! {"copies.node": node.as_str(), "_id": range}, limit)
            .await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.sum_all().await
    }

    async fn stored_for(&self, owner: Owner) -> Result<Totals, StoreError> {
        self.health.call(self.counted.stored(owner)).await
    }

    async fn recount(&self) -> Result<(), StoreError> {
        self.recount_owners().await
    }

    async fn count(
        &self,
        which: Which<'_>,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError> {
        self.sum_some(which, after, limit).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        let rows = async {
            self.is_primary().await?;
            let found = self.nodes.find(doc! {}).sort(doc! {"_id": 1});
            let found = found.read_concern(self.read_many.clone());
            let cursor = found.await.map_err(failed)?;
            cursor.map_err(failed).try_collect::<Vec<_>>().await
        };
        let rows = self.health.call(rows).await?;
        rows.into_iter().map(NodeRow::try_from).collect()
    }

    async fn put_node(&self, row: NodeRow) -> Result<bool, StoreError> {
        let document = NodeDocument::from(&row);
        let Some(before) = row.rev.checked_sub(1) else {
            return Ok(false);
        };
        self.change(async {
            if before == 0 {
                return match self.nodes.insert_one(document).await {
                    Ok(_) => Ok(true),
                    Err(error) if is_duplicate(&error) => Ok(false),
                    Err(error) => Err(failed(error)),
                };
            }
            let earlier = doc! {"_id": &document.id, "rev": before.cast_signed()};
            let done = self.nodes.replace_one(earlier, document).await;
            Ok(done.map_err(failed)?.matched_count > 0)
        })
        .await
    }

    async fn remove_node(&self, id: &NodeId, rev: u64) -> Result<bool, StoreError> {
        let as_seen = doc! {"_id": id.as_str(), "rev": rev.cast_signed()};
        self.change(async {
            let done = self.nodes.delete_one(as_seen).await;
            Ok(done.map_err(failed)?.deleted_count > 0)
        })
        .await
    }

    async fn take_lease(
        &self,
        seen: Option<&Lease>,
        holder: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        self.change(self.take(seen, holder)).await
    }

    async fn renew_lease(&self, held: &Lease) -> Result<Result<Lease, Option<Lease>>, StoreError> {
        let counter = held.counter + 1;
        self.change(self.change_lease(held, doc! {"counter": counter.cast_signed()}))
            .await
    }

    async fn lease(&self) -> Result<Option<Lease>, StoreError> {
        self.health.call(self.read_lease()).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.health.check()
    }

    fn stats(&self) -> &StoreStats {
        &self.stats
    }
}

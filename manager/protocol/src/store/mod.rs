//! The trait that every engine implements. What it promises beyond the types is
//! checked by the behaviour suite of `manager-store`.

mod error;
mod record;
mod stats;

pub use error::{Cause, StoreError};
pub use record::{Copy, Lease, NodeRow, Record, State, Stay, Totals};
pub use stats::{StoreStats, Waits};

use async_trait::async_trait;
use names::{FileId, FileName, NodeId, Owner, Quota};
use uuid::Uuid;

/// What became of an insert.
#[expect(
    clippy::large_enum_variant,
    reason = "passed on once, at once; a box would cost more"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insert {
    /// The record is durable.
    Inserted,
    /// The name has a record already, which is this one.
    Exists(Record),
    /// With it there would be more than the quota allows; so much is there.
    Over(Totals),
}

/// What became of a compare-and-swap.
#[expect(
    clippy::large_enum_variant,
    reason = "passed on once, at once; a box would cost more"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The change is durable.
    Done,
    /// Nothing changed; the name's record is this, if there is one.
    Mismatch(Option<Record>),
}

/// Which records are counted.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Those of visible files.
    Visible,
    /// Those that list a copy on a node, in any state.
    ListedOn(&'a NodeId),
}

/// A step of a count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountStep {
    /// Records.
    pub files: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Bytes of the largest, where the engine knows it.
    pub largest: u64,
    /// The last that was counted; nothing where there are no more.
    pub last: Option<FileName>,
}

/// The key that signs links.
pub type LinkKey = [u8; 32];

/// Records, nodes and the leader's lease. Every answer rests on durable data
/// (rule 12), every change is durable when it is answered, and a caller that goes
/// away before the answer leaves the outcome open.
///
/// All methods fail as [`StoreError`] describes.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The cluster's id, chosen at random when the store was formatted.
    async fn cluster_id(&self) -> Result<Uuid, StoreError>;
    /// Takes over another cluster's id: for rebuild only (rule 16).
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`] when there is any record.
    async fn set_cluster_id(&self, id: Uuid) -> Result<(), StoreError>;
    /// When the store was last rebuilt from its nodes, in milliseconds since 1970, as
    /// long as copies that no record lists are still restored; then none.
    async fn rebuilt_at_ms(&self) -> Result<Option<u64>, StoreError>;
    /// Notes a rebuild, or that it is over.
    async fn set_rebuilt_at_ms(&self, at: Option<u64>) -> Result<(), StoreError>;

    /// The key that signs links, the same for all managers: the one that is kept, or
    /// where there is none the one `offered`, which is kept from then on.
    async fn link_key(&self, offered: LinkKey) -> Result<LinkKey, StoreError>;

    /// The record of a name, by a linearizable read.
    async fn get(&self, name: &FileName) -> Result<Option<Record>, StoreError>;
    /// The records of many names, in their order: what is found is durable, but only
    /// [`Self::get`] may say that a name has none.
    async fn get_many(&self, names: &[FileName]) -> Result<Vec<Option<Record>>, StoreError>;
    /// Adds a record if the name has none.
    async fn insert(&self, record: Record) -> Result<Insert, StoreError> {
        self.insert_within(record, Quota::default()).await
    }
    /// Adds a record if the name has none, and what there is of its owner stays within
    /// the quota. A record without an owner is not bounded.
    async fn insert_within(&self, record: Record, quota: Quota) -> Result<Insert, StoreError>;
    /// Replaces the record of the same name and id whose `rev` is one less than
    /// `new.rev` (rule 1). The owner's sum in a shared store does not follow a change of
    /// owner or size, which no file of one id has.
    async fn swap(&self, new: Record) -> Result<Swap, StoreError>;
    /// Removes the record if it still has this id and this rev (rule 1).
    async fn remove(&self, name: &FileName, id: FileId, rev: u64) -> Result<Swap, StoreError>;

    /// At most `limit` visible records whose names begin with `prefix`, in the
    /// order of their bytes, that come after `after` (which need not exist).
    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;
    /// At most `limit` records in any state but `Stored`, in name order after `after`.
    async fn unsettled(
        &self,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;
    /// At most `limit` records, in any state, that list a copy on `node`, in name
    /// order after `after`.
    async fn listed_on(
        &self,
        node: &NodeId,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;
    /// The sum of all visible files: the embedded store keeps it, MongoDB counts.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// The sum of an owner's records, in any state. It is kept: nothing is counted. In a
    /// shared store what a change gave no outcome for may be counted although it is not
    /// there, until [`Self::recount`] puts it right.
    async fn stored_for(&self, owner: Owner) -> Result<Totals, StoreError>;
    /// Puts the sums of owners right, as far as they may be wrong. It is called again and
    /// again, a minute apart, by one manager.
    async fn recount(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Counts at most `limit` records in name order after `after`, so that no count
    /// takes longer than a call may, however many there are. The embedded store returns
    /// the sums that it keeps in one step.
    async fn count(
        &self,
        which: Which<'_>,
        after: Option<&FileName>,
        limit: usize,
    ) -> Result<CountStep, StoreError>;

    /// Every node ever admitted and not abandoned, in the order of ids.
    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError>;
    /// Writes a node's row if the stored `rev` is one less than `row.rev` (a row of
    /// rev 1 is new). Returns whether it did.
    async fn put_node(&self, row: NodeRow) -> Result<bool, StoreError>;
    /// Removes a node's row if it still has this rev. Returns whether it did.
    async fn remove_node(&self, id: &NodeId, rev: u64) -> Result<bool, StoreError>;

    /// Takes the lease, with the next number, if it still is what the caller saw.
    /// Otherwise returns what it is.
    async fn take_lease(
        &self,
        seen: Option<&Lease>,
        holder: &str,
    ) -> Result<Result<Lease, Option<Lease>>, StoreError>;
    /// Raises the lease's counter if it still is the one held. Otherwise returns what it is.
    async fn renew_lease(&self, held: &Lease) -> Result<Result<Lease, Option<Lease>>, StoreError>;
    /// The lease as it is.
    async fn lease(&self) -> Result<Option<Lease>, StoreError>;

    /// Whether other managers may work on it at the same time.
    fn is_shared(&self) -> bool;
    /// Waits until the store can't take changes any more before it is opened anew, and
    /// returns why: the process has to end then. A database that is away comes back by
    /// itself.
    async fn lost(&self) -> StoreError {
        std::future::pending().await
    }
    /// The error for new files, where the store's disk has no room for them.
    fn short(&self) -> Option<StoreError> {
        None
    }
    /// Succeeds if the store could take a change now.
    async fn ping(&self) -> Result<(), StoreError>;
    /// The engine's counters.
    fn stats(&self) -> &StoreStats;
}

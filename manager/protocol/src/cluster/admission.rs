//! Who may join: the right protocol, the right cluster, and one holder per
//! node id. A refusal changes nothing, here or on the node's volume.

use crate::core::Core;
use crate::node_rows::row;
use crate::nodes::{Address, Expected};
use crate::recovery::set_back;
use crate::state::HIGHEST;
use crate::store::{Lease, NodeRow, Stay, StoreError};
use messages::v1::{Hello, RefusedFor};
use messages::{Grpc, NodeId, PROTOCOL, PROTOCOL_MIN};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How long the holder of an id has to answer before another takes its place.
const HOLDER: Duration = Duration::from_secs(1);
/// How long the address that a node advertises may take to say which node is there.
const ADDRESS: Duration = Duration::from_secs(2);
/// How often a change of a node's row is tried.
const TRIES: usize = 5;
/// How far the leader's number that a node has seen may be above the store's. The store's
/// grows by one with each leader, and after a set-back it is raised to the nodes' one by one.
const FARTHEST: u64 = 1 << 16;
/// The same for the lease's counter, which grows several times a second at the most: a
/// store may be set back by years.
const FARTHEST_BEAT: u64 = 1 << 32;

/// Why a node may not join now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// The status of the answer.
    pub status: Grpc,
    /// For people.
    pub why: String,
}

impl Refusal {
    fn new(status: Grpc, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { status, why }
    }
}

/// What a node claims to be, parsed.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Its id.
    pub id: NodeId,
    /// Its volume.
    pub volume_id: Uuid,
    /// Its session.
    pub session: u64,
    /// Its pool.
    pub pool: String,
    /// Where it is reached.
    pub endpoint: String,
    /// Whether it came with a certificate.
    pub secured: bool,
    /// Its volume's cluster, if it has one.
    pub cluster_id: Option<Uuid>,
    /// The protocol to speak with it.
    pub protocol: u32,
    /// The last beat that it has received.
    pub beat_seen: u64,
    /// The term of that beat.
    pub term_seen: u64,
    /// The highest leader number that the node obeyed.
    pub leader_seen: u64,
}

impl Claim {
    /// Reads and checks what does not need the store.
    ///
    /// # Errors
    /// Names the field.
    pub fn read(hello: &Hello) -> Result<Self, Refusal> {
        let id = NodeId::new(&hello.node_id)
            .map_err(|e| Refusal::new(Grpc::InvalidArgument, e.to_string()))?;
        let volume_id = Uuid::from_slice(&hello.volume_id)
            .map_err(|_| Refusal::new(Grpc::InvalidArgument, "volume id: must be 16 bytes"))?;
        let cluster_id = match hello.cluster_id.len() {
            0 => None,
            _ => Some(Uuid::from_slice(&hello.cluster_id).map_err(|_| {
                Refusal::new(Grpc::InvalidArgument, "cluster id: must be 16 bytes")
            })?),
        };
        let protocol = common_protocol(hello.protocol_min, hello.protocol_max)?;
        if hello.generation_seen > HIGHEST {
            return Err(Refusal::new(
                Grpc::InvalidArgument,
                format!(
                    "generation_seen is {}: more than {HIGHEST}",
                    hello.generation_seen
                ),
            ));
        }
        Ok(Self {
            id,
            volume_id,
            session: hello.session,
            pool: hello.pool.clone(),
            endpoint: hello.endpoint.clone(),
            secured: !hello.ticket_key.is_empty(),
            cluster_id,
            protocol,
            beat_seen: hello.beat_seen,
            term_seen: hello.term_seen,
            leader_seen: hello.leader_seen,
        })
    }

    /// Where the node says that it is.
    fn address(&self) -> Address<'_> {
        Address {
            endpoint: &self.endpoint,
            pool: &self.pool,
            secured: self.secured,
        }
    }

    /// Which node must answer at the endpoint that the claim names.
    pub fn expected(&self) -> Expected {
        Expected {
            id: self.id.clone(),
            volume_id: self.volume_id,
            session: Some(self.session),
        }
    }
}

fn common_protocol(min: u32, max: u32) -> Result<u32, Refusal> {
    let newest = max.min(PROTOCOL);
    if newest >= min.max(PROTOCOL_MIN) {
        return Ok(newest);
    }
    Err(Refusal::new(
        Grpc::FailedPrecondition,
        format!(
            "the node speaks protocol versions {min} to {max}, this manager {PROTOCOL_MIN} to \
         {PROTOCOL}: bring them to neighbouring releases"
        ),
    ))
}

/// Refuses a node that does not answer at the address that it advertises, or where another
/// one does, before anything is written: requests for its files would go there.
async fn refuse_wrong_address(core: &Core, claim: &Claim) -> Result<(), Refusal> {
    let Some(who) = core.network.identify(claim.address(), ADDRESS).await else {
        // Nor is anything written for a node that is not there.
        let why = format!("nobody answers at {} as that node", claim.endpoint);
        return Err(Refusal::new(Grpc::Unavailable, why));
    };
    claim
        .expected()
        .check(&claim.endpoint, &who)
        .map_err(|error| {
            let why = error.to_string();
            tracing::warn!(node = %claim.id, why, "refused");
            refused(core, claim, why, RefusedFor::Other)
        })
}

/// A caller with the key or certificate of a pool may join only as a node of that pool,
/// and not under the id of another pool's node: one that is known, or by its form.
async fn of_its_pool(core: &Core, claim: &Claim, pool: &str) -> Result<(), Refusal> {
    let known = row(core, &claim.id).await;
    let known = known.map_err(|error| Refusal::new(Grpc::Unavailable, error.to_string()))?;
    let known = known.map(|row| row.pool).filter(|pool| !pool.is_empty());
    let of = known.as_deref().or_else(|| named_by(claim.id.as_str()));
    if claim.pool == pool && of.is_none_or(|of| of == pool) {
        return Ok(());
    }
    let of = of.map_or_else(String::new, |of| format!(", whose id is one of pool {of}"));
    Err(Refusal::new(
        Grpc::PermissionDenied,
        format!(
            "what opens pool {pool} admits nodes of that pool, not node {} of pool {}{of}",
            claim.id, claim.pool
        ),
    ))
}

/// The pool of an id of the form `POOL-node-N`.
fn named_by(id: &str) -> Option<&str> {
    let (pool, number) = id.rsplit_once("-node-")?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(pool)
}

/// Admits a node and returns its row, or says why not.
///
/// # Errors
/// `PERMISSION_DENIED` for a caller with the key or certificate of another pool, `FAILED_PRECONDITION`
/// for another cluster or a replaced volume, `ALREADY_EXISTS` when the id is held by a
/// node that is alive.
pub async fn admit(
    core: &Arc<Core>,
    claim: &Claim,
    opens: Option<&str>,
) -> Result<NodeRow, Refusal> {
    if let Some(pool) = opens {
        of_its_pool(core, claim, pool).await?;
    }
    refuse_wrong_address(core, claim).await?;
    if let Some(other) = claim.cluster_id
        && other != core.cluster_id()
        && !core.take_over_cluster(other).await.map_err(unavailable)?
    {
        let why = format!(
            "the volume belongs to cluster {other}, this manager's store is of cluster {}; \
             nothing was changed (a store that was lost is restored by `manager rebuild`)",
            core.cluster_id()
        );
        return Err(refused(core, claim, why, RefusedFor::Store));
    }
    refuse_fresh(core, claim).await?;
    refuse_second_holder(core, claim).await?;
    note_set_back(core, claim).await?;
    for _ in 0..TRIES {
        if let Some(row) = claim_row(core, claim).await? {
            return Ok(row);
        }
    }
    Err(Refusal::new(Grpc::Aborted, "the node's row keeps changing"))
}

/// Notes for people why a node is refused, and returns the error for the node.
pub(crate) fn refused(core: &Core, claim: &Claim, why: String, about: RefusedFor) -> Refusal {
    let nodes = &core.nodes;
    nodes.note_refused(&claim.id, &claim.pool, why.clone(), about);
    Refusal::new(Grpc::FailedPrecondition, why)
}

/// If nodes of another cluster try to join, this store may be the wrong one. While they
/// do, no fresh volume is admitted: it would take over this store's cluster id, and
/// files stored on it would stand in the way of the right records.
async fn refuse_fresh(core: &Core, claim: &Claim) -> Result<(), Refusal> {
    if claim.cluster_id.is_some() {
        return Ok(());
    }
    let mut foreign = core.nodes.foreign(&claim.pool);
    if foreign.is_none() && core.nodes.foreign("").is_some() {
        // Nodes of other pools count only while no node has joined this store yet.
        let rows = core.store.nodes().await.map_err(unavailable)?;
        if rows.iter().all(|row| row.volume_id.is_nil()) {
            foreign = core.nodes.foreign("");
        }
    }
    let Some(other) = foreign else {
        return Ok(());
    };
    let why = format!(
        "the volume is new, and node {other} is refused since it belongs to another cluster: \
         no new volume joins this store before that is settled"
    );
    Err(refused(core, claim, why, RefusedFor::Other))
}

async fn refuse_second_holder(core: &Core, claim: &Claim) -> Result<(), Refusal> {
    let Some(holder) = core.nodes.joined(&claim.id) else {
        return Ok(());
    };
    if holder.session() == claim.session && holder.endpoint == claim.endpoint {
        return Ok(());
    }
    // A node that comes back after a crash must not wait until its earlier stream is
    // found dead: the holder's endpoint is asked which node is there.
    let lives = core
        .network
        .identify(holder.address(), HOLDER)
        .await
        .is_some_and(|who| who.session == holder.session());
    if lives {
        // Volume and session are in the log alone: with them another one could take its place.
        tracing::warn!(
            node = %claim.id, at = claim.endpoint, volume = %claim.volume_id,
            holder = holder.endpoint, held = %holder.volume_id, "refused: the id is held"
        );
        return Err(Refusal::new(
            Grpc::AlreadyExists,
            format!(
                "node id {} is held by the node at {}",
                claim.id, holder.endpoint
            ),
        ));
    }
    Ok(())
}

/// Before a node is admitted, checks whether it has seen a later state of the store
/// than the present one. Then the store was set back, and the records that the node was
/// merged with are not those of now (rule 17).
async fn note_set_back(core: &Arc<Core>, claim: &Claim) -> Result<(), Refusal> {
    let lease = core.store.lease().await.map_err(unavailable)?;
    let number = lease.as_ref().map_or(0, |lease| lease.number);
    let beat = lease.as_ref().map_or(0, |lease| lease.counter);
    if claim.beat_seen > beat.saturating_add(FARTHEST_BEAT) {
        return Err(Refusal::new(
            Grpc::InvalidArgument,
            format!(
                "beat_seen is {}: more than {FARTHEST_BEAT} beyond the lease's {beat}",
                claim.beat_seen
            ),
        ));
    }
    if claim.leader_seen > number.saturating_add(FARTHEST) {
        return Err(Refusal::new(
            Grpc::InvalidArgument,
            format!(
                "leader_seen is {}: more than {FARTHEST} beyond the lease's number {number}",
                claim.leader_seen
            ),
        ));
    }
    // A store that is being rebuilt counts from zero, and every node is merged with it
    // in any case.
    let lacks = Lease::lacks(lease.as_ref(), claim.beat_seen, claim.term_seen)
        || claim.leader_seen > number;
    if !lacks || core.is_rebuilding() {
        return Ok(());
    }
    // If its row is marked, this was found before, and the node is merged anew.
    let known = row(core, &claim.id).await.map_err(unavailable)?;
    if known.is_some_and(|row| row.set_back) {
        return Ok(());
    }
    let now = lease.map_or(0, |lease| lease.counter);
    tracing::warn!(node = %claim.id, now, seen = claim.beat_seen, leader = claim.leader_seen,
        "the store was set back to an earlier state: every node is merged anew");
    set_back::begin(core).await.map_err(unavailable)
}

/// Writes the node's row, and returns it if no other change came first.
async fn claim_row(core: &Core, claim: &Claim) -> Result<Option<NodeRow>, Refusal> {
    let Some(found) = row(core, &claim.id).await.map_err(unavailable)? else {
        return insert_row(core, claim, 1, Stay::Stays).await;
    };
    if found.volume_id != claim.volume_id {
        let listed = core
            .store
            .listed_on(&claim.id, None, 1)
            .await
            .map_err(unavailable)?;
        if !listed.is_empty() {
            let why = format!(
                "VolumeReplaced: node id {} has records on volume {}, but came with volume {}; \
                 its records stay untouched and answer code 4 until that volume is back",
                claim.id, found.volume_id, claim.volume_id
            );
            let noted = refused(core, claim, why, RefusedFor::Volume);
            // The node does not learn which volume it would have to name.
            let why = format!(
                "VolumeReplaced: node id {} has records on another volume than this one, {}; they \
                 stay untouched and answer code 4 until that volume is back",
                claim.id, claim.volume_id
            );
            return Err(Refusal { why, ..noted });
        }
        // A drain that was ordered before the node ever joined stays in force.
        let stay = match found.volume_id.is_nil() {
            true => found.stay,
            false => Stay::Stays,
        };
        return insert_row(core, claim, found.rev + 1, stay).await;
    }
    if found.stay == Stay::Abandoned {
        return Err(Refusal::new(
            Grpc::FailedPrecondition,
            format!(
                "node id {} is being abandoned with its volume; once that has ended, its files \
             come back into quarantine",
                claim.id
            ),
        ));
    }
    if found.endpoint == claim.endpoint && found.pool == claim.pool {
        return Ok(Some(found));
    }
    let rev = found.rev + 1;
    let next = NodeRow {
        endpoint: claim.endpoint.clone(),
        pool: claim.pool.clone(),
        rev,
        ..found
    };
    put(core, next).await
}

async fn put(core: &Core, row: NodeRow) -> Result<Option<NodeRow>, Refusal> {
    let done = core
        .store
        .put_node(row.clone())
        .await
        .map_err(unavailable)?;
    Ok(done.then_some(row))
}

async fn insert_row(
    core: &Core,
    claim: &Claim,
    rev: u64,
    stay: Stay,
) -> Result<Option<NodeRow>, Refusal> {
    let row = NodeRow {
        id: claim.id.clone(),
        volume_id: claim.volume_id,
        pool: claim.pool.clone(),
        rev,
        stay,
        merged_session: 0,
        endpoint: claim.endpoint.clone(),
        set_back: false,
        generation_floor: 0,
    };
    put(core, row).await
}

fn unavailable(error: StoreError) -> Refusal {
    Refusal::new(
        Grpc::Unavailable,
        format!("the metadata store does not answer: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_protocols_meet_and_strangers_are_refused() {
        assert_eq!(common_protocol(PROTOCOL, PROTOCOL).ok(), Some(PROTOCOL));
        assert_eq!(
            common_protocol(PROTOCOL_MIN, PROTOCOL + 1).ok(),
            Some(PROTOCOL)
        );
        let status = common_protocol(PROTOCOL + 1, PROTOCOL + 2).expect_err("no common version");
        assert_eq!(status.status, Grpc::FailedPrecondition);
    }

    #[test]
    fn an_id_may_name_its_pool() {
        for (id, pool) in [
            ("a/p-node-0", Some("a/p")),
            ("p-node-1-node-2", Some("p-node-1")),
            ("node-1", None),
            ("p-node-", None),
            ("p-node-x", None),
            ("p-nodes-1", None),
        ] {
            assert_eq!(named_by(id), pool, "{id}");
        }
    }

    #[test]
    fn a_malformed_claim_names_its_field() {
        let hello = Hello {
            node_id: "n 1".to_owned(),
            ..Hello::default()
        };
        assert!(
            Claim::read(&hello)
                .expect_err("a bad id")
                .why
                .contains("node id")
        );
        let hello = Hello {
            node_id: "n1".to_owned(),
            ..Hello::default()
        };
        assert!(
            Claim::read(&hello)
                .expect_err("no volume")
                .why
                .contains("volume id")
        );
        let hello = Hello {
            node_id: "n1".to_owned(),
            volume_id: vec![1; 16].into(),
            protocol_max: PROTOCOL,
            generation_seen: HIGHEST + 1,
            ..Hello::default()
        };
        let error = Claim::read(&hello).expect_err("no such generation");
        assert!(error.why.contains("generation_seen"), "{error}");
    }
}

//! Records, rows and the lease as documents. Numbers of 64 bits are kept with
//! their bits, since BSON's are signed.

use manager_protocol::store::{Copy, Lease, NodeRow, Record, State, Stay, StoreError, Totals};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use names::{FileId, FileName, NodeId, Owner};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key::key;

/// The layout of documents that this version writes.
pub(super) const FORMAT: i32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CopyDocument {
    node: String,
    session: i64,
    generation: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    doomed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordDocument {
    #[serde(rename = "_id")]
    pub(super) key: String,
    name: String,
    id: Binary,
    rev: i64,
    token: i64,
    state: String,
    /// There only while the janitor may have work with it, so that an index of
    /// these stays small.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsettled: Option<bool>,
    node: String,
    generation: i64,
    copies: Vec<CopyDocument>,
    next_generation: i64,
    leaf: Option<i64>,
    size: i64,
    sha256: Binary,
    crc64: i64,
    content_type: Option<String>,
    created_ms: i64,
    idempotency_key: Option<String>,
    moved_event: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<i64>,
}

/// What a record counts for its owner.
#[derive(Debug, Deserialize)]
pub(super) struct Weight {
    #[serde(default)]
    owner: Option<i64>,
    size: i64,
}

impl Weight {
    /// The fields of a record that it is read from.
    pub(super) fn fields() -> Document {
        doc! {"_id": 0, "owner": 1, "size": 1}
    }

    /// The owner and the bytes, where it has an owner.
    pub(super) fn owned(&self) -> Option<(Owner, u64)> {
        let owner = self.owner?;
        Some((Owner(owner.cast_unsigned()), self.size.cast_unsigned()))
    }
}

/// The sum of an owner's records.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnerDocument {
    #[serde(rename = "_id")]
    pub(super) id: String,
    files: i64,
    bytes: i64,
    /// Raised by one with each change of the sum.
    pub(super) changes: i64,
}

impl OwnerDocument {
    /// That of nothing.
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            files: 0,
            bytes: 0,
            changes: 0,
        }
    }

    /// What there is; nothing, where a sum that was too low has been lowered below that.
    pub(super) fn sum(&self) -> Totals {
        Totals {
            files: u64::try_from(self.files).unwrap_or(0),
            bytes: u64::try_from(self.bytes).unwrap_or(0),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NodeDocument {
    #[serde(rename = "_id")]
    pub(super) id: String,
    volume_id: Binary,
    pool: String,
    pub(super) rev: i64,
    stay: u32,
    merged_session: i64,
    endpoint: String,
    #[serde(default)]
    set_back: bool,
    #[serde(default)]
    generation_floor: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LeaseDocument {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) holder: String,
    pub(super) number: i64,
    pub(super) counter: i64,
    #[serde(default)]
    pub(super) term: i64,
    #[serde(default)]
    pub(super) begun: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClusterDocument {
    #[serde(rename = "_id")]
    pub(super) id: String,
    pub(super) format: i32,
    pub(super) cluster_id: Binary,
    #[serde(default)]
    pub(super) rebuilt_at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link_key: Option<Binary>,
}

/// The name of a state in a document.
pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Stored => "stored",
        State::Moving => "moving",
        State::Deleting => "deleting",
    }
}

fn state_of(name: &str) -> Option<State> {
    [
        State::Pending,
        State::Stored,
        State::Moving,
        State::Deleting,
    ]
    .into_iter()
    .find(|state| state_name(*state) == name)
}

/// Bytes as a document holds them.
pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

/// A file's id as a document holds it.
pub(super) fn id_binary(id: FileId) -> Binary {
    binary(&id.to_wire())
}

/// An id of 16 bytes.
pub(super) fn uuid_of(bytes: &Binary) -> Result<Uuid, StoreError> {
    Uuid::from_slice(&bytes.bytes).map_err(|e| corrupt("an id", e))
}

fn corrupt(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}: {why}"))
}

fn small(what: &str, number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|e| corrupt(what, e))
}

impl TryFrom<&Record> for RecordDocument {
    type Error = StoreError;

    /// Refuses a record that does not list its counting copy (invariant 5).
    fn try_from(record: &Record) -> Result<Self, StoreError> {
        if record.counting_copy().is_none() {
            return Err(StoreError::Invalid(
                "a record must list the copy that counts",
            ));
        }
        // Destructured in full, so that a new field can't be forgotten.
        let Record {
            name,
            id,
            rev,
            token,
            state,
            node,
            generation,
            copies,
            next_generation,
            leaf,
            size,
            sha256,
            crc64,
            content_type,
            created_ms,
            idempotency_key,
            moved_event,
            owner,
        } = record;
        let copies = copies.iter().map(|copy| CopyDocument {
            node: copy.node.as_str().to_owned(),
            session: copy.session.cast_signed(),
            generation: copy.generation.into(),
            doomed: copy.doomed,
        });
        Ok(Self {
            key: key(name.as_str()),
            name: name.as_str().to_owned(),
            id: id_binary(*id),
            rev: rev.cast_signed(),
            token: token.cast_signed(),
            state: state_name(*state).to_owned(),
            unsettled: (!state.is_settled()).then_some(true),
            node: node.as_str().to_owned(),
            generation: (*generation).into(),
            copies: copies.collect(),
            next_generation: (*next_generation).into(),
            leaf: leaf.map(Into::into),
            size: size.cast_signed(),
            sha256: binary(sha256),
            crc64: crc64.cast_signed(),
            content_type: content_type.clone(),
            created_ms: created_ms.cast_signed(),
            idempotency_key: idempotency_key.clone(),
            moved_event: moved_event.cast_signed(),
            owner: owner.map(|Owner(owner)| owner.cast_signed()),
        })
    }
}

impl TryFrom<RecordDocument> for Record {
    type Error = StoreError;

    fn try_from(document: RecordDocument) -> Result<Self, StoreError> {
        let what = format!("the record of {:?}", document.name);
        let bad = |why: &dyn std::fmt::Display| corrupt(&what, why);
        let node = |id: &str| NodeId::new(id).map_err(|e| bad(&e));
        let copies = document.copies.iter().map(|copy| {
            Ok(Copy {
                node: node(&copy.node)?,
                session: copy.session.cast_unsigned(),
                generation: small(&what, copy.generation)?,
                doomed: copy.doomed,
            })
        });
        Ok(Self {
            name: FileName::new(&document.name).map_err(|e| bad(&e))?,
            id: FileId::from_wire(&document.id.bytes).map_err(|e| bad(&e))?,
            rev: document.rev.cast_unsigned(),
            token: document.token.cast_unsigned(),
            state: state_of(&document.state).ok_or_else(|| bad(&"an unknown state"))?,
            node: node(&document.node)?,
            generation: small(&what, document.generation)?,
            copies: copies.collect::<Result<_, StoreError>>()?,
            next_generation: small(&what, document.next_generation)?,
            leaf: document.leaf.map(|leaf| small(&what, leaf)).transpose()?,
            size: document.size.cast_unsigned(),
            sha256: document.sha256.bytes[..].try_into().map_err(|e| bad(&e))?,
            crc64: document.crc64.cast_unsigned(),
            content_type: document.content_type,
            created_ms: document.created_ms.cast_unsigned(),
            idempotency_key: document.idempotency_key,
            moved_event: document.moved_event.cast_unsigned(),
            owner: document.owner.map(|owner| Owner(owner.cast_unsigned())),
        })
    }
}

impl From<&NodeRow> for NodeDocument {
    fn from(row: &NodeRow) -> Self {
        let NodeRow {
            id,
            volume_id,
            pool,
            rev,
            stay,
            merged_session,
            endpoint,
            set_back,
            generation_floor,
        } = row;
        Self {
            id: id.as_str().to_owned(),
            volume_id: binary(volume_id.as_bytes()),
            pool: pool.clone(),
            rev: rev.cast_signed(),
            stay: stay.number(),
            merged_session: merged_session.cast_signed(),
            endpoint: endpoint.clone(),
            set_back: *set_back,
            generation_floor: (*generation_floor).into(),
        }
    }
}

impl TryFrom<NodeDocument> for NodeRow {
    type Error = StoreError;

    fn try_from(document: NodeDocument) -> Result<Self, StoreError> {
        Ok(Self {
            id: NodeId::new(&document.id).map_err(|e| corrupt("a node's row", e))?,
            volume_id: uuid_of(&document.volume_id)?,
            pool: document.pool,
            rev: document.rev.cast_unsigned(),
            stay: Stay::of(document.stay).ok_or_else(|| corrupt("a node's row", "unknown stay"))?,
            merged_session: document.merged_session.cast_unsigned(),
            endpoint: document.endpoint,
            set_back: document.set_back,
            generation_floor: small("a node's row", document.generation_floor)?,
        })
    }
}

impl From<LeaseDocument> for Lease {
    fn from(document: LeaseDocument) -> Self {
        Self {
            holder: document.holder,
            number: document.number.cast_unsigned(),
            counter: document.counter.cast_unsigned(),
            term: document.term.cast_unsigned(),
            begun: document.begun.cast_unsigned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::any_record;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_record_comes_back_from_its_document(record in any_record()) {
            let document = RecordDocument::try_from(&record).unwrap();
            let bytes = mongodb::bson::serialize_to_vec(&document).unwrap();
            let document: RecordDocument = mongodb::bson::deserialize_from_slice(&bytes).unwrap();
            prop_assert_eq!(Record::try_from(document).unwrap(), record);
        }
    }
}

//! How records are written down: a version byte, then fields by number as
//! Protocol Buffers number them, so that a field added later is skipped by
//! versions that don't know it. The name is the key and is not repeated.

use names::{FileId, FileName, NodeId, Owner};
use prost::Message;
use uuid::Uuid;

use manager_protocol::store::{
    Copy, Lease, LinkKey, NodeRow, Record, State, Stay, StoreError, Totals,
};

/// The first byte of every value. A layout that older versions must not read
/// raises it (and the store's format).
const VERSION: u8 = 1;

#[derive(Clone, PartialEq, Message)]
struct CopyFields {
    #[prost(string, tag = "1")]
    node: String,
    #[prost(fixed64, tag = "2")]
    session: u64,
    #[prost(uint32, tag = "3")]
    generation: u32,
    #[prost(bool, tag = "4")]
    doomed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RecordFields {
    #[prost(uint64, tag = "1")]
    rev: u64,
    #[prost(fixed64, tag = "2")]
    token: u64,
    #[prost(uint32, tag = "3")]
    state: u32,
    #[prost(bytes = "vec", tag = "4")]
    id: Vec<u8>,
    /// The index in `copies` of the one that counts.
    #[prost(uint32, tag = "5")]
    counts: u32,
    #[prost(message, repeated, tag = "6")]
    copies: Vec<CopyFields>,
    #[prost(uint32, tag = "7")]
    next_generation: u32,
    #[prost(uint32, optional, tag = "8")]
    leaf: Option<u32>,
    #[prost(uint64, tag = "9")]
    size: u64,
    #[prost(bytes = "vec", tag = "10")]
    sha256: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    crc64: u64,
    #[prost(string, optional, tag = "12")]
    content_type: Option<String>,
    #[prost(uint64, tag = "13")]
    created_ms: u64,
    #[prost(string, optional, tag = "14")]
    idempotency_key: Option<String>,
    #[prost(uint64, tag = "15")]
    moved_event: u64,
    #[prost(fixed64, optional, tag = "16")]
    owner: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeFields {
    #[prost(bytes = "vec", tag = "1")]
    volume_id: Vec<u8>,
    #[prost(string, tag = "2")]
    pool: String,
    #[prost(uint64, tag = "3")]
    rev: u64,
    #[prost(uint32, tag = "4")]
    stay: u32,
    #[prost(fixed64, tag = "5")]
    merged_session: u64,
    #[prost(string, tag = "6")]
    endpoint: String,
    #[prost(bool, tag = "7")]
    set_back: bool,
    #[prost(uint32, tag = "8")]
    generation_floor: u32,
}

#[derive(Clone, PartialEq, Message)]
struct LeaseFields {
    #[prost(string, tag = "1")]
    holder: String,
    #[prost(uint64, tag = "2")]
    number: u64,
    #[prost(uint64, tag = "3")]
    counter: u64,
    #[prost(fixed64, tag = "4")]
    term: u64,
    #[prost(uint64, tag = "5")]
    begun: u64,
    /// Whoever wrote it keeps the sums of owners.
    #[prost(bool, tag = "6")]
    owners: bool,
}

#[derive(Clone, PartialEq, Message)]
struct TotalsFields {
    #[prost(uint64, tag = "1")]
    files: u64,
    #[prost(uint64, tag = "2")]
    bytes: u64,
}

fn pack(fields: &impl Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + fields.encoded_len());
    out.push(VERSION);
    fields.encode(&mut out).expect("a vector grows as needed");
    out
}

fn unpack<M: Message + Default>(what: &str, bytes: &[u8]) -> Result<M, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            M::decode(rest).map_err(|e| StoreError::Corrupt(format!("{what}: {e}")))
        }
        Some((version, _)) => Err(StoreError::Corrupt(format!(
            "{what}: unknown layout {version}"
        ))),
        None => Err(StoreError::Corrupt(format!("{what}: empty"))),
    }
}

fn corrupt(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}: {why}"))
}

fn state_number(state: State) -> u32 {
    match state {
        State::Pending => 1,
        State::Stored => 2,
        State::Moving => 3,
        State::Deleting => 4,
    }
}

fn state_of(number: u32) -> Option<State> {
    [
        State::Pending,
        State::Stored,
        State::Moving,
        State::Deleting,
    ]
    .into_iter()
    .find(|state| state_number(*state) == number)
}

/// Writes a record down.
///
/// # Errors
/// [`StoreError::Invalid`] when the copy that counts is not listed (invariant 5).
pub(crate) fn encode_record(record: &Record) -> Result<Vec<u8>, StoreError> {
    // Destructured in full, so that a new field can't be forgotten.
    let Record {
        name: _,
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
    let counts = copies
        .iter()
        .position(|c| c.node == *node && c.generation == *generation)
        .ok_or(StoreError::Invalid(
            "a record must list the copy that counts",
        ))?;
    let copies = copies
        .iter()
        .map(
            |Copy {
                 node,
                 session,
                 generation,
                 doomed,
             }| CopyFields {
                node: node.as_str().to_owned(),
                session: *session,
                generation: *generation,
                doomed: *doomed,
            },
        )
        .collect();
    Ok(pack(&RecordFields {
        rev: *rev,
        token: *token,
        state: state_number(*state),
        id: id.as_bytes().to_vec(),
        counts: counts as u32,
        copies,
        next_generation: *next_generation,
        leaf: *leaf,
        size: *size,
        sha256: sha256.to_vec(),
        crc64: *crc64,
        content_type: content_type.clone(),
        created_ms: *created_ms,
        idempotency_key: idempotency_key.clone(),
        moved_event: *moved_event,
        owner: owner.map(|Owner(owner)| owner),
    }))
}

/// Reads the record of `name`.
///
/// # Errors
/// [`StoreError::Corrupt`], with the name, when the bytes make no record.
pub(crate) fn decode_record(name: FileName, bytes: &[u8]) -> Result<Record, StoreError> {
    let what = |why: &str| corrupt(&format!("record of {name:?}"), why);
    let fields: RecordFields = unpack("record", bytes).map_err(|e| what(&e.to_string()))?;
    let mut copies = Vec::with_capacity(fields.copies.len());
    for copy in fields.copies {
        copies.push(Copy {
            node: NodeId::new(&copy.node).map_err(|e| what(&e.to_string()))?,
            session: copy.session,
            generation: copy.generation,
            doomed: copy.doomed,
        });
    }
    let counting = copies
        .get(fields.counts as usize)
        .ok_or_else(|| what("no copy counts"))?;
    Ok(Record {
        id: FileId::from_wire(&fields.id).map_err(|e| what(&e.to_string()))?,
        rev: fields.rev,
        token: fields.token,
        state: state_of(fields.state).ok_or_else(|| what("unknown state"))?,
        node: counting.node.clone(),
        generation: counting.generation,
        next_generation: fields.next_generation,
        leaf: fields.leaf,
        size: fields.size,
        sha256: fields
            .sha256
            .try_into()
            .map_err(|_| what("the SHA-256 is not 32 bytes"))?,
        crc64: fields.crc64,
        content_type: fields.content_type,
        created_ms: fields.created_ms,
        idempotency_key: fields.idempotency_key,
        moved_event: fields.moved_event,
        owner: fields.owner.map(Owner),
        copies,
        name,
    })
}

/// Writes a node's row down; the id is its key.
pub(crate) fn encode_node(row: &NodeRow) -> Vec<u8> {
    let NodeRow {
        id: _,
        volume_id,
        pool,
        rev,
        stay,
        merged_session,
        endpoint,
        set_back,
        generation_floor,
    } = row;
    pack(&NodeFields {
        volume_id: volume_id.as_bytes().to_vec(),
        pool: pool.clone(),
        rev: *rev,
        stay: stay.number(),
        merged_session: *merged_session,
        endpoint: endpoint.clone(),
        set_back: *set_back,
        generation_floor: *generation_floor,
    })
}

/// Reads the row of the node `id`.
pub(crate) fn decode_node(id: NodeId, bytes: &[u8]) -> Result<NodeRow, StoreError> {
    let fields: NodeFields = unpack("node", bytes)?;
    Ok(NodeRow {
        volume_id: decode_uuid("node's volume id", &fields.volume_id)?,
        pool: fields.pool,
        rev: fields.rev,
        stay: Stay::of(fields.stay).ok_or_else(|| corrupt("a node's row", "unknown stay"))?,
        merged_session: fields.merged_session,
        endpoint: fields.endpoint,
        set_back: fields.set_back,
        generation_floor: fields.generation_floor,
        id,
    })
}

/// Writes the lease down.
pub(crate) fn encode_lease(lease: &Lease) -> Vec<u8> {
    let Lease {
        holder,
        number,
        counter,
        term,
        begun,
    } = lease;
    pack(&LeaseFields {
        holder: holder.clone(),
        number: *number,
        counter: *counter,
        term: *term,
        begun: *begun,
        owners: true,
    })
}

/// Whether who wrote the lease keeps the sums of owners.
pub(crate) fn keeps_owners(lease: &[u8]) -> Result<bool, StoreError> {
    Ok(unpack::<LeaseFields>("lease", lease)?.owners)
}

/// Reads the lease.
pub(crate) fn decode_lease(bytes: &[u8]) -> Result<Lease, StoreError> {
    let LeaseFields {
        holder,
        number,
        counter,
        term,
        begun,
        owners: _,
    } = unpack("lease", bytes)?;
    Ok(Lease {
        holder,
        number,
        counter,
        term,
        begun,
    })
}

/// Writes a sum down.
pub(crate) fn encode_totals(totals: &Totals) -> Vec<u8> {
    let Totals { files, bytes } = totals;
    pack(&TotalsFields {
        files: *files,
        bytes: *bytes,
    })
}

/// Reads a sum.
pub(crate) fn decode_totals(bytes: &[u8]) -> Result<Totals, StoreError> {
    let TotalsFields { files, bytes } = unpack("totals", bytes)?;
    Ok(Totals { files, bytes })
}

/// Reads the 16 bytes of a UUID.
pub(crate) fn decode_uuid(what: &str, bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|e| corrupt(what, e))
}

/// Reads the key that signs links.
pub(crate) fn decode_link_key(bytes: &[u8]) -> Result<LinkKey, StoreError> {
    bytes.try_into().map_err(|e| corrupt("key of links", e))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_record;

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was_written(record in any_record()) {
            let bytes = encode_record(&record).unwrap();
            prop_assert_eq!(decode_record(record.name.clone(), &bytes).unwrap(), record);
        }

        #[test]
        fn a_field_that_is_not_known_yet_is_skipped(record in any_record(), value in any::<u64>()) {
            let mut bytes = encode_record(&record).unwrap();
            prost::encoding::uint64::encode(900, &value, &mut bytes);
            prop_assert_eq!(decode_record(record.name.clone(), &bytes).unwrap(), record);
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(
            record in any_record(), at in any::<prop::sample::Index>(), cut in any::<bool>(), byte in any::<u8>(),
        ) {
            let mut bytes = encode_record(&record).unwrap();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let _ = decode_record(record.name.clone(), &bytes);
        }
    }

    #[test]
    fn a_record_is_compact() {
        let mut record = crate::testing::record("a name is the key and takes nothing", 1);
        record.content_type = Some("text/plain".into());
        let len = encode_record(&record).unwrap().len();
        assert!(len < 160, "{len} bytes");
    }

    #[test]
    fn a_layout_from_the_future_is_refused() {
        let record = crate::testing::record("n", 1);
        let mut bytes = encode_record(&record).unwrap();
        bytes[0] = VERSION + 1;
        assert!(matches!(
            decode_record(record.name, &bytes),
            Err(StoreError::Corrupt(_))
        ));
    }

    #[test]
    fn a_record_that_lists_no_counting_copy_is_refused() {
        let mut record = crate::testing::record("n", 1);
        record.generation += 1;
        assert!(matches!(
            encode_record(&record),
            Err(StoreError::Invalid(_))
        ));
    }
}

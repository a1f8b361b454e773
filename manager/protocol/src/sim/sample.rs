//! Names, nodes and records that tests store.

use names::{FileId, FileName, NodeId};

use crate::store::{Copy, Record, State};

/// A valid file name.
pub fn name(text: &str) -> FileName {
    FileName::new(text).expect("a valid name")
}

/// A valid node id.
pub fn node(text: &str) -> NodeId {
    NodeId::new(text).expect("a valid node id")
}

/// A stored file of `size` bytes with one copy, on node `n1`; its rev is 1.
pub fn record(file: &str, size: u64) -> Record {
    let n1 = node("n1");
    Record {
        name: name(file),
        id: FileId::random(),
        rev: 1,
        token: 0x0123_4567_89ab_cdef,
        state: State::Stored,
        node: n1.clone(),
        generation: 1,
        copies: vec![Copy {
            node: n1,
            session: 7,
            generation: 1,
            doomed: false,
        }],
        next_generation: 2,
        leaf: None,
        size,
        sha256: [0xa5; 32],
        crc64: 0xfeed,
        content_type: None,
        created_ms: 1_700_000_000_000,
        idempotency_key: None,
        owner: None,
        moved_event: 0,
    }
}

/// The same record one change later, in another state.
pub fn next(record: &Record, state: State) -> Record {
    Record {
        rev: record.rev + 1,
        token: record.token + 1,
        state,
        ..record.clone()
    }
}

/// The names of some records.
pub fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|r| r.name.as_str()).collect()
}

//! Random records for this crate's own tests.

use names::{FileName, NodeId, Owner};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use manager_protocol::store::{Copy, Record, State};

/// A plain record, as the suite uses it.
pub(crate) use manager_protocol::sim::sample::record;

fn any_state() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Pending,
        State::Stored,
        State::Moving,
        State::Deleting,
    ])
}

fn any_copy() -> impl Strategy<Value = Copy> {
    let id = "[a-zA-Z0-9._/-]{1,40}";
    let fields = (id, any::<u64>(), any::<u32>(), any::<bool>());
    fields.prop_map(|(node, session, generation, doomed)| Copy {
        node: NodeId::new(&node).unwrap(),
        session,
        generation,
        doomed,
    })
}

prop_compose! {
    /// Any record that keeps invariant 5.
    pub(crate) fn any_record()(
        name in "[^/\\p{Cc}]{1,60}".prop_filter("dots", |n| n != "." && n != ".."),
        id in any::<[u8; 16]>(),
        numbers in any::<(u64, u64, u32, u64, u64, u64, u64)>(),
        leaf in option::of(any::<u32>()),
        state in any_state(),
        copies in vec(any_copy(), 1..4),
        counting in any::<prop::sample::Index>(),
        sha256 in any::<[u8; 32]>(),
        texts in (option::of(".{0,40}"), option::of(".{0,40}")),
        owner in option::of(any::<u64>()),
    ) -> Record {
        let (rev, token, next_generation, size, crc64, created_ms, moved_event) = numbers;
        let counts = copies[counting.index(copies.len())].clone();
        Record {
            name: FileName::new(&name).unwrap(),
            id: id.into(),
            rev, token, state,
            node: counts.node, generation: counts.generation,
            copies, next_generation, leaf, size, sha256, crc64,
            content_type: texts.0, created_ms, idempotency_key: texts.1, moved_event,
            owner: owner.map(Owner),
        }
    }
}

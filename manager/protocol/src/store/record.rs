//! What is stored: a file's record, a node's row, the leader's lease.

use names::{FileId, FileName, NodeId, Owner};
use uuid::Uuid;

/// Where a file's life stands (rule 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// The name is reserved; the file is not there yet.
    Pending,
    /// The file is there.
    Stored,
    /// The file is there, and more than one copy is listed.
    Moving,
    /// The file is there until the record goes.
    Deleting,
}

impl State {
    /// Whether other clients see the file: in every state but `Pending` (rule 7).
    pub fn is_visible(self) -> bool {
        match self {
            Self::Pending => false,
            Self::Stored | Self::Moving | Self::Deleting => true,
        }
    }

    /// Whether the janitor has nothing to do with it (rule 9).
    pub fn is_settled(self) -> bool {
        match self {
            Self::Stored => true,
            Self::Pending | Self::Moving | Self::Deleting => false,
        }
    }
}

/// One place where bytes of a file may be (rule 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Copy {
    /// The node.
    pub node: NodeId,
    /// The node's session that may create the copy (rule 4).
    pub session: u64,
    /// Counts the attempts at placing this file; never used again.
    pub generation: u32,
    /// Its deletion may have been sent: whatever its node still says of it, it never
    /// counts again (rule 17).
    pub doomed: bool,
}

/// All that is known of one file; there is at most one per name (invariant 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The unique key.
    pub name: FileName,
    /// The upload that made the file.
    pub id: FileId,
    /// Raised by one with each change (rule 1).
    pub rev: u64,
    /// Chosen at random for each change, so that its author knows it again (rule 1).
    pub token: u64,
    /// Where the file's life stands.
    pub state: State,
    /// The node whose copy counts; always one of `copies` (invariant 5).
    pub node: NodeId,
    /// The generation of the copy that counts.
    pub generation: u32,
    /// Every place where bytes may be, the one that counts among them (rule 2).
    pub copies: Vec<Copy>,
    /// The generation that the next attempt at a move takes.
    pub next_generation: u32,
    /// Where on the node the file lies, once known.
    pub leaf: Option<u32>,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// CRC-64/NVME of the whole file.
    pub crc64: u64,
    /// As given on upload.
    pub content_type: Option<String>,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// As given on upload.
    pub idempotency_key: Option<String>,
    /// The number of the event that last moved the file (rule 10).
    pub moved_event: u64,
    /// Whom it counts for, where its caller had a prefix or a namespace.
    pub owner: Option<Owner>,
}

impl Record {
    /// The copy that counts, with its session.
    pub fn counting_copy(&self) -> Option<&Copy> {
        self.copies.iter().find(|copy| self.counts(copy))
    }

    /// Whether a copy is the one that counts.
    pub fn counts(&self, copy: &Copy) -> bool {
        copy.node == self.node && copy.generation == self.generation
    }
}

/// What a person wants to happen with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stay {
    /// It holds files and takes new ones.
    #[default]
    Stays,
    /// Its files must leave it (rule 15).
    Drains,
    /// It is lost: its records are being removed, and then the row.
    Abandoned,
}

impl Stay {
    /// As it is written down: never changed, since it is on disks.
    pub fn number(self) -> u32 {
        match self {
            Self::Stays => 0,
            Self::Drains => 1,
            Self::Abandoned => 2,
        }
    }

    /// What a number stands for.
    pub fn of(number: u32) -> Option<Self> {
        [Self::Stays, Self::Drains, Self::Abandoned]
            .into_iter()
            .find(|stay| stay.number() == number)
    }
}

/// A node as the store knows it, whether it is joined or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// The key.
    pub id: NodeId,
    /// Made when the node's volume was formatted.
    pub volume_id: Uuid,
    /// The pool it belongs to.
    pub pool: String,
    /// Raised by one with each change; 1 when the row is new.
    pub rev: u64,
    /// Whether its files are to stay on it.
    pub stay: Stay,
    /// The session that was last merged (rule 11).
    pub merged_session: u64,
    /// Where it was last reached, `host:port`.
    pub endpoint: String,
    /// The store was set back to an earlier state since the last merge: what the
    /// node holds and what the records say may be of two histories (rule 17).
    pub set_back: bool,
    /// The highest generation that the node had seen when it was merged after the
    /// store was set back, lost, or new to it; no later move takes one of these.
    pub generation_floor: u32,
}

impl NodeRow {
    /// Whether the node, in this session, was compared with the records as they
    /// are (rules 11 and 17).
    pub fn is_merged(&self, session: u64) -> bool {
        self.merged_session == session && !self.set_back
    }
}

/// The leader's lease (rule 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub holder: String,
    /// Raised whenever somebody takes it.
    pub number: u64,
    /// Raised whenever it is taken or renewed, and never lowered: a store in
    /// which it is lower than it once was has been set back.
    pub counter: u64,
    /// Chosen at random whenever it is taken: two histories of a store that was set
    /// back have no term in common but those before they parted.
    pub term: u64,
    /// The counter as it was before this term: no beat of an earlier term is higher.
    pub begun: u64,
}

impl Lease {
    /// Whether a beat that was heard under a term is missing in the history of a
    /// store whose lease is this: then the store was set back (rule 17). A term of
    /// 0 is that of an earlier version.
    pub fn lacks(lease: Option<&Self>, beat: u64, term: u64) -> bool {
        match lease {
            None => beat > 0,
            Some(lease) if term == 0 || lease.term == 0 || term == lease.term => {
                beat > lease.counter
            }
            Some(lease) => beat > lease.begun,
        }
    }
}

/// A sum of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Totals {
    /// Counts a file of so many bytes in.
    pub fn add(&mut self, size: u64) {
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_that_the_history_of_the_lease_lacks_was_set_back() {
        let lease = |counter, term, begun| Lease {
            holder: "a".to_owned(),
            number: 3,
            counter,
            term,
            begun,
        };
        for (now, beat, term, lacks) in [
            (None, 0, 0, false),
            (None, 1, 5, true),
            // The same term: the counter decides.
            (Some(lease(20, 5, 10)), 20, 5, false),
            (Some(lease(20, 5, 10)), 21, 5, true),
            // An earlier term ended where this one began.
            (Some(lease(20, 5, 10)), 10, 4, false),
            // Another history's term went on for longer, however late it is asked.
            (Some(lease(20, 5, 10)), 11, 4, true),
            (Some(lease(9_000, 5, 10)), 1_000, 4, true),
            // Versions that knew no terms.
            (Some(lease(20, 0, 0)), 20, 5, false),
            (Some(lease(20, 5, 10)), 20, 0, false),
            (Some(lease(20, 5, 10)), 21, 0, true),
        ] {
            assert_eq!(
                Lease::lacks(now.as_ref(), beat, term),
                lacks,
                "{now:?} {beat} {term}"
            );
        }
    }
}

//! What `GET /status` answers. Fields that this version does not know are ignored, and those
//! that an older service leaves out are empty.

use serde::{Deserialize, Serialize};

/// The service as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The cluster's id.
    pub cluster_id: String,
    /// Whether this manager does the leader's work.
    pub leader: bool,
    /// Why the metadata store is unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_away: Option<String>,
    /// Why the store takes no new files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_full: Option<String>,
    /// Why nothing settles, moves or is deleted after the store was set back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_back: Option<String>,
    /// Every node that the store knows.
    pub nodes: Vec<Node>,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long ago these were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_seconds_ago: Option<u64>,
    /// Most files on an available node less the fewest.
    pub skew: u64,
    /// Files that go from node to node now.
    pub moves: Vec<Moves>,
    /// Files moved since the manager started.
    pub moved_files: u64,
    /// Their bytes.
    pub moved_bytes: u64,
    /// Files that could not be moved lately.
    pub stuck: StuckFiles,
    /// Uploads, moves and deletes that have begun and not ended.
    pub unsettled: u64,
    /// Drains that were ordered and not cancelled.
    pub drains: Vec<Drain>,
    /// Copies in quarantine.
    pub quarantined: u64,
    /// Files whose node lacks the bytes.
    pub missing: Damaged,
    /// Files whose bytes do not match their records.
    pub corrupt: Damaged,
}

impl Status {
    /// How many nodes are available.
    pub fn available(&self) -> usize {
        let available = |node: &&Node| node.state == NodeState::Available;
        self.nodes.iter().filter(available).count()
    }

    /// Whether no file moves and none has to, for available nodes to be as full as each other.
    pub fn is_balanced(&self) -> bool {
        self.skew <= 1 && self.moves.is_empty()
    }

    /// A node by its id.
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

/// How a node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It serves.
    Available,
    /// It is not there.
    Unavailable,
    /// Its files go to others.
    Draining,
    /// One that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its pool.
    pub pool: String,
    /// How it is.
    pub state: NodeState,
    /// Files on it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that uploads may still use.
    pub free: u64,
    /// Bytes that files could ever take there.
    pub capacity: u64,
    /// Copies in quarantine.
    pub quarantined: u64,
    /// Files whose bytes do not match their records.
    pub corrupt: u64,
    /// Whether it takes no files until it is restarted.
    pub read_only: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_why: Option<String>,
    /// For how many seconds its disk has not answered.
    pub disk_silent_seconds: f64,
    /// Files and directories on its disk that can't be used, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// Whether its files and the records were compared since it joined.
    pub merged: bool,
    /// Why it is not let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// How far it is with re-reading its files.
    pub scrub: Scrub,
}

/// A node's scrub.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scrub {
    /// Bytes a second at the most; 0 where it is off.
    pub bytes_per_second: u64,
    /// When the pass under way, or else the last one, began, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
    /// When the last whole pass ended, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How much of its files the pass under way has read, from 0 to 1.
    pub done: f64,
    /// Files read since the node's start.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Files that go from one node to another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moves {
    /// The giver.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// Files that still have to go.
    pub files_left: u64,
    /// Files a second.
    pub rate: f64,
    /// Seconds until it is done at that rate.
    pub seconds_left: Option<f64>,
}

/// A drain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drain {
    /// The node.
    pub node: String,
    /// Whether it was ordered.
    pub ordered: bool,
    /// Whether the node itself takes no more files, durably.
    pub sealed: bool,
    /// Files still on it; unknown while it is unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_left: Option<u64>,
    /// Copies in quarantine.
    pub quarantined: u64,
    /// Files a second that left it over the last minute.
    pub rate: f64,
    /// Seconds until it is empty at that rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    /// Why it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
}

/// Files that could not be moved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StuckFiles {
    /// How many are known.
    pub files: u64,
    /// The first of them.
    pub first: Vec<StuckFile>,
}

/// One of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StuckFile {
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Why.
    pub why: String,
}

/// Files that something is wrong with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Damaged {
    /// How many are known.
    pub files: u64,
    /// The first of their names.
    pub names: Vec<String>,
}

//! The answer of `GET /status`, as far as the tests read it.

use serde::Deserialize;

/// What the manager says of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Every node the manager knows.
    pub nodes: Vec<NodeStatus>,
    /// Files in all.
    pub files: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Difference between the fullest and the emptiest node, in files.
    pub skew: u64,
    /// Records that are not settled.
    pub unsettled: u64,
    /// Moves under way.
    pub moves: Vec<serde_json::Value>,
    /// All other fields, such as the quarantine's.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

/// What the manager says of one node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Its name.
    pub id: String,
    /// Its pool.
    pub pool: String,
    /// `available`, `unavailable` or `draining`.
    pub state: String,
    /// Files it holds.
    pub files: u64,
    /// Bytes it holds.
    pub bytes: u64,
    /// Bytes free on its file system.
    pub free: u64,
    /// Whether its files and the records were compared since it joined.
    pub merged: bool,
    /// Whether it takes no writes until it is restarted.
    pub read_only: bool,
    /// Why.
    pub read_only_why: String,
    /// Files and directories of it that can't be used, and why.
    pub troubles: Vec<String>,
    /// For how long its disk has not answered.
    pub disk_silent_seconds: f64,
    /// How far the scrub of its files has come.
    pub scrub: serde_json::Value,
}

impl Status {
    /// How many nodes are available.
    pub fn available(&self) -> usize {
        self.nodes
            .iter()
            .filter(|node| node.state == "available")
            .count()
    }

    /// Whether no file has to move for nodes to be as full as each other.
    pub fn is_balanced(&self) -> bool {
        self.skew <= 1 && self.moves.is_empty()
    }

    /// One node by its name.
    pub fn node(&self, id: &str) -> Option<&NodeStatus> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

//! Balance and drain: what is under way, and what was done.

mod stuck;
mod throttle;

use crate::settings::Settings;
use messages::NodeId;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use stuck::Stuck;
use throttle::Throttle;

#[cfg(test)]
pub use stuck::StuckFile;
pub use stuck::StuckFiles;
pub(crate) use stuck::Told;
pub(super) use stuck::after;

/// A number of files that are to go from one node to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flow {
    /// The giver.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// How many files.
    pub files: u64,
}

/// One line of `/status`: files that go from one node to another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MoveLine {
    /// The giver.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// Files that still have to go.
    pub files_left: u64,
    /// Files a second, over this event so far.
    pub rate: f64,
    /// Seconds until it is done at that rate.
    pub seconds_left: Option<f64>,
}

#[derive(Default)]
struct UnderWay {
    flows: Vec<Flow>,
    moved: u64,
    since: Option<Instant>,
}

/// What is under way, and how much was done.
pub struct Moves {
    /// Their pace.
    pub(crate) throttle: Throttle,
    /// Files that could not be moved.
    pub stuck: Stuck,
    under_way: Mutex<UnderWay>,
    moved_files: AtomicU64,
    moved_bytes: AtomicU64,
    failed: AtomicU64,
}

impl Moves {
    /// Nothing is under way.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            throttle: Throttle::new(
                settings.move_files_per_second,
                settings.move_bytes_per_second,
            ),
            stuck: Stuck::default(),
            under_way: Mutex::default(),
            moved_files: AtomicU64::new(0),
            moved_bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Files and bytes moved, and moves that failed, since the start.
    pub fn totals(&self) -> (u64, u64, u64) {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (
            read(&self.moved_files),
            read(&self.moved_bytes),
            read(&self.failed),
        )
    }

    /// What is under way, for a person.
    pub fn lines(&self, now: Instant) -> Vec<MoveLine> {
        let state = self.under_way.lock();
        let seconds = state
            .since
            .map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        let rate = if seconds > 0.0 {
            state.moved as f64 / seconds
        } else {
            0.0
        };
        let left: u64 = state.flows.iter().map(|f| f.files).sum();
        state
            .flows
            .iter()
            .map(|flow| MoveLine {
                from: flow.from.to_string(),
                to: flow.to.to_string(),
                files_left: flow.files,
                rate,
                seconds_left: (rate > 0.0).then(|| left as f64 / rate),
            })
            .collect()
    }

    /// Shows what is planned.
    pub(crate) fn show(&self, flows: Vec<Flow>, now: Instant) {
        let mut state = self.under_way.lock();
        if flows.is_empty() {
            *state = UnderWay::default();
        } else {
            state.flows = flows;
            state.since.get_or_insert(now);
        }
    }

    /// Counts a file that has moved.
    pub(crate) fn moved(&self, bytes: u64) {
        self.moved_files.fetch_add(1, Ordering::Relaxed);
        self.moved_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.under_way.lock().moved += 1;
    }

    /// Counts a move that failed.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

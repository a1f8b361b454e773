//! What happened in a simulated run: a hash of all of it, by which two runs of one seed
//! are compared, and the last of it in words.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Events that are kept in words.
const KEPT: usize = 200;
/// With this variable in the environment every event is printed as it happens.
const ALOUD: &str = "DFS_SIM_LOG";

/// The log of one run.
pub(super) struct Events {
    /// Its keys are fixed, other than those of a hash map.
    hash: DefaultHasher,
    last: VecDeque<String>,
    aloud: bool,
}

impl Events {
    /// Nothing has happened.
    pub(super) fn new() -> Self {
        Self {
            hash: DefaultHasher::new(),
            last: VecDeque::new(),
            aloud: std::env::var_os(ALOUD).is_some(),
        }
    }

    /// Notes what happens at a time of the run.
    pub(super) fn note(&mut self, at: Duration, what: &str) {
        at.hash(&mut self.hash);
        what.hash(&mut self.hash);
        let line = format!("{:10.6} {what}", at.as_secs_f64());
        if self.aloud {
            eprintln!("{line}");
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The hash of all events so far.
    pub(super) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// The last events.
    pub(super) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}

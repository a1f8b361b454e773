//! Files that could not be moved: a step goes on past them, they are tried again
//! later, and people see why.

use crate::store::Record;
use messages::{FileId, FileName, NodeId};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, Instant};

/// How many are remembered; others are tried again whenever their turn comes.
const REMEMBERED: usize = 10_000;
/// When a file is tried again; each time after twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LAST_RETRY: Duration = Duration::from_secs(600);
/// Warnings in each [`WINDOW`]; how many more there were is logged with the next.
const WARNINGS: u64 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Files that are named.
const NAMES: usize = 20;

/// One of them, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StuckFile {
    /// Its name.
    pub name: String,
    /// The node that it is to leave.
    pub node: String,
    /// Why it did not.
    pub why: String,
}

/// All of them, for people.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct StuckFiles {
    /// How many are known, 10,000 at the most.
    pub files: u64,
    /// The first of them.
    pub first: Vec<StuckFile>,
}

struct Entry {
    id: FileId,
    node: NodeId,
    why: String,
    tries: u32,
    again: Instant,
}

#[derive(Default)]
struct Known {
    files: BTreeMap<FileName, Entry>,
    window: Option<Instant>,
    failures: u64,
}

/// The files that could not be moved.
#[derive(Default)]
pub struct Stuck(Mutex<Known>);

/// What the log says of a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A warning, and how many were left out before it.
    Warn(u64),
    /// It is left out.
    LeftOut,
}

fn retry_after(tries: u32) -> Duration {
    FIRST_RETRY
        .saturating_mul(1 << tries.min(10))
        .min(LAST_RETRY)
}

/// Where names after this one begin.
pub(in crate::state) fn after(name: Option<&FileName>) -> Bound<FileName> {
    name.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()))
}

impl Stuck {
    /// Notes a file that could not be moved.
    pub(crate) fn note(&self, record: &Record, why: String, now: Instant) -> Told {
        let mut known = self.0.lock();
        let room = known.files.len() < REMEMBERED;
        match known.files.get_mut(&record.name) {
            Some(entry) => {
                entry.tries = match entry.id == record.id {
                    true => entry.tries.saturating_add(1),
                    false => 0,
                };
                entry.again = now + retry_after(entry.tries);
                entry.id = record.id;
                entry.node = record.node.clone();
                entry.why = why;
            }
            None if room => {
                let entry = Entry {
                    id: record.id,
                    node: record.node.clone(),
                    why,
                    tries: 0,
                    again: now + retry_after(0),
                };
                known.files.insert(record.name.clone(), entry);
            }
            None => {}
        }
        known.told(now)
    }

    /// Whether a file waits for its next try.
    pub(crate) fn waits(&self, record: &Record, now: Instant) -> bool {
        let known = self.0.lock();
        let entry = known.files.get(&record.name);
        entry.is_some_and(|entry| {
            entry.id == record.id && entry.node == record.node && now < entry.again
        })
    }

    /// Drops a file that has moved.
    pub(crate) fn forget(&self, name: &FileName) {
        self.0.lock().files.remove(name);
    }

    /// Drops a file that is no longer the one that could not be moved.
    pub(crate) fn forget_file(&self, name: &FileName, (id, node): &(FileId, NodeId)) {
        let mut known = self.0.lock();
        let same = |entry: &Entry| entry.id == *id && entry.node == *node;
        if known.files.get(name).is_some_and(same) {
            known.files.remove(name);
        }
    }

    /// Some after a name, in order.
    pub(crate) fn some_after(
        &self,
        name: Option<&FileName>,
        count: usize,
    ) -> Vec<(FileName, (FileId, NodeId))> {
        let known = self.0.lock();
        known
            .files
            .range((after(name), Bound::Unbounded))
            .take(count)
            .map(|(name, entry)| (name.clone(), (entry.id, entry.node.clone())))
            .collect()
    }

    /// Drops those that were not tried again although it was time: they have gone, or
    /// need not move any more.
    pub(crate) fn tidy(&self, now: Instant) {
        self.0
            .lock()
            .files
            .retain(|_, entry| now < entry.again + LAST_RETRY);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.lock().files.len() as u64
    }

    /// All of them, the first by name.
    pub fn all(&self) -> StuckFiles {
        self.those(|_| true)
    }

    /// Those of a node.
    pub(crate) fn on(&self, node: &NodeId) -> StuckFiles {
        self.those(|entry| entry.node == *node)
    }

    fn those(&self, which: impl Fn(&Entry) -> bool) -> StuckFiles {
        let known = self.0.lock();
        let mut found = StuckFiles::default();
        for (name, entry) in known.files.iter().filter(|(_, entry)| which(entry)) {
            found.files += 1;
            if found.first.len() < NAMES {
                found.first.push(StuckFile {
                    name: name.to_string(),
                    node: entry.node.to_string(),
                    why: entry.why.clone(),
                });
            }
        }
        found
    }
}

impl Known {
    fn told(&mut self, now: Instant) -> Told {
        let begun = self.window.is_some_and(|since| now < since + WINDOW);
        if !begun {
            let left_out = self.failures.saturating_sub(WARNINGS);
            self.window = Some(now);
            self.failures = 1;
            return Told::Warn(left_out);
        }
        self.failures += 1;
        match self.failures <= WARNINGS {
            true => Told::Warn(0),
            false => Told::LeftOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::sample;

    #[test]
    fn a_file_that_could_not_move_waits_longer_each_time_and_is_named() {
        let stuck = Stuck::default();
        let record = sample::record("a", 1);
        let start = Instant::now();
        assert!(!stuck.waits(&record, start));
        stuck.note(&record, "full".to_owned(), start);
        assert!(stuck.waits(&record, start + FIRST_RETRY / 2));
        assert!(!stuck.waits(&record, start + FIRST_RETRY));
        stuck.note(&record, "still full".to_owned(), start + FIRST_RETRY);
        assert!(stuck.waits(&record, start + FIRST_RETRY * 2));
        assert_eq!(retry_after(99), LAST_RETRY);
        let told = stuck.on(&record.node);
        assert_eq!((told.files, told.first[0].why.as_str()), (1, "still full"));
        // Another file of the name has not failed yet.
        let mut other = record.clone();
        other.id = FileId::random();
        assert!(!stuck.waits(&other, start));
        stuck.tidy(start + LAST_RETRY * 3);
        assert_eq!(stuck.count(), 0);
    }

    #[test]
    fn what_was_seen_is_dropped_unless_another_file_of_the_name_is_stuck_by_then() {
        let stuck = Stuck::default();
        let start = Instant::now();
        for name in ["a", "b", "c"] {
            stuck.note(&sample::record(name, 1), String::new(), start);
        }
        let some = stuck.some_after(None, 2);
        let [(a, was_a), (b, was_b)] = &some[..] else {
            panic!("{some:?}");
        };
        assert_eq!(stuck.some_after(Some(b), 2).len(), 1);
        let mut other = sample::record("a", 1);
        other.id = FileId::random();
        stuck.note(&other, String::new(), start);
        stuck.forget_file(a, was_a);
        stuck.forget_file(b, was_b);
        let left = stuck.some_after(None, 3);
        let names: Vec<_> = left.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn failures_are_bounded_in_memory_and_in_the_log() {
        let stuck = Stuck::default();
        let start = Instant::now();
        let mut warned = 0;
        for i in 0..REMEMBERED as u64 + 50 {
            let record = sample::record(&format!("f{i}"), 1);
            if stuck.note(&record, String::new(), start) != Told::LeftOut {
                warned += 1;
            }
        }
        assert_eq!(warned, WARNINGS);
        assert_eq!(stuck.count(), REMEMBERED as u64);
        let next = stuck.note(&sample::record("f1", 1), String::new(), start + WINDOW);
        assert_eq!(next, Told::Warn(REMEMBERED as u64 + 50 - WARNINGS));
    }
}

//! Since when records are as they are, and in which order they have their turns.

use crate::store::Record;
use messages::{FileId, FileName};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Records that are watched at once for whether they change; further ones wait.
const STANDS: usize = 100_000;

/// Since when each unsettled record is as it is, on this process's own clock. Where
/// other managers work on the same store, a record that still changes is theirs.
#[derive(Default)]
pub(super) struct Stands(HashMap<FileName, Stand>);

struct Stand {
    id: FileId,
    rev: u64,
    since: Instant,
    round: u64,
    /// The last round in which its settling was tried.
    tried: Option<u64>,
}

impl Stands {
    /// How long a record has been as it is.
    pub(super) fn still(&mut self, record: &Record, round: u64, now: Instant) -> Duration {
        let (id, rev) = (record.id, record.rev);
        let room = self.0.len() < STANDS;
        match self.0.get_mut(&record.name) {
            Some(stand) if stand.id == id && stand.rev == rev => {
                stand.round = round;
                now.duration_since(stand.since)
            }
            Some(stand) => {
                *stand = Stand {
                    id,
                    rev,
                    since: now,
                    round,
                    // A try raises the rev.
                    tried: stand.tried.filter(|_| stand.id == id),
                };
                Duration::ZERO
            }
            None => {
                if room {
                    let stand = Stand {
                        id,
                        rev,
                        since: now,
                        round,
                        tried: None,
                    };
                    self.0.insert(record.name.clone(), stand);
                }
                Duration::ZERO
            }
        }
    }

    /// Notes that a record is tried.
    pub(super) fn tries(&mut self, name: &FileName, round: u64) {
        if let Some(stand) = self.0.get_mut(name) {
            stand.tried = Some(round);
        }
    }

    /// The order of turns: first those that were never tried, then those whose last
    /// try was longest ago. So none that fails each time stands before another for good.
    pub(super) fn in_turn(&self, records: &mut [Record]) {
        records.sort_by_key(|record| self.0.get(&record.name).and_then(|stand| stand.tried));
    }

    /// Drops what was not seen in a round: it is settled.
    pub(super) fn end(&mut self, round: u64) {
        self.0.retain(|_, stand| stand.round == round);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_fails_each_time_stands_before_no_other() {
        let mut stands = Stands::default();
        let now = Instant::now();
        let mut records: Vec<_> = ["a", "b", "c"]
            .map(|name| crate::sim::sample::record(name, 1))
            .into();
        let names = |records: &[Record]| -> Vec<String> {
            records.iter().map(|r| r.name.to_string()).collect()
        };
        for record in &records {
            stands.still(record, 0, now);
        }
        stands.tries(&records[0].name, 0);
        // Trying it raised its rev.
        records[0].rev += 1;
        stands.still(&records[0], 1, now);
        stands.in_turn(&mut records);
        assert_eq!(names(&records), ["b", "c", "a"]);
        stands.tries(&records[0].name, 1);
        stands.in_turn(&mut records);
        assert_eq!(names(&records), ["c", "a", "b"]);
    }

    #[test]
    fn only_a_record_that_stands_still_counts_its_time() {
        let mut stands = Stands::default();
        let mut record = crate::sim::sample::record("a", 1);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(stands.still(&record, 1, start), Duration::ZERO);
        assert_eq!(stands.still(&record, 2, start + second), second);
        record.rev += 1;
        assert_eq!(stands.still(&record, 3, start + second * 2), Duration::ZERO);
        stands.end(4);
        assert_eq!(stands.still(&record, 5, start + second * 9), Duration::ZERO);
    }
}

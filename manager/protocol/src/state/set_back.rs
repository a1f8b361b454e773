//! What this process knows of a store that was set back (rule 17).

use messages::NodeId;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// The highest generation that is believed: each move takes one, so that no file
/// ever comes near it.
pub(crate) const HIGHEST: u32 = 1 << 30;

/// What is known of it in this process.
#[derive(Default)]
pub struct SetBack(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// When the rows were last read.
    at: Option<Instant>,
    /// Nodes that records list and that were not merged since.
    waits_for: Vec<NodeId>,
    /// See [`SetBack::floor`].
    floor: u32,
    /// Marks of rows that are under way: until they are durable nothing may go on.
    marking: usize,
    /// Counts them, so that rows read before a mark do not count after it.
    marks: u64,
}

impl SetBack {
    /// Nodes that have to be merged before anything settles, moves or is deleted.
    pub fn waits_for(&self) -> Vec<NodeId> {
        self.0.lock().waits_for.clone()
    }

    /// Whether nothing may settle, move or be deleted now, by the last read of the
    /// rows; also true before the first read.
    pub(crate) fn holds(&self) -> bool {
        let known = self.0.lock();
        known.at.is_none() || known.marking > 0 || !known.waits_for.is_empty()
    }

    /// The highest generation that nodes had seen when the store was set back.
    pub(crate) fn floor(&self) -> u32 {
        self.0.lock().floor
    }

    /// How many marks there were: asked before the rows are read, for [`Self::take`].
    pub(crate) fn marks(&self) -> u64 {
        self.0.lock().marks
    }

    /// Whether no row is being marked, and the rows were last read longer ago than this.
    pub(crate) fn is_older_than(&self, fresh: Duration, now: Instant) -> bool {
        let known = self.0.lock();
        known.marking == 0 && known.at.is_none_or(|at| now.duration_since(at) > fresh)
    }

    /// Takes in what the rows said, unless one was marked since the read began.
    pub(crate) fn take(&self, marks: u64, waits_for: Vec<NodeId>, floor: u32, now: Instant) {
        let mut known = self.0.lock();
        if known.marks == marks {
            known.at = Some(now);
            known.waits_for = waits_for;
            known.floor = known.floor.max(floor);
        }
    }
}

/// Rows are being marked until this is dropped.
pub(crate) struct Marking<'a>(&'a SetBack);

impl<'a> Marking<'a> {
    /// Begins it.
    pub(crate) fn begin(of: &'a SetBack) -> Self {
        let mut known = of.0.lock();
        known.marking += 1;
        known.marks += 1;
        Self(of)
    }
}

impl Drop for Marking<'_> {
    fn drop(&mut self) {
        let mut known = self.0.0.lock();
        known.marking -= 1;
        known.marks += 1;
        // The rows have to be read again before anything goes on.
        known.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_on_before_the_rows_were_seen_nor_by_a_look_from_before_the_mark() {
        let set_back = SetBack::default();
        let now = Instant::now();
        assert!(set_back.holds());
        set_back.take(0, Vec::new(), 3, now);
        assert!(!set_back.holds());
        let marking = Marking::begin(&set_back);
        assert!(set_back.holds());
        // This one read the rows before they were marked.
        set_back.take(0, Vec::new(), 0, now);
        assert!(set_back.holds());
        drop(marking);
        assert!(set_back.holds());
        let marks = set_back.marks();
        set_back.take(marks, vec![NodeId::new("n1").expect("a node id")], 2, now);
        assert!(set_back.holds());
        assert_eq!(set_back.floor(), 3, "never lower");
        set_back.take(marks, Vec::new(), 5, now);
        assert!(!set_back.holds());
    }
}

//! How many files a node holds, by its own last count, which comes in its reports and in its
//! answers to this manager. So what other managers store and delete there is counted too.

use messages::v1;
use parking_lot::Mutex;

/// The newest count of a node.
#[derive(Debug, Default)]
pub struct NodeCount(Mutex<v1::Counted>);

impl NodeCount {
    /// Takes a count in, unless a newer one is known. Counts of versions that don't
    /// number them are taken as they come.
    pub fn take(&self, counted: v1::Counted) {
        let mut last = self.0.lock();
        if counted.number >= last.number {
            *last = counted;
        }
    }

    /// The files.
    pub fn files(&self) -> u64 {
        let last = self.0.lock();
        last.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_count_holds_in_whatever_order_they_come() {
        let count = NodeCount::default();
        for (number, files, known) in [(3, 30, 30), (2, 99, 30), (4, 29, 29)] {
            count.take(v1::Counted { number, files });
            assert_eq!(count.files(), known);
        }
    }

    #[test]
    fn counts_without_numbers_are_taken_as_they_come() {
        let count = NodeCount::default();
        for files in [5, 7, 6] {
            count.take(v1::Counted { number: 0, files });
            assert_eq!(count.files(), files);
        }
    }
}

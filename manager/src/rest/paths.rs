//! Paths that more than the table of routes knows.

/// The comparison: it changes nothing, and yet takes the one turn that there is, whoever reads
/// the answer.
pub(super) const FSCK: &str = "/fsck";

//! Whom a file counts for, and how much of that may be stored.

use crate::written_in_hex;
use std::sync::Arc;

/// Whom a file counts for: the prefix or the namespace of the caller that stored it, in
/// eight bytes. Records and links hold it, and show no name by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub u64);

written_in_hex!(Owner);

/// How much may be stored for an owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Files, where they are bounded.
    pub files: Option<u64>,
    /// Bytes, where they are bounded.
    pub bytes: Option<u64>,
}

impl Quota {
    /// Whether nothing is bounded.
    pub fn is_none(&self) -> bool {
        self.files.is_none() && self.bytes.is_none()
    }

    /// Whether a further file of `size` bytes may be stored where `files` with `bytes` are.
    pub fn has_room(&self, files: u64, bytes: u64, size: u64) -> bool {
        let fits = |most: Option<u64>, stored: u64, more: u64| {
            most.is_none_or(|most| stored.checked_add(more).is_some_and(|all| all <= most))
        };
        fits(self.files, files, 1) && fits(self.bytes, bytes, size)
    }
}

/// Whose files an upload counts with, and how many of them there may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Whose files.
    pub owner: Owner,
    /// The same in words, such as `the namespace team-a`.
    pub whose: Arc<str>,
    /// How many there may be.
    pub quota: Quota,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_fits_up_to_the_limit_and_no_further() {
        let quota = |files, bytes| Quota { files, bytes };
        for (bounds, files, bytes, size, fits) in [
            (quota(None, None), u64::MAX - 1, u64::MAX, 0, true),
            (quota(Some(2), None), 1, 0, u64::MAX, true),
            (quota(Some(2), None), 2, 0, 0, false),
            (quota(Some(0), None), 0, 0, 0, false),
            (quota(None, Some(10)), 7, 4, 6, true),
            (quota(None, Some(10)), 7, 4, 7, false),
            (quota(None, Some(10)), 7, 12, 0, false),
            (quota(None, Some(u64::MAX)), 7, u64::MAX, 1, false),
            (quota(Some(5), Some(10)), 4, 10, 1, false),
        ] {
            assert_eq!(
                bounds.has_room(files, bytes, size),
                fits,
                "{bounds:?} {files} {bytes} {size}"
            );
        }
        assert!(quota(None, None).is_none() && !quota(None, Some(0)).is_none());
    }
}

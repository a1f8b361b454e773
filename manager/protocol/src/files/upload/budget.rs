//! What an upload's owner may have stored.

use super::Upload;
use crate::failure::Failure;
use crate::store::Totals;
use messages::{Budget, Code};

/// What an upload may bring, as far as it is known while its bytes come.
pub(super) struct Room {
    budget: Budget,
    /// What was stored when that was last read.
    stored: Totals,
    /// Whether it may be the repetition of one that is stored, which needs no room.
    may_repeat: bool,
}

impl Room {
    /// Whether a file of `size` or more may still be stored; pure.
    fn has(&self, size: u64) -> bool {
        let Totals { files, bytes } = self.stored;
        // What is repeated is a part of what is stored.
        let repeats = self.may_repeat && size <= bytes;
        repeats || self.budget.quota.has_room(files, bytes, size)
    }
}

impl Upload {
    /// Called before the file's bytes come, once a name that is known is known to be free:
    /// refuses a file that its owner has no room for, and one that outgrows that room on
    /// its way. What is stored in the end is decided by the reservation. `size` is that of
    /// the file, where it is known for certain.
    ///
    /// # Errors
    /// Code 8, or the store's failure.
    pub async fn within(
        &mut self,
        budget: Option<&Budget>,
        size: Option<u64>,
        has_key: bool,
    ) -> Result<(), Failure> {
        let Some(budget) = budget.filter(|budget| !budget.quota.is_none()) else {
            return Ok(());
        };
        if self.is_small() {
            return Ok(());
        }
        self.room = Some(Room {
            budget: budget.clone(),
            stored: self.core.store.stored_for(budget.owner).await?,
            may_repeat: has_key,
        });
        self.has_room(size.unwrap_or(0)).await
    }

    /// Refuses what has outgrown its owner's room: what is stored is read again before that.
    pub(super) async fn has_room(&mut self, size: u64) -> Result<(), Failure> {
        let Some(room) = &mut self.room else {
            return Ok(());
        };
        if !room.has(size) {
            room.stored = self.core.store.stored_for(room.budget.owner).await?;
            if !room.has(size) {
                return Err(over(Some(&room.budget), room.stored, size));
            }
        }
        Ok(())
    }
}

/// The refusal of a file that there is no room for beside what its owner has stored; pure.
pub(super) fn over(budget: Option<&Budget>, stored: Totals, size: u64) -> Failure {
    let failure = Failure::new(Code::InsufficientStorage);
    let Some(Budget { whose, quota, .. }) = budget else {
        return failure;
    };
    match (quota.files, quota.bytes) {
        (Some(most), _) if stored.files >= most => failure.because(format_args!(
            "{most} files may be stored for {whose}, and {} are",
            stored.files
        )),
        (_, Some(most)) => failure.because(format_args!(
            "{most} bytes may be stored for {whose}, {} are, and the file has {size} or more",
            stored.bytes
        )),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use messages::{Owner, Quota};

    #[test]
    fn a_repetition_needs_no_room_and_is_no_larger_than_what_is_stored() {
        let room = |may_repeat| Room {
            budget: Budget {
                owner: Owner(1),
                whose: "the namespace a".into(),
                quota: Quota {
                    files: Some(1),
                    bytes: Some(100),
                },
            },
            stored: Totals {
                files: 1,
                bytes: 60,
            },
            may_repeat,
        };
        assert!(room(true).has(60) && !room(true).has(61));
        assert!(!room(false).has(0));
    }

    #[test]
    fn a_refusal_names_the_limit_that_is_reached() {
        let detail = |files, bytes, stored| {
            let budget = Budget {
                owner: Owner(1),
                whose: "the namespace a".into(),
                quota: Quota { files, bytes },
            };
            let failure = over(Some(&budget), stored, 7);
            assert_eq!(failure.code, Code::InsufficientStorage);
            failure.detail.unwrap_or_default()
        };
        let stored = Totals {
            files: 3,
            bytes: 40,
        };
        for (files, bytes, said) in [
            (
                Some(3),
                None,
                "3 files may be stored for the namespace a, and 3 are",
            ),
            (
                Some(3),
                Some(41),
                "3 files may be stored for the namespace a, and 3 are",
            ),
            (
                Some(4),
                Some(41),
                "41 bytes may be stored for the namespace a, 40 are, and the file has 7 or more",
            ),
        ] {
            assert_eq!(detail(files, bytes, stored), said);
        }
    }
}

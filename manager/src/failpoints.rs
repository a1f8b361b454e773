//! The steps at which tests end this process as `kill -9` would.

/// Every crash point of the manager, in the order of the protocol.
pub const ALL: &[&str] = &[
    "manager::after_reserve",
    "manager::before_stored",
    "manager::after_stored",
    "manager::after_doom",
    "manager::before_record_removed",
    "manager::move_listed",
    "manager::move_copied",
    "manager::move_swapped",
    "manager::move_unlisted",
];

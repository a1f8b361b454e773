//! The steps at which tests end this process as `kill -9` would, and those at
//! which they let one request stand still.

use crate::world::World;

/// Every crash point of the manager, in the order of the protocol. Each begins with the
/// crash step (ARCHITECTURE.md) that was reached last.
pub const ALL: &[&str] = &[
    "manager::u2_reserved",
    "manager::u4_linked",
    "manager::u5_stored",
    "manager::d1_doomed",
    "manager::d2_copies_removed",
    "manager::m1_listed",
    "manager::m2_copied",
    "manager::m3_swapped",
    "manager::m4_source_gone",
    "manager::m4_unlisted",
];

/// Where an upload stands still before its node is permitted to link it.
pub(crate) const STALL_BEFORE_FINISH: &str = "manager::stall_before_finish";
/// Where the janitor stands still after it has doomed an open upload.
pub(crate) const STALL_AFTER_DOOM: &str = "manager::stall_after_doom";
/// Where a delete, or the janitor, stands still before it removes the record.
pub(crate) const STALL_BEFORE_REMOVE: &str = "manager::stall_before_remove";
/// Where an adoption stands still between its record and its bytes.
pub(crate) const STALL_IN_ADOPT: &str = "manager::stall_in_adopt";
/// Where a move stands still once its target is listed.
pub(crate) const STALL_IN_MOVE: &str = "manager::stall_in_move";
/// Where the leader stands still between a drained node's row and its seal.
pub(crate) const STALL_BEFORE_SEAL: &str = "manager::stall_before_seal";
/// Where the order of a drain stands still between a node's row and its seal.
pub(crate) const STALL_IN_ORDER: &str = "manager::stall_in_order";
/// Where a request for the state of drains stands still once the records are counted.
pub(crate) const STALL_AFTER_RECORDS: &str = "manager::stall_after_records";

/// Stands still for the milliseconds that the environment's `FAILPOINTS` gives
/// this place, as in `1*return(5000)`; the rest of the process goes on.
pub(crate) async fn stall(world: &World, place: &str) {
    #[cfg(feature = "failpoints")]
    if let Some(Some(text)) = fail::eval(place, |argument| argument)
        && let Ok(ms) = text.parse()
    {
        world.sleep(std::time::Duration::from_millis(ms)).await;
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = (world, place);
}

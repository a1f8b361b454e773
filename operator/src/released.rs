//! Pools that `operator leave` has let go, for a while.

use crate::validate::ValidatedPool;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// For how long a pool is let go: longer than Helm takes to remove an operator after its hook.
/// An operator that is still there then goes on as before, so that a release that
/// was not uninstalled after all loses nothing.
pub(crate) const RELEASED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// Whether a pool is let go now; pure.
pub(crate) fn is_released(pool: &ValidatedPool, now: Timestamp) -> bool {
    pool.released_until.is_some_and(|until| now < until)
}

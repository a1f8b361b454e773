//! Pools that `operator leave` has let go, for a while.

use crate::annotations::RELEASED;
use crds::FileServerPool;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

/// For how long a pool is let go: longer than Helm takes to remove an operator after its hook.
/// An operator that is still there then goes on as before, so that a release that
/// was not uninstalled after all loses nothing.
pub(crate) const RELEASED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// Whether a pool is let go now; pure.
pub(crate) fn is_released(pool: &FileServerPool, now: Timestamp) -> bool {
    released_until(pool).is_some_and(|until| now < until)
}

/// Until when no operator takes the finalizer back, where the pool was let go; pure.
pub(crate) fn released_until(pool: &FileServerPool) -> Option<Timestamp> {
    pool.annotations().get(RELEASED)?.parse().ok()
}

//! Terms of the lease.

use uuid::Uuid;

/// A term for a lease that is being taken: never 0, which stands for none.
pub(crate) fn new_term() -> u64 {
    Uuid::new_v4().as_u64_pair().0 | 1
}

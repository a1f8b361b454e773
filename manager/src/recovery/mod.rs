//! What nodes hold is compared with what the store knows, and one of the two is corrected.

pub(crate) mod adopt;
pub(crate) mod fsck;
pub(crate) mod listed;
pub(crate) mod merge;
pub(crate) mod quarantine;
pub(crate) mod rebuild;
pub(crate) mod set_back;
pub(crate) mod unsettled;

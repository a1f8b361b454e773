//! What nodes hold is compared with what the store knows, and one of the two is corrected.

pub mod adopt;
pub mod fsck;
pub(crate) mod listed;
pub mod merge;
pub mod quarantine;
pub(crate) mod rebuild;
pub mod set_back;
pub(crate) mod unsettled;

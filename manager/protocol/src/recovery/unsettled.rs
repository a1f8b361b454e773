//! A change of a record that another change may precede, and why it has to wait.

use crate::core::Core;
use crate::nodes::CallError;
use crate::store::{Record, StoreError};
use crate::swap::{Changed, swap};
use messages::NodeId;

/// Why a record is not settled yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    /// A node is unavailable, or does not confirm: wait.
    #[error(transparent)]
    Node(#[from] CallError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another change came first.
    #[error("another change came first")]
    Raced,
    /// The upload, or a move, is not over: wait.
    #[error("node {0} is still flushing it")]
    Underway(NodeId),
    /// No copy is whole, and more than one is there: a person has to decide.
    #[error("none of its copies is whole: delete the file, or bring its bytes back")]
    NoneWhole,
    /// The store was set back (rule 17): wait.
    #[error("the store was set back, and nodes have to be merged first")]
    SetBack,
}

/// Swaps in a record that nobody else may have changed.
///
/// # Errors
/// When another change came first, or the store fails.
pub(crate) async fn commit(core: &Core, record: &Record) -> Result<(), Unsettled> {
    match swap(core, record).await? {
        Changed::Done => Ok(()),
        Changed::Lost(_) => Err(Unsettled::Raced),
    }
}

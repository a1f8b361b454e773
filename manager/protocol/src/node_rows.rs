//! The store's rows of nodes.

use crate::core::Core;
use crate::failure::Failure;
use crate::store::{NodeRow, Stay, StoreError};
use messages::{Code, NodeId};

/// How often a change of a row is tried.
pub(crate) const TRIES: usize = 5;

/// The store's row of a node.
///
/// # Errors
/// When the store fails.
pub(crate) async fn row(core: &Core, id: &NodeId) -> Result<Option<NodeRow>, StoreError> {
    Ok(core
        .store
        .nodes()
        .await?
        .into_iter()
        .find(|row| row.id == *id))
}

/// The same of a node that must be there.
///
/// # Errors
/// Code 6 where it is not.
pub(crate) async fn known(core: &Core, id: &NodeId) -> Result<NodeRow, Failure> {
    row(core, id).await?.ok_or_else(|| no_such_node(id))
}

/// The failure where a node is named that the store does not know.
pub(crate) fn no_such_node(id: &NodeId) -> Failure {
    Failure::unknown(format_args!("there is no node {id}"))
}

/// Writes a node's new stay into its row.
///
/// # Errors
/// When the store fails, or others keep changing the row.
pub(crate) async fn set_stay(core: &Core, mut found: NodeRow, stay: Stay) -> Result<(), Failure> {
    let before = found.stay;
    for _ in 0..TRIES {
        if found.stay == stay {
            return Ok(());
        }
        let id = found.id.clone();
        let next = NodeRow {
            stay,
            rev: found.rev + 1,
            ..found
        };
        if core.store.put_node(next).await? {
            return Ok(());
        }
        let again = row(core, &id).await?;
        let again = again.ok_or_else(|| Failure::unknown(format_args!("node {id} is gone")))?;
        // Whoever took it for one that stays must not take the mark back.
        if again.stay == Stay::Abandoned && before != Stay::Abandoned && stay != again.stay {
            return Err(Failure::conflict(format_args!(
                "node {id} is being abandoned"
            )));
        }
        found = again;
    }
    Err(keeps_changing())
}

/// The failure where other changes of the row come first each time.
pub(crate) fn keeps_changing() -> Failure {
    Failure::new(Code::ServersUnavailable).because("the node's row keeps changing")
}

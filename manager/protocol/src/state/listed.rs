//! The nodes that the store lists, joined or not.

use crate::store::{NodeRow, Stay};
use messages::NodeId;
use parking_lot::Mutex;

/// What the store said last: while it is away they are those of before.
#[derive(Default)]
pub struct Listed(Mutex<Vec<NodeId>>);

impl Listed {
    /// Their ids.
    pub fn ids(&self) -> Vec<NodeId> {
        self.0.lock().clone()
    }

    /// Notes them. One that was given up is none any more.
    pub(crate) fn set(&self, rows: &[NodeRow]) {
        let kept = rows.iter().filter(|row| row.stay != Stay::Abandoned);
        *self.0.lock() = kept.map(|row| row.id.clone()).collect();
    }
}

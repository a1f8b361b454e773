//! The records that list a copy on a node, page by page: a node may have more of them
//! than memory, and they change while they are read.

use crate::core::Core;
use crate::store::{Record, StoreError};
use messages::{FileName, NodeId};

/// A reader of such pages, in the order of names.
pub(crate) struct Listed<'a> {
    core: &'a Core,
    node: &'a NodeId,
    page: usize,
    after: Option<FileName>,
}

impl<'a> Listed<'a> {
    /// Reads from the first record on, `page` at a time.
    pub(crate) fn on(core: &'a Core, node: &'a NodeId, page: usize) -> Self {
        Self {
            core,
            node,
            page,
            after: None,
        }
    }

    /// The next records; nothing once there are no more.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Record>>, StoreError> {
        let store = &self.core.store;
        let page = store
            .listed_on(self.node, self.after.as_ref(), self.page)
            .await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.after = Some(last.name.clone());
        Ok(Some(page))
    }
}

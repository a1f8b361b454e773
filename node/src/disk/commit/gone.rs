//! Files that something other than the node removed from its disk.

use super::{Batch, Committer};
use crate::disk::Place;
use crate::disk::lookup::Copy;
use proto::FileName;

impl Committer {
    /// Drops an entry of a copy's name whose file is gone, so that it counts no more. An entry
    /// knows no name, only a hash of it: it goes where the directory has fewer files of that
    /// hash than there are entries. How long the file was nobody knows: its bytes count until
    /// the next start.
    pub(super) fn forget(&mut self, batch: &mut Batch, place: Place, copy: &Copy) {
        for leaf in copy.candidates(&self.shared, place) {
            // What can't be read is not gone, and a directory that is away may come back.
            let Ok(names) = self.shared.names(place, &proto::leaf_path(leaf)) else {
                continue;
            };
            let names = names
                .iter()
                .filter_map(|name| FileName::from_bytes(name).ok());
            let there: Vec<FileName> = names.collect();
            let mut index = self.shared.index_mut(place);
            if index.surplus(&copy.name, leaf, &there) == 0 {
                continue;
            }
            index.remove(&copy.name, leaf);
            drop(index);
            self.release(batch, place, leaf);
            tracing::error!(name = %copy.name, leaf, "a file is gone that this node did not remove");
            return;
        }
    }
}

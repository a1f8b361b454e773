//! Files that something other than the node removed from its disk.

use super::{Batch, Committer};
use crate::disk::Place;
use crate::disk::lookup::Copy;
use proto::FileName;
use rustix::io::Errno;
use std::sync::atomic::Ordering;

impl Committer {
    /// Drops the entries of a copy's name whose files are gone, so that nothing counts them
    /// any more. An entry knows no name, only a hash of it: it goes where the directory
    /// has fewer files of that hash than there are entries.
    pub(super) fn forget(&mut self, batch: &mut Batch, place: Place, copy: &Copy) {
        for leaf in copy.candidates(&self.shared, place) {
            let names = match self.shared.names(place, &proto::leaf_path(leaf)) {
                Ok(names) => names,
                Err(Errno::NOENT) => Vec::new(),
                // What can't be read is not gone.
                Err(_) => continue,
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
            if place == Place::Data {
                let less = |bytes: u64| Some(bytes.saturating_sub(copy.size));
                let bytes = &self.shared.bytes;
                let _ = bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            }
            tracing::error!(name = %copy.name, leaf, "a file is gone that this node did not remove");
            return;
        }
    }
}

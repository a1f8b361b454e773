//! What this process remembers, apart from the tasks that keep it. A restart loses it
//! all; what safety needs of it (`set_back`) holds everything until it is read anew.

mod cache;
pub mod counts;
mod listed;
mod missing;
mod moves;
mod restoring;
mod set_back;
mod store_health;
mod unfinished;

use crate::settings::Settings;
use cache::RecordCache;
use counts::Counts;
use std::sync::Arc;

pub use listed::Listed;
pub(crate) use missing::Denied;
pub use missing::Missing;
#[cfg(test)]
pub use moves::StuckFile;
pub(crate) use moves::{Flow, Told};
pub use moves::{MoveLine, Moves, StuckFiles};
pub(crate) use restoring::Restoring;
pub use set_back::SetBack;
pub(crate) use set_back::{HIGHEST, Marking};
pub use store_health::StoreHealth;
pub(crate) use unfinished::{Progress, Unfinished};

/// All that this process remembers.
pub struct Known {
    /// Balance and drain: what is under way.
    pub moves: Moves,
    /// Records whose bytes a node denied.
    pub missing: Missing,
    /// Records that were read lately.
    pub(crate) cache: RecordCache,
    /// How many records there are, as they were last counted.
    pub counts: Arc<Counts>,
    /// The nodes that the store lists.
    pub listed: Listed,
    /// Whether the store answers.
    pub store_health: StoreHealth,
    /// Merges that were broken off.
    pub(crate) unfinished: Unfinished,
    /// Whether a rebuild still goes on.
    pub(crate) restoring: Restoring,
    /// Whether the store was set back to an earlier state.
    pub set_back: SetBack,
}

impl Known {
    /// Nothing yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            moves: Moves::new(settings),
            missing: Missing::default(),
            cache: RecordCache::new(settings.cached_files),
            counts: Arc::default(),
            listed: Listed::default(),
            store_health: StoreHealth::default(),
            unfinished: Unfinished::default(),
            restoring: Restoring::default(),
            set_back: SetBack::default(),
        }
    }
}

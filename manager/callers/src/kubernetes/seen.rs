//! The tokens that were seen lately. Those that are known have a place of their own, so
//! that a flood of wrong ones drives none of them out; both places are bounded
//! (invariant 9).

use super::slot::Slot;
use super::token::Key;
use super::user::User;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};
use std::convert::Infallible;
use std::sync::Arc;

/// How many tokens are remembered that are not known, or not yet.
pub(super) const STRANGERS: usize = 1024;
/// Parts of a cache with a lock each.
const SHARDS: usize = 16;

/// Whose token it is; nobody's where it is not known.
pub(super) type TokenSlot = Slot<Option<Arc<User>>>;

type Slots = Cache<Key, Arc<TokenSlot>>;

/// The tokens that were seen lately.
pub(super) struct Seen {
    known: Slots,
    strangers: Slots,
}

impl Seen {
    /// Remembers at most so many tokens that are known.
    pub(super) fn new(most: usize) -> Self {
        Self {
            known: bounded(most),
            strangers: bounded(STRANGERS),
        }
    }

    /// The slot of a token; one that is new is a stranger's.
    pub(super) fn slot(&self, key: &Key) -> Arc<TokenSlot> {
        if let Some(slot) = self.known.get(key) {
            return slot;
        }
        let new = || Ok::<_, Infallible>(Arc::default());
        match self.strangers.get_or_insert_with(key, new) {
            Ok(slot) => slot,
            Err(never) => match never {},
        }
    }

    /// Puts a slot where it belongs by the answer it has got. A lookup in between finds
    /// the same slot in either place.
    pub(super) fn place(&self, key: Key, slot: Arc<TokenSlot>, is_known: bool) {
        let (to, from) = match is_known {
            true => (&self.known, &self.strangers),
            false => (&self.strangers, &self.known),
        };
        to.insert(key, slot);
        from.remove(&key);
    }

    /// How many tokens are remembered: known ones, and others.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        (self.known.len(), self.strangers.len())
    }
}

/// A cache of `most` entries. Its shards would round that up; so it is rounded down.
fn bounded(most: usize) -> Slots {
    let most = match most {
        few @ 0..SHARDS => few.max(1),
        many => many - many % SHARDS,
    };
    let mut options = OptionsBuilder::new();
    options.shards(SHARDS).estimated_items_capacity(most);
    let options = options.weight_capacity(most as u64).build();
    Cache::with_options(
        options.expect("both capacities are set"),
        UnitWeighter,
        DefaultHashBuilder::default(),
        Default::default(),
    )
}

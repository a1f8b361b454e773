//! Nodes that were refused lately, for people to see.

use messages::NodeId;
use messages::v1::RefusedFor;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A node tries again every few seconds; one that was not refused for this long has
/// stopped trying.
const FRESH: Duration = Duration::from_secs(60);
/// Refusals that are remembered; further ones are reported to their nodes alone.
const MOST: usize = 10_000;

/// The last refusal of each id.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<BTreeMap<NodeId, Refusal>>);

#[derive(Debug)]
struct Refusal {
    at: Instant,
    pool: String,
    why: String,
    about: RefusedFor,
}

impl Refused {
    pub(super) fn note(
        &self,
        now: Instant,
        id: &NodeId,
        pool: &str,
        why: String,
        about: RefusedFor,
    ) {
        let mut refused = self.0.lock();
        if refused.len() >= MOST {
            refused.retain(|_, refusal| now.duration_since(refusal.at) < FRESH);
        }
        if refused.len() < MOST || refused.contains_key(id) {
            let (at, pool, why) = (now, pool.to_owned(), messages::clip(why));
            let refusal = Refusal {
                at,
                pool,
                why,
                about,
            };
            refused.insert(id.clone(), refusal);
        }
    }

    pub(super) fn forget(&self, id: &NodeId) {
        let mut refused = self.0.lock();
        refused.remove(id);
    }

    pub(super) fn why(&self, now: Instant, id: &NodeId) -> Option<(String, RefusedFor)> {
        let refused = self.0.lock();
        let refusal = refused.get(id)?;
        (now.duration_since(refusal.at) < FRESH).then(|| (refusal.why.clone(), refusal.about))
    }

    /// A node whose volume is of another cluster and that was refused lately: one of
    /// the pool, or of any where `pool` is empty.
    pub(super) fn foreign(&self, now: Instant, pool: &str) -> Option<NodeId> {
        let refused = self.0.lock();
        let mut foreign = refused.iter().filter(|(_, refusal)| {
            let of_pool = pool.is_empty() || refusal.pool == pool;
            of_pool && refusal.about == RefusedFor::Store && now.duration_since(refusal.at) < FRESH
        });
        foreign.next().map(|(id, _)| id.clone())
    }

    /// Which nodes of a pool, or of any, were refused lately, and why.
    pub(super) fn of(&self, now: Instant, pool: &str) -> Vec<(NodeId, String, RefusedFor)> {
        let refused = self.0.lock();
        let fresh = refused.iter().filter(|(_, refusal)| {
            (pool.is_empty() || refusal.pool == pool) && now.duration_since(refusal.at) < FRESH
        });
        fresh
            .map(|(id, refusal)| (id.clone(), refusal.why.clone(), refusal.about))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_by_id_and_by_pool_until_the_node_is_let_in() {
        let refused = Refused::default();
        let now = Instant::now();
        let id = |text: &str| NodeId::new(text).expect("a node id");
        let (volume, other) = (RefusedFor::Volume, RefusedFor::Other);
        refused.note(now, &id("a"), "p", "first".to_owned(), other);
        refused.note(now, &id("a"), "p", "second".to_owned(), volume);
        refused.note(now, &id("b"), "q", "other".to_owned(), RefusedFor::Store);
        assert_eq!(
            refused.why(now, &id("a")),
            Some(("second".to_owned(), volume)),
            "what it is about as well"
        );
        let second = (id("a"), "second".to_owned(), volume);
        assert_eq!(refused.of(now, "p"), std::slice::from_ref(&second));
        let foreign = (id("b"), "other".to_owned(), RefusedFor::Store);
        assert_eq!(refused.of(now, ""), [second, foreign]);
        assert_eq!(refused.foreign(now, "p"), None);
        assert_eq!(refused.foreign(now, "q"), Some(id("b")));
        assert_eq!(refused.foreign(now, ""), Some(id("b")));
        refused.forget(&id("a"));
        assert_eq!(
            (refused.why(now, &id("a")), refused.of(now, "p")),
            (None, vec![])
        );
    }

    #[test]
    fn a_flood_of_ids_is_forgotten_and_known_ones_are_not() {
        let refused = Refused::default();
        let now = Instant::now();
        let id = |n: usize| NodeId::new(&format!("n{n}")).expect("a node id");
        for n in 0..=MOST {
            refused.note(now, &id(n), "p", "first".to_owned(), RefusedFor::Other);
        }
        refused.note(now, &id(0), "p", "again".to_owned(), RefusedFor::Other);
        assert_eq!(refused.of(now, "").len(), MOST);
        let again = refused.why(now, &id(0)).map(|(why, _)| why);
        assert_eq!(again.as_deref(), Some("again"));
        assert_eq!(refused.why(now, &id(MOST)), None);
    }
}

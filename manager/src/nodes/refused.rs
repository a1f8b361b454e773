//! Who came under a known id lately and was not let in, for people to see.

use proto::NodeId;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A node tries again every few seconds; one that was not refused for this long
/// has given up.
const FRESH: Duration = Duration::from_secs(60);

/// The last refusal of each id. Only ids that have a row come in here, so there
/// are no more than those.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<BTreeMap<NodeId, (Instant, String)>>);

impl Refused {
    pub(super) fn note(&self, id: &NodeId, why: String) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(id.clone(), (Instant::now(), why));
    }

    pub(super) fn forget(&self, id: &NodeId) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.remove(id);
    }

    pub(super) fn why(&self, id: &NodeId) -> Option<String> {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, why) = refused.get(id)?;
        (at.elapsed() < FRESH).then(|| why.clone())
    }
}

//! How many records there are, in all or of one node: for people and for drains. A database
//! has to count them, which may take minutes: that is done in steps in the background, one
//! count at a time of each kind, and the last result is shown with its age. Where it matters
//! whether the number is zero, the store is asked for one record instead.

use crate::fit::Load;
use crate::store::{Store, StoreError, Which};
use crate::world::World;
use messages::{FileName, NodeId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Records in one step; a step has to end within the store's deadline of a call.
const STEP: usize = 10_000;
/// A result is shown for this many times as long as the count took.
const PATIENCE: u32 = 20;
/// How long a caller waits for a count that is under way.
pub const WAIT: Duration = Duration::from_millis(300);
/// Results that nobody asked for in this time are dropped.
const UNASKED: Duration = Duration::from_secs(600);

/// What was counted, and how long ago.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The sum.
    pub load: Load,
    /// Since the count ended.
    pub age: Duration,
}

#[derive(Clone, Copy)]
struct Result {
    load: Load,
    at: Instant,
    took: Duration,
}

struct Entry {
    last: Option<Result>,
    /// Changes when the count under way has ended.
    running: Option<watch::Receiver<()>>,
    asked: Instant,
}

/// The last counts; the key `None` is that of all visible files.
#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<Option<NodeId>, Entry>>);

impl Counts {
    /// The last count; where it is old, a new one is begun. `None` where the first
    /// count does not end within `wait`.
    pub async fn get(
        self: &Arc<Self>,
        world: &World,
        store: &Arc<dyn Store>,
        of: Option<&NodeId>,
        wait: Duration,
    ) -> Option<Counted> {
        let of = of.cloned();
        if let Some(mut running) = self.begin(world, store, &of) {
            // The wait also ends when the sender is dropped.
            let _ = world.timeout(wait, running.changed()).await;
        }
        let known = self.0.lock();
        let last = known.get(&of)?.last?;
        Some(Counted {
            load: last.load,
            age: world.now().duration_since(last.at),
        })
    }

    /// Begins a count unless the last one is fresh or one is under way; returns what
    /// the caller can wait for.
    fn begin(
        self: &Arc<Self>,
        world: &World,
        store: &Arc<dyn Store>,
        of: &Option<NodeId>,
    ) -> Option<watch::Receiver<()>> {
        let now = world.now();
        let mut known = self.0.lock();
        known.retain(|_, entry| entry.running.is_some() || now < entry.asked + UNASKED);
        let entry = known.entry(of.clone()).or_insert_with(|| Entry {
            last: None,
            running: None,
            asked: now,
        });
        entry.asked = now;
        if let Some(running) = &entry.running {
            return Some(running.clone());
        }
        let fresh = |last: Result| now.duration_since(last.at) < last.took * PATIENCE;
        if entry.last.is_some_and(fresh) {
            return None;
        }
        let (ended, running) = watch::channel(());
        entry.running = Some(running.clone());
        let (counts, store, of) = (self.clone(), store.clone(), of.clone());
        let clock = world.clone();
        world.spawn(async move {
            let begun = clock.now();
            let counted = count(&*store, of.as_ref()).await;
            let mut known = counts.0.lock();
            if let Some(entry) = known.get_mut(&of) {
                entry.running = None;
                match counted {
                    Ok(load) => {
                        let at = clock.now();
                        let took = at.duration_since(begun);
                        entry.last = Some(Result { load, at, took });
                    }
                    Err(error) => tracing::debug!(%error, "a count of records broke off"),
                }
            }
            drop(known);
            ended.send_replace(());
        });
        Some(running)
    }
}

/// Counts to the end, step by step.
///
/// # Errors
/// When the store fails.
pub async fn count(
    store: &dyn Store,
    of: Option<&NodeId>,
) -> std::result::Result<Load, StoreError> {
    let mut load = Load::default();
    let mut after: Option<FileName> = None;
    loop {
        let which = of.map_or(Which::Visible, Which::ListedOn);
        let step = store.count(which, after.as_ref(), STEP).await?;
        load.add(Load {
            files: step.files,
            bytes: step.bytes,
            largest: step.largest,
        });
        match step.last {
            Some(last) => after = Some(last),
            None => return Ok(load),
        }
    }
}

/// How many records list a node. It is zero exactly where no record lists the node,
/// however old the count is (rule 15). `None` where the first count is not over.
///
/// # Errors
/// When the store fails.
pub async fn listed_on(
    counts: &Arc<Counts>,
    world: &World,
    store: &Arc<dyn Store>,
    node: &NodeId,
    wait: Duration,
) -> std::result::Result<Option<Load>, StoreError> {
    if store.listed_on(node, None, 1).await?.is_empty() {
        return Ok(Some(Load::default()));
    }
    let counted = counts.get(world, store, Some(node), wait).await;
    Ok(counted.map(|counted| Load {
        files: counted.load.files.max(1),
        ..counted.load
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Memory;
    use crate::sim::sample;
    use crate::store::State;
    use crate::testing::world;

    #[tokio::test]
    async fn zero_is_exact_whatever_was_counted_before() {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let world = world();
        let counts = Arc::<Counts>::default();
        let record = sample::record("a", 9);
        let node = record.node.clone();
        let left = |load: Option<Load>| load.expect("a small store is counted at once").files;
        let listed = async || {
            listed_on(&counts, &world, &store, &node, WAIT)
                .await
                .expect("read")
        };
        assert_eq!(left(listed().await), 0);
        store.insert(record.clone()).await.expect("stored");
        assert_eq!(left(listed().await), 1);
        store
            .remove(&record.name, record.id, 1)
            .await
            .expect("removed");
        assert_eq!(left(listed().await), 0);
    }

    #[tokio::test]
    async fn steps_add_up_to_all_records() {
        let store = Memory::default();
        for i in 0..25 {
            let mut record = sample::record(&format!("f{i}"), i);
            if i == 24 {
                record.state = State::Pending;
            }
            store.insert(record).await.expect("stored");
        }
        let load = count(&store, Some(&sample::node("n1")))
            .await
            .expect("counted");
        assert_eq!((load.files, load.bytes, load.largest), (25, 300, 24));
        let all = count(&store, None).await.expect("counted");
        assert_eq!((all.files, all.bytes), (24, 276));
    }
}

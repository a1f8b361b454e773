//! The lease for the leader's work (rule 10): balance, drains, the janitor. It is taken
//! only after its counter stood still for 3 s (`TERM`) on this process's own clock. No
//! safety rests on it.

use crate::core::Core;
use crate::recovery::set_back;
use crate::store::{Lease, StoreError};
use crate::upkeep::abandon;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a lease stands without being renewed.
const TERM: Duration = Duration::from_secs(3);
/// How often the lease is renewed by its holder, and read by the others.
const BEAT: Duration = Duration::from_millis(500);

/// The manager that leads, if it is not this one; pure. `number` is that of this
/// manager's own lease, 0 for none, and `lease` the one in a shared store.
pub fn elsewhere(number: u64, lease: Option<&Lease>) -> Option<String> {
    let lease = lease.filter(|_| number == 0)?;
    let parts: Vec<_> = lease.holder.split('/').collect();
    Some(match parts[..] {
        [at, _process, _one] => at.to_owned(),
        // Written by the release before, or by a rebuild.
        _ => "another one".to_owned(),
    })
}

/// The manager that leads, if it is not this one. Where the store does not say so, nobody
/// is named.
pub async fn other(core: &Core) -> Option<String> {
    let lease = match core.store.is_shared() {
        true => core.store.lease().await.unwrap_or_default(),
        false => None,
    };
    elsewhere(core.lead.number(), lease.as_ref())
}

/// Holds the lease whenever it can, until the token is cancelled: then it stops
/// wherever it waits, as in a crash.
pub async fn run(core: Arc<Core>, holder: String, shutdown: CancellationToken) {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => {}
        () = hold(&core, &holder) => {}
    }
    core.lead.hold(0);
}

async fn hold(core: &Arc<Core>, holder: &str) {
    let mut watch = Watch::default();
    let mut held: Option<Lease> = None;
    loop {
        let beaten = match beat(core, holder, held, &mut watch).await {
            Ok(Some(lease)) => overtake(core, holder, lease).await.map(Some),
            other => other,
        };
        held = match beaten {
            Ok(lease) => lease,
            Err(error) => {
                tracing::warn!(%error, "the lease can't be renewed");
                None
            }
        };
        if held.is_some() {
            look_back(core, held.as_ref()).await;
        }
        core.lead
            .hold(held.as_ref().map_or(0, |lease| lease.number));
        match set_back::look(core).await {
            Ok(rows) => {
                core.known.listed.set(&rows);
                abandon::object(core, rows).await;
            }
            Err(error) => tracing::debug!(%error, "the nodes' rows can't be read"),
        }
        core.world.sleep(BEAT).await;
    }
}

async fn beat(
    core: &Arc<Core>,
    holder: &str,
    held: Option<Lease>,
    watch: &mut Watch,
) -> Result<Option<Lease>, StoreError> {
    if let Some(lease) = held {
        return match core.store.renew_lease(&lease).await? {
            Ok(lease) => Ok(Some(lease)),
            Err(other) => {
                tracing::warn!(?other, "another manager leads now");
                look_back(core, other.as_ref()).await;
                Ok(None)
            }
        };
    }
    let seen = core.store.lease().await?;
    look_back(core, seen.as_ref()).await;
    if !watch.stood_still(seen.as_ref(), core.world.now()) {
        return Ok(None);
    }
    match core.store.take_lease(seen.as_ref(), holder).await? {
        Ok(lease) => {
            tracing::info!(number = lease.number, "leading");
            Ok(Some(lease))
        }
        Err(_) => Ok(None),
    }
}

/// If the lease's history lacks a beat that was read before, the store was set back
/// (rule 17).
async fn look_back(core: &Arc<Core>, seen: Option<&Lease>) {
    if !core.lead.note_beat(seen) {
        return;
    }
    tracing::warn!("the store was set back to an earlier state: every node is merged anew");
    while let Err(error) = set_back::begin(core).await {
        tracing::warn!(%error, "the merge waits for the store");
        core.world.sleep(BEAT).await;
    }
}

/// Raises the number above all that nodes have seen: a store that was lost or
/// set back counts from below, and nodes obey only the highest.
async fn overtake(core: &Core, holder: &str, mut lease: Lease) -> Result<Lease, StoreError> {
    while lease.number <= core.lead.floor() {
        match core.store.take_lease(Some(&lease), holder).await? {
            Ok(higher) => lease = higher,
            Err(_) => break,
        }
    }
    Ok(lease)
}

/// Watches a lease that another manager holds.
#[derive(Default)]
struct Watch {
    last: Option<(u64, u64, Instant)>,
}

impl Watch {
    /// Whether the lease did not change for [`TERM`]; one that was never taken is free.
    fn stood_still(&mut self, seen: Option<&Lease>, now: Instant) -> bool {
        let Some(lease) = seen else { return true };
        match self.last {
            Some((number, counter, since))
                if number == lease.number && counter == lease.counter =>
            {
                now.duration_since(since) >= TERM
            }
            _ => {
                self.last = Some((lease.number, lease.counter, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Memory;
    use crate::testing::core_on;

    #[test]
    fn the_manager_that_leads_is_named_by_the_others() {
        let lease = |holder: String| Lease {
            holder,
            number: 3,
            counter: 9,
            term: 1,
            begun: 0,
        };
        let other = lease("machine:9000/7/some-id".to_owned());
        let named = elsewhere(0, Some(&other)).expect("another one leads");
        assert_eq!(named, "machine:9000");
        assert_eq!(elsewhere(3, Some(&other)), None, "this one leads");
        assert_eq!(elsewhere(0, None), None);
        let earlier = elsewhere(0, Some(&lease("77/some-id".to_owned())));
        assert_eq!(earlier.as_deref(), Some("another one"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_while_it_waits_for_the_store_to_note_that_it_was_set_back() {
        let store = Memory::default();
        store.be_away(true);
        let core = core_on(Arc::new(store));
        let earlier = Lease {
            holder: "a".to_owned(),
            number: 1,
            counter: 9,
            term: 1,
            begun: 0,
        };
        core.lead.note_beat(Some(&earlier));
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(core.clone(), "b".to_owned(), shutdown.clone()));
        tokio::time::sleep(TERM).await;
        assert!(!running.is_finished());
        shutdown.cancel();
        let ended = tokio::time::timeout(BEAT, running).await;
        ended.expect("it ends").expect("no panic");
        assert!(
            core.known.set_back.holds(),
            "nothing goes on before all is noted"
        );
        assert_eq!(core.lead.number(), 0);
    }

    #[test]
    fn a_lease_is_free_only_after_a_whole_term_without_a_beat() {
        let mut watch = Watch::default();
        let start = Instant::now();
        let lease = |counter| Lease {
            holder: "a".to_owned(),
            number: 1,
            counter,
            term: 1,
            begun: 0,
        };
        assert!(watch.stood_still(None, start));
        assert!(!watch.stood_still(Some(&lease(1)), start));
        assert!(!watch.stood_still(Some(&lease(1)), start + TERM / 2));
        assert!(!watch.stood_still(Some(&lease(2)), start + TERM));
        assert!(!watch.stood_still(Some(&lease(2)), start + TERM + TERM / 2));
        assert!(watch.stood_still(Some(&lease(2)), start + TERM * 2));
    }
}

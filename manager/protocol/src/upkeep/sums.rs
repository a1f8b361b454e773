//! Puts the sums of owners right that a lost outcome has left too high.

use crate::core::Core;
use std::sync::Arc;
use std::time::Duration;

/// The time between two turns: whatever of a change was under way at one has ended, or
/// shows, at the next.
const TURN: Duration = Duration::from_secs(60);

/// Takes a turn each minute, while this manager leads.
pub async fn keep(core: Arc<Core>) {
    loop {
        core.world.sleep(TURN).await;
        if core.lead.number() == 0 {
            continue;
        }
        if let Err(error) = core.store.recount().await {
            tracing::debug!(%error, "the sums of owners are counted again later");
        }
    }
}

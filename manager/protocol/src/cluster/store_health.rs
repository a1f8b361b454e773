//! Whether the store answers, for people and probes: it is asked once a second.

use crate::core::Core;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// How often the store is asked.
const LOOK: Duration = Duration::from_secs(1);

/// Asks the store again and again.
pub async fn watch(core: Arc<Core>) {
    loop {
        let away = core.store.ping().await.err();
        core.known
            .store_health
            .set(away.map(|error| innermost(&error).to_string()));
        core.world.sleep(LOOK).await;
    }
}

/// The innermost cause of the store's error, which says most.
fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

//! A pool that this release can't read, since a newer release or a person wrote it, is
//! skipped, and holds up no other.

use crate::context::Context;
use crate::events::event;
use crate::names::PoolName;
use crate::raw::RawPool;
use kube::Resource;
use kube::runtime::events::EventType;

/// Reports, once for each change of a pool, that it can't be read. One that another
/// release serves is left to that release.
pub(super) async fn skip(pool: &RawPool, context: &Context, error: &anyhow::Error) {
    let name = PoolName::of(pool);
    let owner = context.release.owner();
    if pool.managed_by().is_some_and(|by| by != owner) {
        return;
    }
    if !context.note_unreadable(&name, pool.metadata.generation) {
        return;
    }
    tracing::warn!(
        pool = name.at_manager(),
        error = format!("{error:#}"),
        "can't be read: it is left as it is"
    );
    let note = format!(
        "this operator can't read the pool, and leaves it as it is: {error:#}. Set that back, or \
         upgrade the release"
    );
    let event = event(EventType::Warning, "Unreadable", "Read", note);
    context.publish(&pool.object_ref(&()), event).await;
}

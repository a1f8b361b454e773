//! A drain on a person's order: an annotation names a node that is emptied and stays in
//! its pool, such as one whose claim was deleted while in use.

use crate::annotations::DRAIN;
use crate::context::Context;
use crate::events::event;
use crate::managers::Bearer;
use crate::trouble::DrainRefused;
use crate::validate::{DrainOrder, ValidatedPool};
use kube::runtime::events::EventType;

/// Orders the drain that the annotation names, if there is one, and removes the
/// annotation. From then on the managers keep the order.
///
/// # Errors
/// Why it is not ordered; the annotation stays then.
pub(crate) async fn drain(
    context: &Context,
    bearer: &Bearer,
    pool: &ValidatedPool,
) -> Result<(), DrainRefused> {
    let name = &pool.name;
    let ordinal = match pool.orders.drain {
        None => return Ok(()),
        Some(DrainOrder::Malformed) => return Err(DrainRefused::Malformed),
        Some(DrainOrder::Node(ordinal)) => ordinal,
    };
    let ordered = context.managers.drain(bearer, name, &[ordinal]).await;
    ordered.map_err(|status| DrainRefused::Managers {
        ordinal,
        why: status.message().to_owned(),
    })?;
    let note = format!("{} gives its files to the others", name.pod(ordinal));
    let event = event(EventType::Normal, "Draining", "Drain", note);
    context.publish(&pool.reference, event).await;
    let done = context.annotate(name, &[(DRAIN, None)]).await;
    done.map_err(|error| DrainRefused::Api(error.to_string()))
}

//! Abandoning a lost node on a person's order: an annotation names it and its volume.

use crate::annotations::{ABANDON, ABANDON_BEGUN};
use crate::context::Context;
use crate::events::event;
use crate::managers::{Bearer, View};
use crate::mark;
use crate::names::PoolName;
use crate::plan::Mark;
use crate::plan::store::Doubt;
use crate::trouble::AbandonRefused;
use crate::validate::{AbandonOrder, ValidatedPool};
use kube::runtime::events::EventType;
use proto::v1::AbandonReply;
use uuid::Uuid;

/// What is left to do for an order.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The managers have to abandon the node, or say why not.
    Order,
    /// They abandoned it, and the operator that ordered it ended before the rest was done.
    Finish,
    /// Whether they abandoned it is not known: their store may be another one.
    Wait,
}

/// What is left to do; pure. `known` is the volume by which the managers know the node.
/// A node that they do not know counts as abandoned only where the order was noted
/// before, and where the store knows all else of the pool (`is_ours`): a store of
/// others would not know the node either.
fn next(volume: Uuid, has_begun: bool, known: Option<Uuid>, is_ours: bool) -> Next {
    match has_begun && known != Some(volume) {
        true if is_ours => Next::Finish,
        true => Next::Wait,
        false => Next::Order,
    }
}

/// Whether the store is the pool's own, leaving aside a node that may be abandoned.
fn is_ours(doubt: Option<&Doubt>, given_up: i32) -> bool {
    match doubt {
        None => true,
        Some(Doubt::Unknown { ordinal, more: 0 } | Doubt::Replaced { ordinal }) => {
            *ordinal == given_up
        }
        Some(Doubt::Unknown { .. } | Doubt::Refused { .. }) => false,
    }
}

/// Carries out the annotation's order, if there is one, and removes the annotation.
/// Returns whether it did, since what was observed of the pool before is outdated then.
/// If the operator ends in between, the next one continues: the order is noted on the
/// pool before managers get it, and the note is removed at the end.
///
/// # Errors
/// Why the order is not carried out; the annotation stays then.
pub(crate) async fn abandon(
    context: &Context,
    bearer: &Bearer,
    pool: &ValidatedPool,
    view: &View,
    doubt: Option<&Doubt>,
) -> Result<bool, AbandonRefused> {
    let failed = |error: kube::Error| AbandonRefused::Api(error.to_string());
    let name = &pool.name;
    let (ordinal, volume, text, has_begun) = match &pool.orders.abandon {
        None => return Ok(false),
        Some(AbandonOrder::TakenBack) => {
            // A later one begins anew.
            let gone = [(ABANDON_BEGUN, None)];
            context.annotate(name, &gone).await.map_err(failed)?;
            return Ok(false);
        }
        Some(AbandonOrder::Malformed) => return Err(AbandonRefused::Malformed),
        Some(AbandonOrder::Node {
            ordinal,
            volume,
            text,
            has_begun,
        }) => (*ordinal, *volume, text, *has_begun),
    };
    let known = view.nodes.get(&ordinal).map(|(known, _)| known.volume);
    let cost = match next(volume, has_begun, known, is_ours(doubt, ordinal)) {
        Next::Order => {
            let cost = order(context, bearer, name, (ordinal, volume), text).await?;
            format!(": {} files, {} bytes", cost.files, cost.bytes)
        }
        Next::Finish => String::new(),
        Next::Wait => return Err(AbandonRefused::Untold(ordinal)),
    };
    // What its claim holds is not missed any more, unless another volume joined since:
    // then the next reconcile marks the claim.
    if known.is_none_or(|known| known == volume || known.is_nil()) {
        mark::write(&context.client, name, (ordinal, Mark::Empty))
            .await
            .map_err(failed)?;
    }
    let done = [(ABANDON, None), (ABANDON_BEGUN, None)];
    context.annotate(name, &done).await.map_err(failed)?;
    let pod = name.pod(ordinal);
    let note = format!("{pod} is given up with volume {volume}{cost}");
    let event = event(EventType::Warning, "NodeAbandoned", "Abandon", note);
    context.publish(&pool.reference, event).await;
    Ok(true)
}

/// Orders the managers to abandon the node; returns what that cost.
async fn order(
    context: &Context,
    bearer: &Bearer,
    name: &PoolName,
    (ordinal, volume): (i32, Uuid),
    text: &str,
) -> Result<AbandonReply, AbandonRefused> {
    let node_id = name.node_id(ordinal);
    let refused = |status: tonic::Status| AbandonRefused::Managers {
        ordinal,
        why: status.message().to_owned(),
    };
    let ask = |lose| context.managers.abandon(bearer, &node_id, volume, lose);
    // The annotation names node and volume; how many files that costs was stated
    // in the condition that suggested it. Managers that do not know this node with
    // this volume refuse here.
    let cost = ask(None).await.map_err(refused)?;
    let noted = context.annotate(name, &[(ABANDON_BEGUN, Some(text))]).await;
    noted.map_err(|error| AbandonRefused::Api(error.to_string()))?;
    let done = ask(Some(cost.files)).await.map_err(refused)?;
    tracing::warn!(node = node_id, %volume, files = done.files, "given up");
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_was_carried_out_is_finished_and_no_other() {
        let (volume, other) = (Uuid::max(), Uuid::from_u128(1));
        for (has_begun, known, wanted) in [
            (false, Some(volume), Next::Order),
            // The managers say that they do not know it: this store never gave it up.
            (false, None, Next::Order),
            (false, Some(other), Next::Order),
            (true, Some(volume), Next::Order),
            (true, None, Next::Finish),
            (true, Some(Uuid::nil()), Next::Finish),
            // It came back with a new volume meanwhile.
            (true, Some(other), Next::Finish),
        ] {
            assert_eq!(
                next(volume, has_begun, known, true),
                wanted,
                "{has_begun} {known:?}"
            );
        }
        assert_eq!(next(volume, true, None, false), Next::Wait);
        assert_eq!(next(volume, false, None, false), Next::Order);
    }

    #[test]
    fn a_store_that_knows_none_of_the_others_either_gave_nobody_up() {
        let unknown = |ordinal, more| Doubt::Unknown { ordinal, more };
        assert!(is_ours(None, 2));
        assert!(is_ours(Some(&unknown(2, 0)), 2));
        assert!(is_ours(Some(&Doubt::Replaced { ordinal: 2 }), 2));
        assert!(!is_ours(Some(&unknown(2, 1)), 2));
        assert!(!is_ours(Some(&unknown(1, 0)), 2));
        assert!(!is_ours(Some(&Doubt::Replaced { ordinal: 0 }), 2));
    }
}

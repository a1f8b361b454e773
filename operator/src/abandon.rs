//! A person gives a lost node up, by an annotation that names it and its volume.

use crate::annotations::ABANDON;
use crate::context::Context;
use crate::events::event;
use crate::managers::{Bearer, View};
use crate::mark;
use crate::names::PoolName;
use crate::plan::Mark;
use crate::plan::store::Doubt;
use crds::FileServerPool;
use kube::ResourceExt;
use kube::runtime::events::EventType;
use proto::v1::AbandonReply;
use uuid::Uuid;

/// The value of [`ABANDON`], written by the operator once managers know node and
/// volume, and before it has them given up.
const BEGUN: &str = "fileserver.dev/abandon-begun";

/// The node and the volume that an annotation names; pure.
///
/// # Errors
/// Says what it has to look like.
pub fn parse(name: &PoolName, text: &str) -> Result<(i32, Uuid), String> {
    let wanted = || {
        format!(
            "annotation {ABANDON}: must be <node>/<volume-id> of this pool, such as {}/…",
            name.pod(0)
        )
    };
    let (node, volume) = text.split_once('/').ok_or_else(wanted)?;
    let ordinal = name.ordinal(node).ok_or_else(wanted)?;
    let volume: Uuid = volume.parse().map_err(|_| wanted())?;
    if volume.is_nil() {
        // That is no volume: a node that never joined has none that could be lost.
        return Err(wanted());
    }
    Ok((ordinal, volume))
}

/// What is left to do of an order.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The managers have to give the node up, or say why not.
    Order,
    /// They did so, and whoever ordered it ended before the rest was done.
    Finish,
    /// Whether they did so is not known: their store may be another one.
    Wait,
}

/// What is left to do, pure: `known` is the volume by which the managers know the node.
/// A node that they do not know was given up only where the order to do so was noted
/// before, and where it is all that this store does not know: any other store does not
/// know it either.
fn next(volume: Uuid, has_begun: bool, known: Option<Uuid>, is_ours: bool) -> Next {
    match has_begun && known != Some(volume) {
        true if is_ours => Next::Finish,
        true => Next::Wait,
        false => Next::Order,
    }
}

/// Whether the store is the pool's own, but for a node that may have been given up.
fn is_ours(doubt: Option<&Doubt>, given_up: i32) -> bool {
    match doubt {
        None => true,
        Some(Doubt::Unknown { ordinal, more: 0 } | Doubt::Replaced { ordinal }) => {
            *ordinal == given_up
        }
        Some(Doubt::Unknown { .. } | Doubt::Refused { .. }) => false,
    }
}

/// Does what the annotation orders, if there is one, and takes it away; answers whether
/// there was one, so that what was seen of the pool before holds no more. Whoever ends
/// in between is followed by one who goes on: the order is noted on the pool before
/// managers get it, and the note goes last.
///
/// # Errors
/// Why it is not done; the annotation stays then.
pub async fn abandon(
    context: &Context,
    bearer: &Bearer,
    pool: &FileServerPool,
    name: &PoolName,
    view: &View,
    doubt: Option<&Doubt>,
) -> Result<bool, String> {
    let failed = |error: kube::Error| error.to_string();
    let begun = pool.annotations().get(BEGUN);
    let Some(text) = pool.annotations().get(ABANDON) else {
        if begun.is_some() {
            // A person took the order back: a later one begins anew.
            let gone = [(BEGUN, None)];
            context.annotate(name, &gone).await.map_err(failed)?;
        }
        return Ok(false);
    };
    let (ordinal, volume) = parse(name, text)?;
    let known = view.nodes.get(&ordinal).map(|(known, _)| known.volume);
    let has_begun = begun == Some(text);
    let cost = match next(volume, has_begun, known, is_ours(doubt, ordinal)) {
        Next::Order => {
            let cost = order(context, bearer, name, (ordinal, volume), text).await?;
            format!(": {} files, {} bytes", cost.files, cost.bytes)
        }
        Next::Finish => String::new(),
        Next::Wait => {
            let pod = name.pod(ordinal);
            return Err(format!(
                "whether {pod} was given up is known once the managers' store is the one that \
                 was told to"
            ));
        }
    };
    // Nobody misses what its claim holds any more; unless another volume joined since,
    // of which the next look says so.
    if known.is_none_or(|known| known == volume || known.is_nil()) {
        mark::write(&context.client, name, (ordinal, Mark::Empty))
            .await
            .map_err(failed)?;
    }
    let done = [(ABANDON, None), (BEGUN, None)];
    context.annotate(name, &done).await.map_err(failed)?;
    let pod = name.pod(ordinal);
    let note = format!("{pod} is given up with volume {volume}{cost}");
    let event = event(EventType::Warning, "NodeAbandoned", "Abandon", note);
    context.publish(pool, event).await;
    Ok(true)
}

/// Has the managers give the node up; answers what that cost.
async fn order(
    context: &Context,
    bearer: &Bearer,
    name: &PoolName,
    (ordinal, volume): (i32, Uuid),
    text: &str,
) -> Result<AbandonReply, String> {
    let node_id = name.node_id(ordinal);
    let refused = |status: tonic::Status| {
        format!(
            "{} is not given up: {}",
            name.pod(ordinal),
            status.message()
        )
    };
    let ask = |lose| context.managers.abandon(bearer, &node_id, volume, lose);
    // The annotation names node and volume; how many files that costs has been
    // told in the condition that asked for it. They know both, or refuse here.
    let cost = ask(None).await.map_err(refused)?;
    let noted = context.annotate(name, &[(BEGUN, Some(text))]).await;
    noted.map_err(|error| error.to_string())?;
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

    #[test]
    fn an_annotation_names_a_node_of_the_pool_and_its_volume() {
        let name = PoolName {
            namespace: "a".to_owned(),
            name: "p".to_owned(),
        };
        let volume = Uuid::max();
        assert_eq!(parse(&name, &format!("p-node-2/{volume}")), Ok((2, volume)));
        for bad in [
            "",
            "p-node-2",
            "p-node-2/x",
            "q-node-2/ffffffff-ffff-ffff-ffff-ffffffffffff",
            "p-node-2/00000000-0000-0000-0000-000000000000",
        ] {
            let why = parse(&name, bad).expect_err(bad);
            assert!(why.contains(ABANDON) && why.contains("p-node-0"), "{why}");
        }
    }
}

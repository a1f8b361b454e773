//! A drain on a person's order: an annotation names a node that is emptied and stays in
//! its pool, such as one whose claim was deleted while in use.

use crate::annotations::DRAIN;
use crate::context::Context;
use crate::events::event;
use crate::managers::Bearer;
use crate::names::PoolName;
use crds::FileServerPool;
use kube::ResourceExt;
use kube::runtime::events::EventType;

/// The node that an annotation names; pure.
///
/// # Errors
/// Says what the annotation must be.
pub(crate) fn parse(name: &PoolName, text: &str) -> Result<i32, String> {
    let ordinal = name.ordinal(text);
    ordinal.ok_or_else(|| {
        format!(
            "annotation {DRAIN}: must be a node of this pool, such as {}",
            name.pod(0)
        )
    })
}

/// Orders the drain that the annotation names, if there is one, and removes the
/// annotation. From then on the managers keep the order.
///
/// # Errors
/// Why it is not ordered; the annotation stays then.
pub(crate) async fn drain(
    context: &Context,
    bearer: &Bearer,
    pool: &FileServerPool,
    name: &PoolName,
) -> Result<(), String> {
    let Some(text) = pool.annotations().get(DRAIN) else {
        return Ok(());
    };
    let ordinal = parse(name, text)?;
    let ordered = context.managers.drain(bearer, name, &[ordinal]).await;
    ordered
        .map_err(|status| format!("{} is not drained: {}", name.pod(ordinal), status.message()))?;
    let note = format!("{} gives its files to the others", name.pod(ordinal));
    let event = event(EventType::Normal, "Draining", "Drain", note);
    context.publish(pool, event).await;
    let done = context.annotate(name, &[(DRAIN, None)]).await;
    done.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_names_a_node_of_the_pool() {
        let name = PoolName {
            namespace: "a".to_owned(),
            name: "p".to_owned(),
        };
        assert_eq!(parse(&name, "p-node-2"), Ok(2));
        for bad in ["", "p-node-", "q-node-2", "b/p-node-2"] {
            let why = parse(&name, bad).expect_err(bad);
            assert!(why.contains(DRAIN) && why.contains("p-node-0"), "{why}");
        }
    }
}

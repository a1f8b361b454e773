//! A person gives a lost node up, by an annotation that names it and its volume.

use crate::context::Context;
use crate::events::event;
use crate::managers::Bearer;
use crate::mark;
use crate::names::PoolName;
use crate::plan::store::Mark;
use crds::FileServerPool;
use kube::ResourceExt;
use kube::runtime::events::EventType;
use uuid::Uuid;

/// `<node>/<volume-id>`.
pub const ABANDON: &str = "fileserver.dev/abandon";

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

/// Does what the annotation orders, if there is one, and takes it away.
///
/// # Errors
/// Why it is not done; the annotation stays then.
pub async fn abandon(
    context: &Context,
    bearer: &Bearer,
    pool: &FileServerPool,
    name: &PoolName,
) -> Result<(), String> {
    let Some(text) = pool.annotations().get(ABANDON) else {
        return Ok(());
    };
    let (ordinal, volume) = parse(name, text)?;
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
    // told in the condition that asked for it.
    let cost = ask(None).await.map_err(refused)?;
    let done = ask(Some(cost.files)).await.map_err(refused)?;
    tracing::warn!(node = node_id, %volume, files = done.files, "given up");
    // Nobody misses what its claim holds any more.
    mark::write(&context.client, name, (ordinal, Mark::Empty))
        .await
        .map_err(|error| error.to_string())?;
    let note = format!(
        "{} is given up with volume {volume}: {} files, {} bytes",
        name.pod(ordinal),
        done.files,
        done.bytes
    );
    context
        .publish(
            pool,
            event(EventType::Warning, "NodeAbandoned", "Abandon", note),
        )
        .await;
    let done = context.annotate(name, &[(ABANDON, None)]).await;
    done.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

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

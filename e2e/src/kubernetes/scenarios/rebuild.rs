//! The volume of the embedded store is lost, and a value of the chart has its
//! records restored from the nodes.

use super::{POOL, World, stranger, upgrade};
use crate::kubernetes::release::values;
use anyhow::Result;
use serde_json::json;

/// The pool's nodes.
const NODES: i32 = 3;

pub(super) async fn run(world: &mut World) -> Result<String> {
    let release = world.release.clone();
    let manager = format!("{}-manager-0", release.full_name());
    release.lose_volume(&manager).await?;
    // The nodes don't take an empty store for theirs.
    let held = stranger::holds(world).await?;
    let mut rebuilding = values();
    rebuilding["manager"] = json!({ "rebuild": { "nodes": NODES } });
    let mut compared = 0;
    for values in [rebuilding, values()] {
        release.helm("upgrade", &values)?;
        upgrade::rolled_out(world)?;
        release.ready(POOL, NODES).await?;
        compared = world.compare().await?;
    }
    Ok(format!(
        "an empty store was refused and {held}; its records restored from the nodes; {compared} \
         compared"
    ))
}

//! The command `manager rebuild`: lets the nodes join an empty store, restores their
//! records, and ends when as many nodes as asked for are merged.

use crate::config::RebuildArgs;
use crate::nodes::NodeNetwork;
use crate::serve::{listen, serve_grpc};
use crate::world::world;
use anyhow::{Context, bail};
use futures::TryStreamExt;
use kit::spans::Tracer;
use manager_protocol::cluster::leader;
use manager_protocol::core::Core;
use manager_protocol::recovery::quarantine;
use manager_protocol::settings::Settings;
use manager_protocol::state::counts;
use manager_protocol::store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it checks whether the nodes are merged.
const LOOK: Duration = Duration::from_millis(200);

/// `manager rebuild`.
///
/// # Errors
/// When the store holds records already, or the nodes are of two clusters.
pub async fn run(args: RebuildArgs) -> anyhow::Result<()> {
    let shutdown = kit::signals::shutdown()?;
    kit::descriptors::raise();
    let opens = args.inner.load()?;
    opens.allows_listening("--grpc", args.grpc)?;
    let store = args.store.open().await?;
    let world = world();
    let begun = store.rebuilt_at_ms().await?.is_some();
    if !begun && !is_empty(&*store).await? {
        bail!("--store: it holds records; rebuild restores a lost store into an empty one");
    }
    if !begun {
        store.set_rebuilt_at_ms(Some(world.unix_ms())).await?;
    }
    let cluster = store.cluster_id().await?;
    let core = Core::new(
        store,
        cluster,
        &Settings::default(),
        world,
        NodeNetwork::new(opens.clone()),
        true,
    );
    let listener = listen("--grpc", args.grpc).await?;
    println!("ready grpc={}", listener.local_addr()?);
    let inner = CancellationToken::new();
    let serving = tokio::spawn(serve_grpc(
        listener,
        core.clone(),
        opens,
        Tracer::default(),
        inner.clone(),
    ));
    let holder = format!("rebuild/{}", std::process::id());
    let leading = tokio::spawn(leader::run(core.clone(), holder, inner.clone()));
    let ended = tokio::select! {
        () = shutdown.cancelled() => Err(anyhow::anyhow!("stopped before all nodes were merged; \
            the records restored so far are kept, run it again")),
        done = wait_for_nodes(&core, args.nodes) => done,
    };
    if ended.is_ok() {
        report(&core).await?;
    }
    inner.cancel();
    leading.await?;
    serving.await?.context("the inner port failed")?;
    ended
}

/// The store is asked for one record, since counting them may take long.
async fn is_empty(store: &dyn Store) -> anyhow::Result<bool> {
    let visible = !store.page("", None, 1).await?.is_empty();
    Ok(!visible && store.unsettled(None, 1).await?.is_empty())
}

async fn wait_for_nodes(core: &Core, wanted: u32) -> anyhow::Result<()> {
    loop {
        let rows = core.store.nodes().await?;
        let merged = rows
            .iter()
            .filter(|row| {
                core.nodes
                    .available(&row.id)
                    .is_some_and(|n| row.is_merged(n.session()))
            })
            .count();
        if merged >= wanted as usize {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn report(core: &Arc<Core>) -> anyhow::Result<()> {
    let totals = counts::count(&*core.store, None).await?;
    let nodes = core.nodes.all_available();
    println!(
        "restored {} files, {} bytes, from {} nodes",
        totals.files,
        totals.bytes,
        nodes.len()
    );
    for node in nodes {
        let mut quarantined = quarantine::list(&node).await?;
        while let Some(held) = quarantined.try_next().await? {
            let name = held.meta.map(|meta| meta.name).unwrap_or_default();
            println!("quarantined on {}: {name} ({})", node.id, held.reason);
        }
    }
    Ok(())
}

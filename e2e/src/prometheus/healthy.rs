//! A service that is well and at work: no alert fires, every panel of the dashboard shows
//! something, and promtool has nothing to say of the metrics.

use super::dashboard::{Query, filled, queries, variables};
use super::operators::{make_pool, nodes_are_read};
use super::promtool::check_metrics;
use super::rules::longest;
use super::watched::Watched;
use super::{SHARED, World};
use crate::cluster::{Options, SOON};
use crate::content;
use crate::library::refused;
use anyhow::{Context, Result, bail, ensure};
use client::{Client, Code};
use serde_json::Value;
use std::time::{Duration, Instant};

/// For how long it must be quiet beyond what any alert waits until it fires.
const BEYOND: Duration = Duration::from_secs(10);
/// How long a panel may take until it shows something.
const SHOWN: Duration = Duration::from_secs(30);
/// Names that the work uses in turn.
const NAMES: u64 = 200;
/// The pause between two rounds of work.
const PAUSE: Duration = Duration::from_millis(20);

/// Does it; gives the service, which still runs, and what was seen.
pub(super) async fn run(world: &World) -> Result<(Watched<'_>, Vec<String>)> {
    let node_args = ["--scrub-every", "1s"].map(str::to_owned).to_vec();
    let mut watched = Watched::start(
        world,
        Options {
            node_args,
            ..Options::default()
        },
    )
    .await?;
    let begun = Instant::now();
    make_pool(&world.server, SHARED)?;
    let client = watched.cluster.client()?;
    let working = tokio::spawn(work(client));
    let done = while_at_work(&mut watched, world).await;
    if working.is_finished() {
        working.await??;
        bail!("the work ended");
    }
    let mut seen = done?;
    let quiet = longest(&world.rules)? + BEYOND;
    tokio::time::sleep(quiet.saturating_sub(begun.elapsed())).await;
    ensure!(!working.is_finished(), "the work ended");
    working.abort();
    let fired = watched.fired().await?;
    let active = watched.prometheus.active().await?;
    ensure!(fired.is_empty(), "fired although all is well: {fired:?}");
    ensure!(active.is_empty(), "active although all is well: {active:?}");
    let wrong = watched.prometheus.wrong_rules().await?;
    ensure!(wrong.is_empty(), "rules that can't be judged: {wrong:?}");
    seen.push(format!("no alert in {quiet:?} of work"));
    Ok((watched, seen))
}

/// A node joins, another one is emptied, and meanwhile all is looked at.
async fn while_at_work(watched: &mut Watched<'_>, world: &World) -> Result<Vec<String>> {
    watched.cluster.add_node().await?;
    watched.cluster.wait_available(4).await?;
    watched.look()?;
    nodes_are_read(&world.server, SHARED, &world.chart).await?;
    let mut seen = vec![panels(watched, &world.chart.dashboard()?).await?];
    let node = &watched.cluster.nodes[0].id;
    watched.cluster.wait_drained(node, SOON).await?;
    seen.push(metrics(watched, world).await?);
    Ok(seen)
}

/// Has promtool judge the metrics of all three programs.
async fn metrics(watched: &Watched<'_>, world: &World) -> Result<String> {
    let node = watched.cluster.node(1)?.address("metrics")?;
    let mut counts = Vec::new();
    for (whose, ops) in [
        ("manager", watched.cluster.ops()),
        ("node", node),
        ("operator", world.operator.ops()?),
    ] {
        let count = check_metrics(whose, ops).await?;
        counts.push(format!("{count} of the {whose}"));
    }
    Ok(format!("metrics: {}", counts.join(", ")))
}

/// Asks each query of each panel until it gives a number.
async fn panels(watched: &Watched<'_>, dashboard: &Value) -> Result<String> {
    let values = chosen(watched, dashboard).await?;
    let queries = queries(dashboard)?;
    let begun = Instant::now();
    let mut open: Vec<&Query> = queries.iter().collect();
    while !open.is_empty() {
        let mut still = Vec::new();
        for query in open {
            let expr = filled(&query.expr, &values);
            let samples = watched.prometheus.query(&expr).await;
            let samples = samples.with_context(|| format!("panel {}: {expr}", query.panel))?;
            if !samples.iter().any(|sample| sample.value.is_finite()) {
                still.push(query);
            }
        }
        open = still;
        if let Some(first) = open.first()
            && begun.elapsed() > SHOWN
        {
            let rest = open.len() - 1;
            let expr = filled(&first.expr, &values);
            bail!(
                "panel {} and {rest} others show nothing: {expr}",
                first.panel
            );
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(format!("{} queries of the dashboard", queries.len()))
}

/// The first value of each variable, as Grafana would choose it.
pub(super) async fn chosen(
    watched: &Watched<'_>,
    dashboard: &Value,
) -> Result<Vec<(String, String)>> {
    let mut chosen = Vec::new();
    for variable in variables(dashboard)? {
        let series = filled(&variable.series, &chosen);
        let values = watched.prometheus.values(&variable.label, &series).await?;
        let value = values.into_iter().next();
        let value = value.with_context(|| format!("${} has no value", variable.name))?;
        chosen.push((variable.name, value));
    }
    Ok(chosen)
}

/// Uploads, reads, refused calls and deletes, again and again.
async fn work(client: Client) -> Result<()> {
    for round in 0u64.. {
        let name = format!("work-{}", round % NAMES);
        let size = 100 + (round as usize * 997) % 60_000;
        if round >= NAMES {
            client.delete(&name).await?;
        }
        client.put(&name, content::bytes(round, size)).await?;
        client.get(&name).await?.bytes().await?;
        if round % 10 == 0 {
            refused(client.put(&name, "again").await, Code::FileNameExists)?;
            refused(client.get("there-is-none").await, Code::FileDoesNotExist)?;
            client.status().await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

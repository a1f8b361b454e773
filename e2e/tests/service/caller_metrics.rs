//! What each caller asked for and moved, as the metrics show it.

use anyhow::{Context, Result, ensure};
use e2e::callers::Closed;
use e2e::cluster::{Cluster, Options};
use e2e::content;
use e2e::metrics::Metrics;
use http::Method;

/// The value of a metric with these labels.
async fn value(cluster: &Cluster, metric: &str) -> Result<u64> {
    let metrics = Metrics::of(cluster.ops()).await?;
    let value = metrics.get(&format!("dfs_manager_{metric}"));
    Ok(value.with_context(|| format!("no {metric} in {metrics:?}"))? as u64)
}

async fn are(cluster: &Cluster, wanted: &[(&str, u64)]) -> Result<()> {
    for (metric, wanted) in wanted {
        let found = value(cluster, metric).await?;
        ensure!(found == *wanted, "{metric}: {found}, not {wanted}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_is_counted_by_its_name_and_its_links_with_it() -> Result<()> {
    let mut service = Closed::prepare(Options::default(), &[]).await?;
    let (caller, _) = service.add(&["--name=ci", "--rights=get,create"]).await?;
    let (slow, _) = service.add(&["--name=slow", "--rights=get"]).await?;
    let last = service.lines.pop().unwrap();
    let rate = last.strip_suffix('}').unwrap().to_owned() + r#","requests_per_second":1}"#;
    service.lines.push(rate);
    service.write()?;
    service.run().await?;
    let (cluster, anyone) = (&service.cluster, service.anyone());
    let all = cluster.wire();

    caller
        .put("f", content::bytes(1, 100_000))
        .await?
        .expect(201)?;
    caller.get("f").await?.expect(200)?;
    caller.delete("f").await?.expect(403)?;
    for _ in 0..2 {
        anyone.get("f").await?.expect(401)?;
    }
    let mut asked = 1;
    while slow.get("none").await?.expect(404).is_ok() {
        asked += 1;
        ensure!(asked < 1000, "nothing was refused");
    }
    let ci = [
        (r#"caller_requests_total{caller="token:ci"}"#, 3),
        (
            r#"caller_refusals_total{caller="token:ci",status="403"}"#,
            1,
        ),
        (
            r#"caller_refusals_total{caller="token:ci",status="429"}"#,
            0,
        ),
        (r#"caller_received_bytes_total{caller="token:ci"}"#, 100_000),
        (r#"caller_sent_bytes_total{caller="token:ci"}"#, 100_000),
    ];
    are(cluster, &ci).await?;
    let others = [
        (r#"caller_requests_total{caller="anyone"}"#, 2),
        (r#"caller_refusals_total{caller="anyone",status="401"}"#, 2),
        (r#"caller_sent_bytes_total{caller="anyone"}"#, 0),
        (r#"caller_requests_total{caller="token:slow"}"#, asked),
        (
            r#"caller_refusals_total{caller="token:slow",status="429"}"#,
            1,
        ),
        (r#"caller_requests_total{caller="other"}"#, 0),
    ];
    are(cluster, &others).await?;

    let link = caller
        .link_path("f", r#"{"method":"GET","expires":"1h"}"#)
        .await?;
    anyone.call(Method::GET, &link).await?.expect(200)?;
    all.get("f").await?.expect(200)?;
    let moved = [
        (r#"caller_requests_total{caller="token:ci"}"#, 5),
        (r#"caller_sent_bytes_total{caller="token:ci"}"#, 200_000),
        (r#"caller_sent_bytes_total{caller="token:all"}"#, 100_000),
        ("sent_bytes_total", 300_000),
        ("received_bytes_total", 100_000),
    ];
    are(cluster, &moved).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_counts_to_nobody_by_name_before_its_maker_has_come() -> Result<()> {
    let mut service = Closed::start(&[]).await?;
    let maker = service.caller(&["--name=maker", "--rights=get"]).await?;
    service.cluster.wire().put("f", "x").await?.expect(201)?;
    let path = maker
        .link_path("f", r#"{"method":"GET","expires":"1h"}"#)
        .await?;
    service.cluster.stop_manager().await?;
    service.cluster.start_manager().await?;
    service.cluster.wait_available(1).await?;
    let holder = service.anyone();
    holder.call(Method::GET, &path).await?.expect(200)?;
    are(
        &service.cluster,
        &[(r#"caller_requests_total{caller="other"}"#, 1)],
    )
    .await?;
    let known = maker.get("none").await?;
    ensure!(known.outcome() == (404, Some(2)), "{known:?}");
    holder.call(Method::GET, &path).await?.expect(200)?;
    let named = [
        (r#"caller_requests_total{caller="other"}"#, 1),
        (r#"caller_requests_total{caller="token:maker"}"#, 2),
        (r#"caller_sent_bytes_total{caller="token:maker"}"#, 1),
    ];
    are(&service.cluster, &named).await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_known_all_count_as_anyone() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let client = cluster.wire();
    client.put("f", "x").await?.expect(201)?;
    client.get("f").await?.expect(200)?;
    let own = [
        (r#"caller_received_bytes_total{caller="anyone"}"#, 1),
        (r#"caller_sent_bytes_total{caller="anyone"}"#, 1),
        (r#"caller_requests_total{caller="other"}"#, 0),
    ];
    are(&cluster, &own).await?;
    let requests = value(&cluster, r#"caller_requests_total{caller="anyone"}"#).await?;
    ensure!(requests >= 2, "{requests}");
    Ok(())
}

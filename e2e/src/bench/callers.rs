//! What it costs a manager that its callers are known: small reads from an open service
//! and from one with a file of tokens, in turns.

use super::cells::{Cell, Content, Operation, Stage};
use crate::callers::Closed;
use crate::cluster::{Cluster, Options};
use crate::report;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Duration;

/// How often each is measured; the middle one counts.
const ROUNDS: usize = 5;
/// Clients at once.
const CLIENTS: usize = 64;
/// Bytes of a file.
const SIZE: usize = 1 << 10;

/// Measures, and returns the table.
pub(super) async fn run(length: Duration, folder: &Path) -> Result<String> {
    let open = Options {
        nodes: 1,
        folder: Some(folder.to_owned()),
        ..Options::default()
    };
    let closed = close(open.clone()).await?;
    let token = closed.options.bearer.as_deref().context("no token")?;
    let open = Cluster::start_with(open).await?;
    let stage = |cluster: &Cluster| Stage::new(cluster.http(), Content::new(SIZE), length);
    let services = [
        ("anyone", stage(&open), &open),
        (
            "a caller of 1,000",
            stage(&closed).with_bearer(token)?,
            &closed,
        ),
    ];
    let mut seen = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        for ((_, stage, cluster), seen) in services.iter().zip(&mut seen) {
            seen.push(round(stage, cluster).await?);
        }
    }
    let mut rows = Vec::new();
    for ((who, _, _), mut rounds) in services.iter().zip(seen) {
        rounds.sort_by(|one, other| one.1.total_cmp(&other.1));
        let (rate, cpu) = rounds[ROUNDS / 2];
        let (least, most) = (rounds[0].1, rounds[ROUNDS - 1].1);
        rows.push(vec![
            (*who).to_owned(),
            format!("{rate:.0}"),
            format!("{cpu:.1}"),
            format!("{least:.1} to {most:.1}"),
        ]);
    }
    let head = [
        "GET 1 KiB, c=64",
        "op/s",
        "manager \u{b5}s/op",
        "of all rounds",
    ];
    Ok(report::table(&head, &rows))
}

/// Starts a service with 1,000 callers.
async fn close(options: Options) -> Result<Cluster> {
    let mut closed = Closed::prepare(options, &[]).await?;
    let other =
        |number: u32| format!(r#"{{"name":"other","sha256":"{number:064x}","rights":["get"]}}"#);
    closed.lines.extend((1..1000).map(other));
    closed.write()?;
    closed.run().await?;
    Ok(closed.cluster)
}

/// Operations a second, and the manager's microseconds of CPU for one.
async fn round(stage: &Stage, cluster: &Cluster) -> Result<(f64, f64)> {
    let cell = Cell {
        operation: Operation::Get,
        clients: CLIENTS,
    };
    stage.prepare(cell).await?;
    let before = cluster.manager()?.cpu()?;
    let run = stage.run(cell).await?;
    let used = cluster.manager()?.cpu()?.saturating_sub(before);
    ensure!(run.failures.0 == 0, "{:?}", run.failures);
    Ok((
        run.rate(),
        used.as_secs_f64() * 1e6 / run.operations.max(1) as f64,
    ))
}

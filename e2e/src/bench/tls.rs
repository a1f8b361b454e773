//! What TLS costs: the same service in plain, with TLS between manager and node, and with
//! TLS between client and manager as well, in turns.

use super::cells::{Cell, Content, Operation, Stage};
use crate::certificates;
use crate::cluster::{Cluster, Options, SOON};
use crate::library::calling_once;
use crate::members::{RELEASE, authority_of, secured_with, started_with};
use crate::wire::Tls;
use crate::{report, wait};
use anyhow::{Result, ensure};
use std::path::Path;
use std::time::Duration;

/// How often each is measured; the middle one counts.
const ROUNDS: usize = 5;
/// What is measured: the operation, bytes of a file, clients at once.
const CELLS: [(Operation, usize, usize); 4] = [
    (Operation::Get, 1 << 10, 64),
    (Operation::Put, 1 << 10, 64),
    (Operation::Get, 10 << 20, 4),
    (Operation::Put, 10 << 20, 4),
];
const NAMES: [&str; 3] = ["plain", "TLS inside", "TLS on both hops"];

/// One round: operations a second, and microseconds of CPU of manager and node for one.
#[derive(Debug, Clone, Copy)]
struct Round {
    rate: f64,
    cpu: f64,
}

/// Measures, and returns the table.
pub(super) async fn run(length: Duration, folder: &Path) -> Result<String> {
    let options = || Options {
        nodes: 1,
        folder: Some(folder.to_owned()),
        ..Options::default()
    };
    let members = authority_of(RELEASE)?;
    let authority = certificates::Authority::new("authority")?;
    let mut both = options();
    let pair = authority.server()?.place(folder)?;
    for (flag, file) in ["--tls-cert", "--tls-key"].iter().zip(pair) {
        let file = file.display().to_string();
        both.manager_args.extend([(*flag).to_owned(), file]);
    }
    let trusts = Tls::trusting(&authority.pem())?;
    let both = started_with(both, &members).await?;
    let client = calling_once(&format!("https://{}", both.http()))?;
    let client = client.ca_pem(authority.pem()).build()?;
    wait::until(SOON, async || {
        let status = client.status().await?;
        ensure!(status.available() == 1, "{status:?}");
        Ok(())
    })
    .await?;
    let services = [
        (Cluster::start_with(options()).await?, None),
        (secured_with(options(), &members).await?, None),
        (both, Some(trusts)),
    ];
    let mut rows = Vec::new();
    for (operation, size, clients) in CELLS {
        let cell = Cell { operation, clients };
        let stages = services.each_ref().map(|(cluster, tls)| {
            Stage::new(cluster.http(), Content::new(size), length).over(tls.clone())
        });
        let mut seen = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for ((stage, (cluster, _)), seen) in stages.iter().zip(&services).zip(&mut seen) {
                seen.push(round(stage, cluster, cell).await?);
            }
        }
        for stage in &stages {
            stage.clean().await?;
        }
        let middle = seen.map(middle);
        for (name, round) in NAMES.iter().zip(middle) {
            rows.push(vec![
                format!(
                    "{} {} c={clients}",
                    operation.title(),
                    super::size_name(size)
                ),
                (*name).to_owned(),
                format!("{:.0}", round.rate),
                format!("{:.2}", round.rate / middle[0].rate),
                format!("{:.0}", round.cpu),
                format!("{:.2}", round.cpu / middle[0].cpu),
            ]);
        }
    }
    let head = [
        "operation",
        "service",
        "op/s",
        "ratio",
        "CPU \u{b5}s/op",
        "ratio",
    ];
    Ok(report::table(&head, &rows))
}

/// The rounds in the middle, of rates and of CPU.
fn middle(rounds: Vec<Round>) -> Round {
    let middle = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Round {
        rate: middle(rounds.iter().map(|round| round.rate).collect()),
        cpu: middle(rounds.iter().map(|round| round.cpu).collect()),
    }
}

async fn round(stage: &Stage, cluster: &Cluster, cell: Cell) -> Result<Round> {
    stage.prepare(cell).await?;
    let cpu = || anyhow::Ok(cluster.manager()?.cpu()? + cluster.node(0)?.cpu()?);
    let before = cpu()?;
    let run = stage.run(cell).await?;
    let used = cpu()?.saturating_sub(before);
    ensure!(run.failures.0 == 0, "{:?}", run.failures);
    Ok(Round {
        rate: run.rate(),
        cpu: used.as_secs_f64() * 1e6 / run.operations.max(1) as f64,
    })
}

//! `prometheus`: a real Prometheus watches real services by what the chart makes for it.
//! Every panel of the dashboard shows something while a service is at work, no alert fires
//! then, and each alert fires in a scenario of its own, which ends it again.

mod chart;
mod dashboard;
mod healthy;
mod operators;
mod picture;
mod promtool;
mod rules;
mod scenarios;
mod server;
mod watched;

use crate::cluster::binaries;
use crate::crd::{definition, install};
use crate::disks;
use crate::kube::{ApiServer, program};
use crate::ports;
use crate::report::table;
use anyhow::{Context, Result, ensure};
use chart::{Chart, Job};
use futures::{StreamExt, TryStreamExt, stream};
use operators::Operator;
use scenarios::{ALL, Scenario};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

/// Scenarios at once, each with a service and a Prometheus.
const AT_ONCE: usize = 4;
/// The namespace of the operator that services share.
const SHARED: &str = "files";

/// Flags of `prometheus`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only alerts whose name contains this, and not the healthy service.
    #[arg(long, default_value = "")]
    only: String,
    /// File that a picture of the dashboard is written to, as webp.
    #[arg(long, conflicts_with = "only")]
    picture: Option<PathBuf>,
}

/// What all services share.
struct World {
    /// Where data and logs of this run lie.
    folder: PathBuf,
    /// The API server of all operators.
    server: ApiServer,
    /// An operator that is well.
    operator: Operator,
    chart: Chart,
    managers: Job,
    nodes: Job,
    operators: Job,
    /// The chart's rules with shorter times.
    rules: Value,
}

/// Does the run and prints what came of it.
///
/// # Errors
/// The first thing that is not as it should be.
pub async fn run(args: Args) -> Result<()> {
    for name in ["prometheus", "promtool", "helm"] {
        program(name)?;
    }
    let folder = tempfile::Builder::new()
        .prefix("prometheus-")
        .tempdir_in(binaries::scratch()?)?;
    let chart = Chart::render(folder.path())?;
    let rules = chart.rules()?;
    let told = promtool::check_rules(folder.path(), &rules)?;
    println!("{}", told.trim());
    each_alert_has_a_scenario(&rules)?;
    let server = ApiServer::start(folder.path()).await?;
    install(&server, &definition()?).await?;
    let operator = Operator::start(&server, SHARED, ports::free()?, false).await?;
    let world = World {
        folder: folder.path().to_owned(),
        rules: rules::shortened(&rules)?,
        managers: chart.managers()?,
        nodes: chart.nodes()?,
        operators: chart.operators()?,
        server,
        operator,
        chart,
    };
    println!(
        "rules are loaded with times {} times shorter, expressions as they are",
        rules::FACTOR
    );
    if args.only.is_empty() {
        let (watched, seen) = healthy::run(&world).await.context("a healthy service")?;
        println!("a healthy service: {}", seen.join("; "));
        if let Some(file) = &args.picture {
            return picture::draw(&watched, &world, file).await;
        }
    }
    let rows = all(&world, &rules, &args.only).await?;
    println!("{}", table(&["alert", "time", "fires when"], &rows));
    Ok(())
}

/// A new alert needs one.
fn each_alert_has_a_scenario(rules: &Value) -> Result<()> {
    let alerts: BTreeSet<_> = rules::alerts(rules).into_iter().collect();
    let made: BTreeSet<_> = ALL.iter().map(|scenario| scenario.alert).collect();
    ensure!(
        alerts == made,
        "the chart has the alerts {alerts:?}, scenarios are there for {made:?}"
    );
    Ok(())
}

/// Runs the scenarios that are wanted, several at once.
async fn all(world: &World, rules: &Value, only: &str) -> Result<Vec<Vec<String>>> {
    let volumes = disks::possible();
    if volumes {
        disks::programs()?;
    }
    let wanted = ALL.iter().filter(|scenario| scenario.alert.contains(only));
    let runs = wanted.map(|scenario| async move {
        let begun = Instant::now();
        let what = match scenario.volume {
            Some(series) if !volumes => {
                promtool::plays(&world.folder, rules, scenario.alert, series, 100)?;
                "(small volumes need root and loop devices: a series played by promtool)".to_owned()
            }
            _ => {
                let done = real(world, scenario).await;
                done.with_context(|| scenario.alert)?;
                scenario.what.to_owned()
            }
        };
        let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
        eprintln!("{}: {what} ({took})", scenario.alert);
        anyhow::Ok(vec![scenario.alert.to_owned(), took, what])
    });
    let rows: Vec<_> = stream::iter(runs)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    ensure!(!rows.is_empty(), "no alert has {only:?} in its name");
    Ok(rows)
}

/// Runs a scenario; its alerts must have fired, and no others. Where the manager is
/// restarted, a busy machine may take as long as it takes to notice that.
async fn real(world: &World, scenario: &Scenario) -> Result<()> {
    let watched = (scenario.run)(world).await?;
    let mut fired = watched.fired().await?;
    if scenario.restarts {
        fired.remove("FileServerManagerDown");
    }
    let wanted = scenario.also.iter().chain([&scenario.alert]);
    let wanted: BTreeSet<String> = wanted.map(|&name| name.to_owned()).collect();
    ensure!(fired == wanted, "{fired:?} fired, and not {wanted:?}");
    Ok(())
}

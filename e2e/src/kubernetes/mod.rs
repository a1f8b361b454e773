//! `kubernetes`: the chart, the operator and pools of nodes on a real cluster,
//! scenario after scenario. The cluster is one of several nodes on this machine,
//! brought up and taken down by `e2e/cluster`.

pub mod disks;
pub mod images;
pub mod kube;
pub mod release;
pub mod scenarios;
pub mod traffic;

use crate::cluster::binaries;
use crate::report::table;
use crate::tools;
use anyhow::{Result, bail, ensure};
use kube::Kube;
use scenarios::{SCENARIOS, Scenario, World};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Flags of `kubernetes`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these scenarios, besides `install`, on which all others rest.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long an operator with nothing to do is watched at least, in seconds.
    #[arg(long, default_value_t = 600)]
    quiet: u64,
    /// Leaves the cluster there, for a person to look at.
    #[arg(long)]
    keep: bool,
    /// A folder with images and chart of an earlier commit, which are loaded.
    #[arg(long, hide = true)]
    earlier: Option<PathBuf>,
    /// Set for the process that runs within the cluster's network.
    #[arg(long, hide = true)]
    inside: bool,
}

/// Does the run and prints what came of it.
///
/// # Errors
/// At the first thing that is not as it should be.
pub async fn run(args: Args) -> Result<()> {
    for name in &args.only {
        let known = SCENARIOS.iter().any(|scenario| scenario.name == name);
        ensure!(known, "--only {name}: there is no such scenario");
    }
    if args.inside {
        return inside(&args).await;
    }
    tools::require(&images::TOOLS)?;
    // Within the cluster's network no registry can be reached.
    crate::mongo::build()?;
    let cluster = Cluster::up(args.keep)?;
    let earlier = images::load(&cluster.script)?;
    let mut command = Command::new(&cluster.script);
    command.arg("exec").arg(std::env::current_exe()?).args([
        "kubernetes",
        "--inside",
        "--quiet",
        &args.quiet.to_string(),
    ]);
    if let Some(earlier) = earlier {
        command.arg("--earlier").arg(earlier);
    }
    if !args.only.is_empty() {
        command.arg("--only").arg(args.only.join(","));
    }
    let status = command.stdin(Stdio::null()).status()?;
    ensure!(status.success(), "the scenarios ended with {status}");
    Ok(())
}

/// The cluster; dropping it takes it down.
struct Cluster {
    script: PathBuf,
    keep: bool,
}

impl Cluster {
    fn up(keep: bool) -> Result<Self> {
        let script = script();
        let cluster = Self { script, keep };
        let status = Command::new(&cluster.script).arg("up").status()?;
        ensure!(status.success(), "e2e/cluster up: {status}");
        Ok(cluster)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("the cluster stays: e2e/cluster shell, and e2e/cluster down in the end");
            return;
        }
        let down = Command::new(&self.script).arg("down").status();
        if !down.as_ref().is_ok_and(|status| status.success()) {
            eprintln!("e2e/cluster down: {down:?}");
        }
    }
}

fn script() -> PathBuf {
    binaries::workspace().join("e2e/cluster")
}

async fn inside(args: &Args) -> Result<()> {
    let quiet_for = Duration::from_secs(args.quiet);
    let mut world = World::new(Kube::new(script())?, quiet_for);
    world.earlier = args.earlier.clone();
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        let wanted = scenario.always
            || args.only.is_empty()
            || args.only.iter().any(|name| name == scenario.name);
        if !wanted {
            continue;
        }
        eprintln!("--- {}: {}", scenario.name, scenario.covers);
        let start = Instant::now();
        let seen = match (scenario.run)(&mut world).await {
            Ok(seen) => seen,
            Err(error) => {
                println!("{}", table(&["scenario", "s", "what was seen"], &rows));
                eprintln!("{}", world.trace());
                bail!("{}: {error:#}", scenario.name);
            }
        };
        eprintln!("    {seen}");
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        rows.push(vec![scenario.name.to_owned(), seconds, seen]);
    }
    println!("{}", table(&["scenario", "s", "what was seen"], &rows));
    let is_in = |scenario: &&Scenario| rows.iter().any(|row| row[0] == scenario.name);
    let out = SCENARIOS.iter().filter(|scenario| !is_in(scenario));
    let out: Vec<_> = out.map(|scenario| scenario.name).collect();
    if !out.is_empty() {
        println!("left out: {}", out.join(", "));
    }
    println!("not shown here: a resizer for local volumes (played by hand), arm64");
    Ok(())
}

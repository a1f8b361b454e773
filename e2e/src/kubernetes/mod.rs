//! `kubernetes`: the chart, the operator and pools of nodes on a real cluster,
//! scenario after scenario. The cluster is one of several nodes on this machine,
//! brought up and taken down by `e2e/cluster`, or one that was there before.

pub mod cert_manager;
pub mod disks;
pub mod existing;
pub mod images;
pub mod kube;
pub mod own;
pub mod proxy;
pub mod release;
pub mod scenarios;
pub mod traffic;

use crate::report::table;
use crate::tools;
use anyhow::{Result, bail, ensure};
use existing::Existing;
use kube::{Kube, Reach};
use scenarios::{SCENARIOS, Scenario, World};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Names the kubeconfig of a cluster that was there before.
const EXISTING: &str = "DFS_TEST_KUBECONFIG";

/// Flags of `kubernetes`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these scenarios, besides `install`, on which all others rest.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// For how many seconds at least an operator with nothing to do is watched.
    #[arg(long, default_value_t = 600)]
    quiet: u64,
    /// Leaves the cluster running, for a person to examine.
    #[arg(long)]
    keep: bool,
    /// A folder with images and chart of an earlier commit, which are loaded.
    #[arg(long, hide = true)]
    earlier: Option<PathBuf>,
    /// Set for the process that runs the scenarios.
    #[arg(long, hide = true)]
    inside: bool,
}

impl Args {
    /// Whether a scenario is to run.
    fn wants(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == scenario)
    }
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
    match std::env::var_os(EXISTING) {
        Some(config) => existing::run(&args, config.as_ref()),
        None => own::run(&args),
    }
}

/// Lets this program, at `program`, run the scenarios; `command` starts what it is
/// given, in the cluster's network where that is needed. The path was determined
/// before anything was built, since a build may put another file there.
fn hand_over(
    mut command: Command,
    program: &Path,
    args: &Args,
    earlier: Option<&Path>,
) -> Result<()> {
    let quiet = args.quiet.to_string();
    command.arg(program);
    command.args(["kubernetes", "--inside", "--quiet", &quiet]);
    if let Some(earlier) = earlier {
        command.arg("--earlier").arg(earlier);
    }
    if !args.only.is_empty() {
        command.arg("--only").arg(args.only.join(","));
    }
    if args.keep {
        command.arg("--keep");
    }
    let status = command.stdin(Stdio::null()).status()?;
    ensure!(status.success(), "the scenarios ended with {status}");
    Ok(())
}

async fn inside(args: &Args) -> Result<()> {
    if std::env::var_os(EXISTING).is_none() {
        return all(args, Kube::new(Reach::Own(own::script()))?).await;
    }
    let existing = Existing::reach().await?;
    let done = all(args, existing.kube.clone()).await;
    if args.keep {
        return done;
    }
    let cleaned = existing.clean();
    done.and(cleaned)
}

/// Runs the scenarios that are wanted and that this cluster permits.
async fn all(args: &Args, kube: Kube) -> Result<()> {
    let mut world = World::new(kube, Duration::from_secs(args.quiet));
    world.earlier = args.earlier.clone();
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        let wanted = scenario.always || args.wants(scenario.name);
        if !wanted || (scenario.own_cluster && !world.kube.is_own()) {
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
    let not_shown = match world.kube.is_own() {
        true => "a resizer for local volumes (played by hand), arm64",
        false => "what lies on the nodes' disks, volumes that grow, an operator that sleeps",
    };
    println!("not shown here: {not_shown}");
    Ok(())
}

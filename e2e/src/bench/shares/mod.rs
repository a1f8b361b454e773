//! What a client that fills its share costs another one: the latency of one caller with the
//! service otherwise idle, and while another caller takes all that it can get, in turns.

pub mod hog;
pub(super) mod network;
mod work;

use super::cells::{Cell, Content, Operation, Stage};
use crate::callers::{Closed, known};
use crate::cluster::{Cluster, Launch, Options, Process};
use crate::load::Measured;
use crate::metrics::Metrics;
use crate::{content, report, wait};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use client::Status;
use hog::Attack;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;
use work::Work;

/// How often each is measured; the middle one counts.
const ROUNDS: usize = 5;
/// Requests of the caller that is measured, at once.
const CLIENTS: usize = 1;
/// What it does, and bytes of a file.
const CELLS: [(Operation, usize); 3] = [
    (Operation::Get, 1 << 10),
    (Operation::Put, 1 << 10),
    (Operation::Get, 1 << 20),
];
/// How much longer its requests may take at the 99th percentile.
const MOST: f64 = 2.0;
/// Requests a second that the caller with a rate may make.
const RATE: u32 = 200;
/// How long it may take until nothing of an attack is left.
const CALM: Duration = Duration::from_secs(120);
/// The gauges of what is in flight.
const IN_FLIGHT: [&str; 3] = ["uploads", "downloads", "requests"];

/// An attack, and which caller it is.
struct Variant {
    title: &'static str,
    attack: Attack,
    caller: &'static str,
}

const VARIANTS: [Variant; 6] = [
    Variant {
        title: "both cores busy, nobody calls",
        attack: Attack::Cores,
        caller: "hog",
    },
    Variant {
        title: "large uploads",
        attack: Attack::Uploads,
        caller: "hog",
    },
    Variant {
        title: "large downloads",
        attack: Attack::Downloads,
        caller: "hog",
    },
    Variant {
        title: "small requests",
        attack: Attack::Storm,
        caller: "hog",
    },
    Variant {
        title: "small requests, 200/s allowed",
        attack: Attack::Storm,
        caller: "bounded",
    },
    Variant {
        title: "connections",
        attack: Attack::Connections,
        caller: "hog",
    },
];

/// How the attacks are made.
pub(super) struct Plan {
    /// How long each figure is measured.
    pub(super) length: Duration,
    /// Whether the hog has the same priority as the others, or gets what they leave.
    pub(super) same_priority: bool,
    /// Which of them; all where it is empty.
    pub(super) only: Vec<Attack>,
    /// Flags of the manager.
    pub(super) manager_args: Vec<String>,
}

/// The service and its callers.
struct Service {
    cluster: Cluster,
    /// The tokens of the callers `good`, `hog` and `bounded`.
    tokens: Vec<(&'static str, String)>,
}

/// Measures, and returns the tables.
pub(super) async fn run(plan: &Plan, folder: &Path) -> Result<String> {
    let service = Service::start(plan, folder).await?;
    let mut stages = Vec::new();
    for size in [1 << 10, 1 << 20] {
        let stage = Stage::new(service.cluster.http(), Content::new(size), plan.length);
        stages.push(stage.with_bearer(service.token("good")?)?);
    }
    let (mut latencies, mut works) = (Vec::new(), Vec::new());
    for variant in &VARIANTS {
        if !plan.only.is_empty() && !plan.only.contains(&variant.attack) {
            continue;
        }
        let mut seen = [const { Vec::new() }; CELLS.len()];
        let mut work = Work::default();
        for round in 1..=ROUNDS {
            eprintln!("… {} {round}", variant.title);
            let idle = all(&stages).await?;
            let hog = service.attack(variant, plan.same_priority).await?;
            let before = Work::seen(&service.cluster, &hog, variant.caller).await?;
            let attacked = all(&stages).await?;
            let after = Work::seen(&service.cluster, &hog, variant.caller).await?;
            work.add(&before, &after);
            hog.kill().await?;
            service.calms_down().await?;
            for ((seen, idle), attacked) in seen.iter_mut().zip(idle).zip(attacked) {
                seen.push([idle, attacked]);
            }
        }
        let rows = CELLS.iter().zip(seen);
        latencies.extend(rows.map(|(cell, seen)| row(variant, *cell, &seen)));
        works.push(work.row(variant.title));
    }
    for stage in &stages {
        stage.clean().await?;
    }
    let priority = match plan.same_priority {
        true => "the priority of service and measured caller, and takes its part",
        false => "SCHED_IDLE, and gets what service and measured caller leave",
    };
    Ok(format!(
        "One caller, {CLIENTS} request at a time, with nobody else, and while another fills its \
         share; {} s each figure, the middle one of {ROUNDS} rounds, in turns. The other one is \
         a process of its own, calls from another address, and has {priority} of the cores.\n\n\
         {}\nWhat the other one did meanwhile, as the manager counts it:\n\n{}",
        plan.length.as_secs_f64(),
        report::table(&HEAD, &latencies),
        report::table(&work::HEAD, &works),
    ))
}

impl Service {
    async fn start(plan: &Plan, folder: &Path) -> Result<Self> {
        let options = Options {
            folder: Some(folder.to_owned()),
            ..Options::default()
        };
        let flags: Vec<&str> = plan.manager_args.iter().map(String::as_str).collect();
        let mut closed = Closed::prepare(options, &flags).await?;
        let (mut tokens, mut clients) = (Vec::new(), Vec::new());
        for caller in ["good", "hog", "bounded"] {
            let flags = [&format!("--name={caller}"), "--rights=get,create,delete"];
            let (client, token) = closed.add(&flags).await?;
            tokens.push((caller, token));
            clients.push(client);
        }
        let line = closed.lines.pop().context("no line")?;
        let line = line.strip_suffix('}').context("no object")?;
        closed
            .lines
            .push(format!(r#"{line},"requests_per_second":{RATE}}}"#));
        closed.write()?;
        closed.run().await?;
        closed.cluster.add_node().await?;
        closed.cluster.wait_available(2).await?;
        known(&clients).await?;
        for (name, size) in hog::FILES {
            let data = content::bytes(1, size);
            clients[1].put(name, data).await?.expect(201)?;
        }
        let cluster = closed.cluster;
        Ok(Self { cluster, tokens })
    }

    fn token(&self, caller: &str) -> Result<&str> {
        let found = self.tokens.iter().find(|(name, _)| *name == caller);
        Ok(&found.with_context(|| format!("no caller {caller}"))?.1)
    }

    /// Starts the hog, and waits until it has gathered.
    async fn attack(&self, variant: &Variant, same_priority: bool) -> Result<Process> {
        let mut program = std::env::current_exe().context("asking for the own path")?;
        let attack = variant.attack.to_possible_value().context("a hidden one")?;
        let at = self.cluster.http().to_string();
        let mut args: Vec<OsString> = Vec::new();
        if !same_priority {
            // `chrt` becomes the program itself, and so keeps its process id.
            args.extend(["--idle", "0"].map(Into::into));
            args.push(std::mem::replace(&mut program, "chrt".into()).into());
        }
        args.extend(["hog", "--attack", attack.get_name(), "--at", &at].map(Into::into));
        let launch = Launch {
            program,
            args,
            env: vec![(hog::TOKEN.into(), self.token(variant.caller)?.into())],
            stderr: self.cluster.folder().join("hog.log"),
        };
        launch.start().await
    }

    /// Waits until nothing of an attack is left.
    async fn calms_down(&self) -> Result<()> {
        wait::until(CALM, async || {
            let metrics = Metrics::of(self.cluster.ops()).await?;
            for what in IN_FLIGHT {
                let left = metrics.get(&work::gauge(what)).context(what)?;
                ensure!(left == 0.0, "{left} {what} are in flight");
            }
            Ok(())
        })
        .await?;
        let rests = |status: &Status| status.is_balanced() && status.unsettled == 0;
        self.cluster
            .wait_status("a service at rest", CALM, rests)
            .await
            .map(drop)
    }
}

/// Each cell once.
async fn all(stages: &[Stage]) -> Result<Vec<Measured>> {
    let mut seen = Vec::new();
    for (operation, size) in CELLS {
        let stage = stages.iter().find(|stage| stage.size() == size);
        let stage = stage.context("no such size")?;
        let cell = Cell {
            operation,
            clients: CLIENTS,
        };
        stage.prepare(cell).await?;
        seen.push(stage.run(cell).await?);
    }
    Ok(seen)
}

const HEAD: [&str; 9] = [
    "the other one has",
    "operation",
    "p50 idle ms",
    "attacked",
    "p99 idle ms",
    "attacked",
    "ratio",
    "of all rounds",
    "",
];

/// A row of latencies from all rounds, each idle and attacked.
fn row(
    variant: &Variant,
    (operation, size): (Operation, usize),
    rounds: &[[Measured; 2]],
) -> Vec<String> {
    let of = |which: usize, quantile: f64| {
        middle(rounds.iter().map(|round| round[which].quantile(quantile)))
    };
    let ratios = rounds
        .iter()
        .map(|[idle, attacked]| attacked.quantile(0.99) / idle.quantile(0.99));
    let least = ratios.clone().fold(f64::INFINITY, f64::min);
    let most = ratios.fold(0.0, f64::max);
    let (idle, attacked) = (of(0, 0.99), of(1, 0.99));
    let ratio = attacked / idle;
    let failed: u64 = rounds.iter().flatten().map(|run| run.failures.0).sum();
    let mut marks = Vec::new();
    if ratio > MOST {
        marks.push(format!("over {MOST}"));
    }
    if failed > 0 {
        let first = rounds
            .iter()
            .flatten()
            .find_map(|run| run.failures.1.clone());
        eprintln!(
            "  {failed} failed, the first: {}",
            first.unwrap_or_default()
        );
        marks.push(format!("{failed} failed"));
    }
    vec![
        variant.title.to_owned(),
        format!("{} {}", operation.title(), super::size_name(size)),
        format!("{:.2}", of(0, 0.5)),
        format!("{:.2}", of(1, 0.5)),
        format!("{idle:.2}"),
        format!("{attacked:.2}"),
        format!("{ratio:.1}"),
        format!("{least:.1} to {most:.1}"),
        marks.join(", "),
    ]
}

fn middle(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

//! `powercut`: the service runs in a guest, the load comes from outside, and the
//! guest's power is cut at a random moment. Nothing that was acknowledged may be
//! missing (invariant 2). The check itself is tested by leaving a flush out.

mod guest;

use crate::cluster::binaries;
use crate::content;
use crate::journal::{Findings, Journal, Load, State};
use crate::report::table;
use crate::wait;
use crate::{library, wire};
use anyhow::{Context, Result, bail, ensure};
use client::Client;
use guest::{Guest, Running};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::Rng;
use std::time::{Duration, Instant};

/// Flags of `powercut`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often the power is cut.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Leave flushes out on purpose, one kind after another, and demand that
    /// the loss is noticed.
    #[arg(long)]
    break_flush: bool,
    /// Seed of the random moments and files [default: drawn and printed].
    #[arg(long)]
    seed: Option<u64>,
    /// Begin no new round after this many seconds.
    #[arg(long, default_value_t = 1500)]
    budget: u64,
}

/// Failpoints that leave a flush out.
const FLUSHES: [&str; 3] = [
    "node::skip_file_flush",
    "node::skip_dir_flush",
    "store::skip_flush",
];

/// Rounds after which a missing flush must have been noticed.
const NOTICE: usize = 8;

/// How long a guest may take from power on until both nodes are available.
const BOOT: Duration = Duration::from_secs(120);

/// How long after the moment of the cut a guest may take until its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(30);

/// Does the run and prints what came of it.
///
/// # Errors
/// Where something acknowledged is missing, or a missing flush went unnoticed.
pub async fn run(args: Args) -> Result<()> {
    guest::require()?;
    let binaries = binaries::find()?;
    let folder = tempfile::Builder::new()
        .prefix("powercut-")
        .tempdir_in(binaries::scratch()?)?;
    let seed = args.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let guest = Guest::prepare(folder.path(), &binaries)?;
    let mut cuts = Cuts {
        guest,
        random: content::random(seed),
        rows: Vec::new(),
        deadline: Instant::now(),
    };
    cuts.deadline += Duration::from_secs(args.budget);
    let outcome = match args.break_flush {
        false => cuts.whole(args.rounds).await,
        true => cuts.broken().await,
    };
    let head = [
        "round",
        "up after s",
        "whole round s",
        "cut after ms",
        "uploads",
        "deletes",
        "checked",
        "in doubt",
        "faults",
    ];
    println!("{}", table(&head, &cuts.rows));
    if outcome.is_err() {
        let console = std::fs::read(folder.path().join("console")).unwrap_or_default();
        let from = console.len().saturating_sub(6000);
        eprintln!("{}", String::from_utf8_lossy(&console[from..]));
    }
    outcome
}

struct Cuts {
    guest: Guest,
    random: SplitMix64,
    rows: Vec<Vec<String>>,
    deadline: Instant,
}

impl Cuts {
    /// Every round adds to the same disks. After each cut the files of the last
    /// two rounds are checked, after the last cut all.
    async fn whole(&mut self, rounds: usize) -> Result<()> {
        self.guest.format()?;
        let journal = Journal::default();
        let load = Load {
            clients: 8,
            pause: Duration::ZERO,
            deletes: 40,
        };
        let mut done = 0;
        for round in 1..=rounds {
            if Instant::now() > self.deadline {
                break;
            }
            let last = round == rounds;
            let from = if last { 0 } else { round.saturating_sub(1) };
            let findings = self.round(&journal, round, load, None, from).await?;
            if let Some(fault) = findings.faults.first() {
                bail!(
                    "{} faults after cut {round}, the first: {fault}",
                    findings.faults.len()
                );
            }
            done = round;
        }
        ensure!(done == rounds, "time for only {done} of {rounds} cuts");
        println!("{rounds} power cuts, nothing acknowledged is missing");
        Ok(())
    }

    /// One client that pauses, so that no later flush does the work of the one
    /// that was left out.
    async fn broken(&mut self) -> Result<()> {
        let load = Load {
            clients: 1,
            pause: Duration::from_millis(150),
            deletes: 0,
        };
        for name in FLUSHES {
            self.guest.format()?;
            let journal = Journal::default();
            let failpoints = format!("{name}=return");
            let mut noticed = None;
            for round in 1..=NOTICE {
                let found = self
                    .round(&journal, round, load, Some(&failpoints), round)
                    .await?;
                if !found.faults.is_empty() {
                    noticed = Some((round, found));
                    break;
                }
            }
            let Some((round, found)) = noticed else {
                bail!("{name}: {NOTICE} cuts without that flush, and no loss was noticed");
            };
            println!("{name}: noticed at cut {round}: {}", found.faults[0]);
        }
        Ok(())
    }

    /// Boots, loads, cuts, boots again and checks.
    async fn round(
        &mut self,
        journal: &Journal,
        round: usize,
        load: Load,
        failpoints: Option<&str>,
        from: usize,
    ) -> Result<Findings> {
        let begun = Instant::now();
        let running = self.guest.boot(failpoints)?;
        ready(&running).await?;
        let up = begun.elapsed();
        let client = wire::Client::new(running.http);
        let after = Duration::from_millis(1500 + self.random.next_u64() % 4000);
        let seed = self.random.next_u64();
        // A machine that is busy with others may need longer for its first answer.
        let due = async {
            tokio::time::sleep(after).await;
            wait::until(FIRST_ANSWER, async || {
                let answered = journal.count(round, State::Stored) > 0;
                ensure!(answered, "nothing was acknowledged after {after:?}");
                Ok(())
            })
            .await
        };
        tokio::select! {
            _ = journal.load(client, round, seed, load) => bail!(
                "every client met an error before the cut:\n{}",
                running.console()
            ),
            due = due => due?,
        }
        running.cut().await?;
        let (uploads, deletes) = (State::Stored, State::Deleted);
        let counts = [uploads, deletes].map(|state| journal.count(round, state));
        let running = self.guest.boot(None)?;
        let client = ready(&running).await?;
        let findings = journal.check(&client, from).await;
        let findings = findings.with_context(|| format!("checking:\n{}", running.console()))?;
        // The second boot is cut as well: what it settled must be durable too.
        running.cut().await?;
        let (up, whole) = (up.as_secs() as usize, begun.elapsed().as_secs() as usize);
        let row = [
            round,
            up,
            whole,
            after.as_millis() as usize,
            counts[0],
            counts[1],
        ];
        let found = [findings.checked, findings.in_doubt, findings.faults.len()];
        let row: Vec<String> = row.iter().chain(&found).map(usize::to_string).collect();
        eprintln!("{}", row.join("  "));
        self.rows.push(row);
        Ok(findings)
    }
}

/// Waits until the guest's service has both nodes.
async fn ready(running: &Running) -> Result<Client> {
    let start = Instant::now();
    loop {
        // A new client each time: connections to a guest that boots hang.
        let client = library::once(running.http, None)?;
        let status = tokio::time::timeout(Duration::from_secs(2), client.status()).await;
        if matches!(&status, Ok(Ok(status)) if status.available() >= 2) {
            return Ok(client);
        }
        if start.elapsed() > BOOT {
            bail!(
                "not ready after {BOOT:?}: {status:?}\n{}",
                running.console()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

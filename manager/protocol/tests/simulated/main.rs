//! The protocol in a simulated world: managers, nodes and a store on one clock, where
//! messages are lost, nodes and managers are killed and nothing is sure but the rules
//! (ARCHITECTURE.md). A seed draws all of it, so that a run that failed can be run again.
//!
//! `DFS_SIM_SEEDS` is how many seeds are run with everything going wrong, `DFS_SIM_SEED` is
//! a single one for every test, and with `DFS_SIM_LOG` each event is printed.

mod clients;
mod damage;
mod end;
mod files;
mod history;
mod judge;
mod reserved;
mod run;
mod trouble;
mod weather;

use run::{Outcome, run};
use std::ops::Range;
use weather::Weather;

/// Seeds that are run unless the environment says otherwise.
const SEEDS: u64 = 200;

/// Seeds of weather in which nothing is killed or lost.
const FAIR_SEEDS: u64 = 10;
/// Seeds that are run twice.
const TWICE: u64 = 5;

/// Names the seed where a run of it panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "seed {0} failed; run it again with DFS_SIM_SEED={0}",
                self.0
            );
        }
    }
}

/// The seeds of a test, which runs so many of them if it is not told which one.
fn seeds(many: u64) -> Range<u64> {
    match number("DFS_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..many,
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn checked(seed: u64, weather: Weather) -> Outcome {
    let _named = Named(seed);
    run(seed, weather)
}

#[test]
fn whatever_goes_wrong_no_file_is_lost_mixed_up_or_left_open() {
    let seeds = seeds(number("DFS_SIM_SEEDS").unwrap_or(SEEDS));
    let enough = seeds.end - seeds.start >= SEEDS;
    let outcomes: Vec<Outcome> = seeds.map(|seed| checked(seed, Weather::Rough)).collect();
    let moved: u64 = outcomes.iter().map(|outcome| outcome.moved).sum();
    let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    let (uploads, kept) = (sum(|outcome| outcome.uploads), sum(|outcome| outcome.kept));
    let damaged = sum(|outcome| outcome.damaged);
    let judged = sum(|outcome| outcome.judged);
    let excused = sum(|outcome| outcome.excused);
    println!(
        "{uploads} uploads, {kept} files kept, {moved} moved, {damaged} damaged, \
         {judged} of them judged, {excused} excused"
    );
    if enough {
        assert!(uploads > 0 && kept > 0, "nothing was uploaded");
        assert!(moved > 0, "nothing moved");
        assert!(damaged > 0, "nothing was damaged");
        assert!(judged > 0, "of what was damaged nothing was judged");
    }
}

#[test]
fn where_nothing_goes_wrong_nothing_is_refused() {
    for seed in seeds(FAIR_SEEDS) {
        let outcome = checked(seed, Weather::Fair);
        assert!(outcome.kept > 0, "seed {seed} keeps nothing: {outcome:?}");
    }
}

#[test]
fn where_nodes_are_drained_every_file_can_be_read() {
    let seeds = seeds(FAIR_SEEDS);
    let enough = seeds.end - seeds.start >= FAIR_SEEDS;
    let moved = |seed| checked(seed, Weather::Drains).moved;
    let moved: u64 = seeds.map(moved).sum();
    assert!(!enough || moved > 0, "nothing moved");
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in seeds(TWICE) {
        let first = checked(seed, Weather::Rough);
        assert_eq!(first, checked(seed, Weather::Rough), "seed {seed}");
    }
}

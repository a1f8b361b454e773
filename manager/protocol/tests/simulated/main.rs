//! The protocol in a simulated world: managers, nodes and a store on one clock, where
//! messages are lost, nodes and managers are killed and nothing is sure but the rules
//! (ARCHITECTURE.md). A seed draws all of it, so that a run that failed can be run again.
//!
//! `DFS_SIM_SEEDS` is how many seeds are run, `DFS_SIM_SEED` is a single one, and with
//! `DFS_SIM_LOG` each event is printed.

mod clients;
mod damage;
mod end;
mod files;
mod history;
mod judge;
mod reserved;
mod run;
mod trouble;

use run::{Weather, run};

/// Seeds that are run unless the environment says otherwise.
const SEEDS: u64 = 200;

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

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn checked(seed: u64, weather: Weather) -> u64 {
    let _named = Named(seed);
    run(seed, weather)
}

#[test]
fn whatever_goes_wrong_no_file_is_lost_mixed_up_or_left_open() {
    let seeds = match number("DFS_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DFS_SIM_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        checked(seed, Weather::Rough);
    }
}

#[test]
fn where_nothing_goes_wrong_nothing_is_refused() {
    for seed in 0..10 {
        checked(seed, Weather::Fair);
    }
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..5 {
        let first = checked(seed, Weather::Rough);
        assert_eq!(first, checked(seed, Weather::Rough), "seed {seed}");
    }
}

use super::*;
use crate::world::{Runtime, World};
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Three tasks that go on at the same times; what they did, in its order.
fn run(seed: u64) -> (u64, Vec<String>) {
    let simulation = Simulation::new(seed);
    let process = simulation.process();
    for task in 0..3 {
        let me = process.clone();
        process.run(async move {
            for step in 0..5 {
                me.sleep(seconds(1)).await;
                me.note(format_args!("{task}: {step}"));
            }
        });
    }
    simulation.block_on(process.sleep(seconds(10)));
    (simulation.trace(), simulation.last_events())
}

#[test]
fn a_seed_draws_the_order_and_two_runs_of_it_are_the_same() {
    let traces: BTreeSet<u64> = (0..20).map(|seed| run(seed).0).collect();
    assert!(traces.len() > 15, "the order depends on the seed");
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn the_clock_jumps_to_the_next_timer_and_no_further() {
    let simulation = Simulation::new(1);
    let process = simulation.process();
    let world = World::new(process.clone());
    let begun = Instant::now();
    let late = simulation.block_on(async {
        let late = world.timeout(seconds(3), world.sleep(seconds(3600))).await;
        assert_eq!(process.elapsed(), seconds(3));
        late
    });
    assert!(late.is_err());
    assert!(begun.elapsed() < seconds(3), "nobody has waited for it");
}

#[test]
fn the_tasks_of_a_process_end_together_and_others_go_on() {
    let simulation = Simulation::new(1);
    let (dies, lives) = (simulation.process(), simulation.process());
    for process in [&dies, &lives] {
        let me = process.clone();
        process.run(async move {
            loop {
                me.sleep(seconds(1)).await;
                me.note(me.number);
            }
        });
    }
    simulation.block_on(lives.sleep(seconds(5)));
    dies.kill();
    let before = simulation.last_events().len();
    let me = dies.clone();
    dies.run(async move { me.note("a task of a process that has ended") });
    simulation.block_on(lives.sleep(seconds(5)));
    assert_eq!(simulation.last_events().len(), before + 5);
}

#[test]
#[should_panic(expected = "every task waits")]
fn a_world_in_which_nothing_can_go_on_is_told() {
    Simulation::new(1).block_on(std::future::pending::<()>());
}

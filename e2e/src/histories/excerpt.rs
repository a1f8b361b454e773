//! The few operations that show why a history is not linearizable.

use super::check::{State, Step, explain, steps};
use super::history::{Effect, Operation};

/// Windows longer than this are not thinned out operation by operation.
const THINNED: usize = 1000;

/// The last operations up to the one that no order explains. They begin where
/// nothing was under way, and reads that prove nothing are left out.
pub(super) fn excerpt(history: &[Operation], failed: usize) -> Vec<&Operation> {
    let until = history[failed].ended;
    let mut all = steps(history);
    all.retain(|step| step.begun <= until);
    all.sort_by_key(|step| step.begun);
    let cuts = cuts(&all);
    // If a window fails from every state, so does each longer one with the same end.
    let short = cuts.partition_point(|cut| fails(&all[*cut..], &all[..*cut]));
    let mut window = match short {
        0 => all,
        found => {
            let cut = cuts[found - 1];
            let open = all[..cut].iter().filter(|step| step.ended.is_none());
            open.chain(&all[cut..]).cloned().collect()
        }
    };
    thin(&mut window, short > 0);
    window.sort_by_key(|step| step.begun);
    window.iter().map(|step| &history[step.source]).collect()
}

/// Places in the order of beginnings before which all steps that end had ended.
fn cuts(all: &[Step]) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut latest = None;
    for (at, step) in all.iter().enumerate() {
        if latest.is_none_or(|latest| latest < step.begun) {
            cuts.push(at);
        }
        latest = latest.max(step.ended);
    }
    cuts
}

fn fails(window: &[Step], before: &[Step]) -> bool {
    let open = before.iter().filter(|step| step.ended.is_none());
    let steps: Vec<Step> = open.chain(window).cloned().collect();
    explain(&any_state(&steps), &steps).is_err()
}

/// Every state that a window may begin in, as far as its operations can distinguish it.
fn any_state(window: &[Step]) -> Vec<State> {
    let found = window.iter().filter_map(|step| match step.effect {
        Effect::Found(content) => Some(State::Holds(content)),
        Effect::Created(_)
        | Effect::MaybeCreated(_)
        | Effect::Exists
        | Effect::Absent
        | Effect::Deleted
        | Effect::MaybeDeleted => None,
    });
    let made = |state: &State| {
        window
            .iter()
            .any(|step| matches!(step.effect, Effect::Created(c) if State::Holds(c) == *state))
    };
    let earlier = found.filter(|state| !made(state));
    earlier.chain([State::Absent, State::HoldsUnseen]).collect()
}

/// Removes, one by one, the reads without which the rest still fails.
fn thin(window: &mut Vec<Step>, any: bool) {
    if window.len() > THINNED {
        return;
    }
    for at in (0..window.len()).rev() {
        if !window[at].effect.is_look() {
            continue;
        }
        let step = window.remove(at);
        let start = match any {
            true => any_state(window),
            false => vec![State::Absent],
        };
        if explain(&start, window).is_ok() {
            window.insert(at, step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::check;
    use super::super::history::Call;
    use super::*;
    use Effect::{Absent, Created, Deleted, Found, MaybeDeleted};
    use std::time::Duration;

    fn operation(at: u64, effect: Effect) -> Operation {
        Operation {
            begun: Duration::from_millis(at),
            ended: Duration::from_millis(at + 1),
            client: 0,
            manager: 1,
            call: Call::Get,
            answer: String::new(),
            effect,
        }
    }

    #[test]
    fn only_what_shows_the_failure_is_left() {
        let mut history = Vec::new();
        for round in 0..100 {
            let at = round * 10;
            history.push(operation(at, Created(round)));
            history.push(operation(at + 2, Found(round)));
            history.push(operation(at + 4, Deleted));
            history.push(operation(at + 6, Absent));
        }
        history.push(operation(1000, Created(1000)));
        history.push(operation(1002, Found(1000)));
        history.push(operation(1004, Absent));
        history.push(operation(1006, MaybeDeleted));
        history.push(operation(1008, Absent));
        let failed = check(&history).expect_err("nothing deleted 1000");
        let left: Vec<Effect> = excerpt(&history, failed)
            .iter()
            .map(|operation| operation.effect)
            .collect();
        assert_eq!(left, [Found(1000), Absent]);
    }
}

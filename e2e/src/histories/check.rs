//! Whether what clients saw of one name fits into one order that agrees with their
//! clocks: linearizability (Herlihy and Wing 1990), found by the search of Wing and Gong
//! (1993) with memory (Lowe, "Testing for linearizability", 2017), in which an operation
//! takes effect only just before an answer needs it. The checker is our own, since the
//! crates that have one bring a whole model checker and its explorer for browsers.

use super::history::{Content, Effect, Operation};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// No file.
    Absent,
    /// The file of this content.
    Holds(Content),
    /// A file that no read ever showed.
    HoldsUnseen,
}

/// An operation as the search sees it: one without an end may take effect at any
/// time after its beginning, or never.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Its place in the history.
    pub(super) source: usize,
    /// It can't have taken effect before this.
    pub(super) begun: Duration,
    /// It had taken effect by then.
    pub(super) ended: Option<Duration>,
    /// What it does or saw.
    pub(super) effect: Effect,
}

/// Checks the history of one name that has no file at first.
///
/// # Errors
/// The place of an operation whose answer no order explains.
pub(super) fn check(history: &[Operation]) -> Result<(), usize> {
    explain(&[State::Absent], &steps(history))
}

/// The steps of a history. An open upload whose content was read has taken effect by
/// the end of the first such read; the other open ones can't be told from one another.
pub(super) fn steps(history: &[Operation]) -> Vec<Step> {
    let mut shown: HashMap<Content, Duration> = HashMap::new();
    for operation in history {
        if let Effect::Found(content) = operation.effect {
            let first = shown.entry(content).or_insert(operation.ended);
            *first = operation.ended.min(*first);
        }
    }
    let step = |(source, operation): (usize, &Operation)| {
        let (ended, effect) = match operation.effect {
            Effect::MaybeCreated(content) => match shown.get(&content) {
                Some(by) => (Some(*by.max(&operation.begun)), Effect::Created(content)),
                None => (None, operation.effect),
            },
            Effect::MaybeDeleted => (None, operation.effect),
            Effect::Created(_)
            | Effect::Exists
            | Effect::Found(_)
            | Effect::Absent
            | Effect::Deleted => (Some(operation.ended), operation.effect),
        };
        Step {
            source,
            begun: operation.begun,
            ended,
            effect,
        }
    };
    history.iter().enumerate().map(step).collect()
}

/// Checks steps that begin with the name in one of the states.
///
/// # Errors
/// As [`check`].
pub(super) fn explain(start: &[State], steps: &[Step]) -> Result<(), usize> {
    let mut search = Search::new(steps);
    let mut worlds = Worlds::default();
    for state in start {
        worlds.add(&World::new(*state));
    }
    for (_, moment) in moments(steps) {
        match moment {
            Moment::Begins(at) => search.begin(at),
            Moment::Ends(at) => {
                worlds = search.end(worlds, at);
                if worlds.0.is_empty() {
                    return Err(steps[at].source);
                }
            }
        }
    }
    Ok(())
}

/// A beginning sorts before an end of the same time: the two overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Begins(usize),
    Ends(usize),
}

fn moments(steps: &[Step]) -> Vec<(Duration, Moment)> {
    let begins = steps.iter().enumerate();
    let begins = begins.map(|(at, step)| (step.begun, Moment::Begins(at)));
    let ends = steps.iter().enumerate();
    let ends = ends.filter_map(|(at, step)| Some((step.ended?, Moment::Ends(at))));
    let mut all: Vec<_> = begins.chain(ends).collect();
    all.sort_unstable();
    all
}

/// One way in which things may have gone so far.
#[derive(Debug, Clone)]
struct World {
    state: State,
    /// Operations under way that have taken effect.
    done: BTreeSet<usize>,
    /// Open uploads and deletes that have taken effect.
    used: Used,
}

/// Open operations that can't be told apart are only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Used {
    creates: usize,
    deletes: usize,
}

impl Used {
    fn is_within(self, other: Self) -> bool {
        self.creates <= other.creates && self.deletes <= other.deletes
    }
}

impl World {
    fn new(state: State) -> Self {
        Self {
            state,
            done: BTreeSet::new(),
            used: Used::default(),
        }
    }
}

/// Worlds of which none can do all that another can.
#[derive(Debug, Default)]
struct Worlds(HashMap<(State, BTreeSet<usize>), Vec<Used>>);

impl Worlds {
    /// Adds a world, unless an otherwise equal one used no more open operations.
    fn add(&mut self, world: &World) -> bool {
        let alike = self.0.entry((world.state, world.done.clone())).or_default();
        if alike.iter().any(|other| other.is_within(world.used)) {
            return false;
        }
        alike.retain(|other| !world.used.is_within(*other));
        alike.push(world.used);
        true
    }

    fn into_vec(self) -> Vec<World> {
        let worlds = self.0.into_iter().flat_map(|((state, done), alike)| {
            alike.into_iter().map(move |used| World {
                state,
                done: done.clone(),
                used,
            })
        });
        worlds.collect()
    }
}

/// What is under way at one moment.
struct Search<'a> {
    steps: &'a [Step],
    under_way: BTreeSet<usize>,
    open: Used,
}

impl<'a> Search<'a> {
    fn new(steps: &'a [Step]) -> Self {
        Self {
            steps,
            under_way: BTreeSet::new(),
            open: Used::default(),
        }
    }

    fn begin(&mut self, at: usize) {
        match self.steps[at].effect {
            Effect::MaybeCreated(_) => self.open.creates += 1,
            Effect::MaybeDeleted => self.open.deletes += 1,
            Effect::Created(_)
            | Effect::Exists
            | Effect::Found(_)
            | Effect::Absent
            | Effect::Deleted => drop(self.under_way.insert(at)),
        }
    }

    /// The worlds in which a step has taken effect by its end, each reached by
    /// no more steps than that takes: the others can still take effect later.
    fn end(&mut self, worlds: Worlds, at: usize) -> Worlds {
        let mut next = Worlds::default();
        let mut known = Worlds::default();
        let mut queue = worlds.into_vec();
        while let Some(mut world) = queue.pop() {
            self.look(&mut world);
            if !known.add(&world) {
                continue;
            }
            if world.done.remove(&at) {
                next.add(&world);
            } else {
                queue.extend(self.successors(&world));
            }
        }
        self.under_way.remove(&at);
        next
    }

    /// An operation that only reads takes effect where it fits: it changes
    /// nothing, so no order is lost.
    fn look(&self, world: &mut World) {
        for at in &self.under_way {
            let fits = match (self.steps[*at].effect, world.state) {
                (Effect::Found(seen), State::Holds(held)) => seen == held,
                (Effect::Exists, state) => state != State::Absent,
                (Effect::Absent, state) => state == State::Absent,
                (Effect::Found(_), State::Absent | State::HoldsUnseen) => false,
                (
                    Effect::Created(_)
                    | Effect::MaybeCreated(_)
                    | Effect::Deleted
                    | Effect::MaybeDeleted,
                    _,
                ) => false,
            };
            if fits {
                world.done.insert(*at);
            }
        }
    }

    /// The worlds after one more change.
    fn successors(&self, world: &World) -> Vec<World> {
        let absent = world.state == State::Absent;
        let mut all = Vec::new();
        for at in self.under_way.difference(&world.done) {
            let state = match self.steps[*at].effect {
                Effect::Created(content) if absent => State::Holds(content),
                Effect::Deleted if !absent => State::Absent,
                Effect::Created(_)
                | Effect::MaybeCreated(_)
                | Effect::Exists
                | Effect::Found(_)
                | Effect::Absent
                | Effect::Deleted
                | Effect::MaybeDeleted => continue,
            };
            let mut next = world.clone();
            next.state = state;
            next.done.insert(*at);
            all.push(next);
        }
        let mut late = world.clone();
        if absent && world.used.creates < self.open.creates {
            late.used.creates += 1;
            late.state = State::HoldsUnseen;
            all.push(late);
        } else if !absent && world.used.deletes < self.open.deletes {
            late.used.deletes += 1;
            late.state = State::Absent;
            all.push(late);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::Call;
    use super::*;
    use Effect::{Absent, Created, Deleted, Exists, Found, MaybeCreated, MaybeDeleted};

    /// Operations as (begun, ended, effect).
    fn history(all: &[(u64, u64, Effect)]) -> Vec<Operation> {
        let operation =
            |(client, &(begun, ended, effect)): (usize, &(u64, u64, Effect))| Operation {
                begun: Duration::from_millis(begun),
                ended: Duration::from_millis(ended),
                client,
                manager: 1,
                call: Call::Get,
                answer: String::new(),
                effect,
            };
        all.iter().enumerate().map(operation).collect()
    }

    fn fails_at(all: &[(u64, u64, Effect)]) -> Option<usize> {
        check(&history(all)).err()
    }

    #[test]
    fn a_stale_read_after_an_answered_delete_is_noticed() {
        let stale = [(0, 1, Created(1)), (2, 3, Deleted), (4, 5, Found(1))];
        assert_eq!(fails_at(&stale), Some(2));
        // The read began before the delete was answered, so it may have come first.
        assert_eq!(fails_at(&[stale[0], stale[1], (3, 5, Found(1))]), None);
    }

    #[test]
    fn a_lost_acknowledged_create_is_noticed() {
        assert_eq!(fails_at(&[(0, 1, Created(1)), (2, 3, Absent)]), Some(1));
        let again = [(0, 1, Created(1)), (2, 3, Created(2)), (4, 5, Found(2))];
        assert_eq!(fails_at(&again), Some(1));
    }

    #[test]
    fn a_false_conflict_is_noticed() {
        assert_eq!(fails_at(&[(0, 1, Exists)]), Some(0));
        let after = [(0, 1, Created(1)), (2, 3, Deleted), (4, 5, Exists)];
        assert_eq!(fails_at(&after), Some(2));
        assert_eq!(fails_at(&[(0, 5, Created(1)), (1, 2, Exists)]), None);
    }

    #[test]
    fn a_false_absence_is_noticed() {
        let between = [(0, 1, Created(1)), (2, 3, Absent), (4, 5, Found(1))];
        assert_eq!(fails_at(&between), Some(1));
        // A delete that found no file proves as much as a read that found none.
        let pending = [(0, 9, Created(1)), (1, 2, Absent), (3, 4, Found(1))];
        assert_eq!(fails_at(&pending), None);
        let back_again = [pending[0], pending[1], pending[2], (5, 6, Absent)];
        assert_eq!(fails_at(&back_again), Some(3));
    }

    #[test]
    fn two_winners_are_noticed() {
        assert_eq!(fails_at(&[(0, 5, Created(1)), (0, 6, Created(2))]), Some(1));
        let deletes = [(0, 1, Created(1)), (2, 5, Deleted), (2, 6, Deleted)];
        assert_eq!(fails_at(&deletes), Some(2));
        let handed_over = [(0, 5, Created(1)), (0, 6, Created(2)), (1, 4, Deleted)];
        assert_eq!(fails_at(&handed_over), None);
    }

    #[test]
    fn what_nobody_stored_is_noticed() {
        assert_eq!(fails_at(&[(0, 1, Created(1)), (2, 3, Found(2))]), Some(1));
        assert_eq!(
            fails_at(&[(0, 1, Found(1)), (2, 3, MaybeCreated(1))]),
            Some(0)
        );
    }

    #[test]
    fn an_open_create_may_come_late_once_or_never() {
        let open = (0, 1, MaybeCreated(1));
        assert_eq!(fails_at(&[open, (2, 3, Absent), (4, 5, Absent)]), None);
        assert_eq!(fails_at(&[open, (2, 3, Absent), (4, 5, Found(1))]), None);
        // Nobody saw the file but an upload that was refused, and a delete.
        assert_eq!(
            fails_at(&[open, (2, 3, Absent), (4, 5, Exists), (6, 7, Deleted)]),
            None
        );
        let twice = [open, (2, 3, Found(1)), (4, 5, Deleted), (6, 7, Exists)];
        assert_eq!(fails_at(&twice), Some(3));
        let after_it_was_gone = [open, (2, 3, Found(1)), (4, 5, Deleted), (6, 7, Found(1))];
        assert_eq!(fails_at(&after_it_was_gone), Some(3));
    }

    #[test]
    fn an_open_delete_may_come_late_once_or_never() {
        let first = [(0, 1, Created(1)), (2, 3, MaybeDeleted), (4, 5, Found(1))];
        assert_eq!(fails_at(&first), None);
        let [create, delete, read] = first;
        assert_eq!(fails_at(&[create, delete, read, (6, 7, Absent)]), None);
        let second = [
            create,
            delete,
            (6, 7, Created(2)),
            (8, 9, Found(2)),
            (10, 11, Absent),
        ];
        assert_eq!(fails_at(&second), Some(4));
        let both = [create, delete, (2, 3, MaybeDeleted)];
        assert_eq!(fails_at(&[&both[..], &second[2..]].concat()), None);
    }

    #[test]
    fn an_open_delete_asked_later_explains_nothing_earlier() {
        let all = [(0, 1, Created(1)), (2, 3, Absent), (4, 5, MaybeDeleted)];
        assert_eq!(fails_at(&all), Some(1));
    }

    #[test]
    fn open_ones_take_turns_with_certain_ones() {
        let all = [
            (0, 1, MaybeCreated(1)),
            (0, 1, MaybeDeleted),
            (0, 1, MaybeCreated(2)),
            (2, 9, Created(3)),
            (3, 4, Exists),
            (5, 6, Absent),
            (7, 8, Found(2)),
            (10, 11, Absent),
        ];
        // 3 takes effect and a refused upload sees it, the delete removes it, 2
        // takes effect; then nothing is left that could remove 2.
        assert_eq!(fails_at(&all), Some(7));
        let with_another = [&all[..], &[(7, 8, MaybeDeleted)]].concat();
        assert_eq!(fails_at(&with_another), None);
    }

    #[test]
    fn many_open_ones_do_not_slow_the_search() {
        let mut all: Vec<_> = (0..200)
            .flat_map(|at| [(at, at + 1, MaybeCreated(at)), (at, at + 1, MaybeDeleted)])
            .collect();
        for at in 0..2000 {
            let begun = 300 + at * 2;
            let effect = if at % 3 == 0 { Exists } else { Absent };
            all.extend([(begun, begun + 5, effect), (begun, begun + 4, Absent)]);
        }
        // Each change from absent to present and back uses up two of them.
        assert_eq!(fails_at(&all[..800]), None);
        assert!(fails_at(&all).is_some());
    }
}

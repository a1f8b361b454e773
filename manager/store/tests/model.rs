//! Random changes and reopenings against a plain map: what the store answers, in
//! every view it offers, is what the map says. proptest prints the seed of a
//! failure, and `PROPTEST_CASES` asks for more.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use manager_protocol::sim::sample::{name, next, node, record};
use manager_protocol::store::{Copy, Insert, Record, State, Store, Swap, Totals};
use manager_store::Embedded;
use names::{FileId, Owner};
use proptest::prelude::*;

const NAMES: [&str; 7] = ["a", "ab", "abc", "b", "é", "\u{10ffff}", "\u{10ffff}a"];
const NODES: [&str; 3] = ["n", "n1", "default/n"];
const STATES: [State; 4] = [
    State::Pending,
    State::Stored,
    State::Moving,
    State::Deleting,
];

/// One step; indices choose among the constants above.
#[derive(Debug, Clone)]
enum Step {
    Insert {
        name: usize,
        state: usize,
        node: usize,
        size: u64,
    },
    Swap {
        name: usize,
        state: usize,
        nodes: Vec<usize>,
        size: u64,
        how: Aim,
    },
    Remove {
        name: usize,
        how: Aim,
    },
    /// Several changes at once, perhaps in one commit.
    Together(Vec<Step>),
    Reopen,
}

/// Whether a compare-and-swap is meant to succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Aim {
    True,
    WrongRev,
    WrongId,
}

fn aim() -> impl Strategy<Value = Aim> {
    prop_oneof![6 => Just(Aim::True), 1 => Just(Aim::WrongRev), 1 => Just(Aim::WrongId)]
}

fn change() -> impl Strategy<Value = Step> {
    let (names, states, nodes) = (0..NAMES.len(), 0..STATES.len(), 0..NODES.len());
    prop_oneof![
        (names.clone(), states.clone(), nodes.clone(), 0u64..1000).prop_map(
            |(name, state, node, size)| Step::Insert {
                name,
                state,
                node,
                size
            }
        ),
        (
            names.clone(),
            states,
            prop::collection::vec(nodes, 1..4),
            0u64..1000,
            aim()
        )
            .prop_map(|(name, state, nodes, size, how)| Step::Swap {
                name,
                state,
                nodes,
                size,
                how
            }),
        (names, aim()).prop_map(|(name, how)| Step::Remove { name, how }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => change(),
        3 => prop::collection::vec(change(), 2..6).prop_map(Step::Together),
        1 => Just(Step::Reopen),
    ]
}

/// Files of two owners, and of nobody.
fn owner(name: usize) -> Option<Owner> {
    [None, Some(Owner(0)), Some(Owner(1))][name % 3]
}

/// What a store must be indistinguishable from.
#[derive(Default)]
struct Model(BTreeMap<String, Record>);

/// What a change answered.
#[derive(Debug, PartialEq)]
enum Outcome {
    Insert(Insert),
    Swap(Swap),
}

/// A change with all that it needs.
#[derive(Debug, Clone)]
enum Change {
    Insert(Record),
    Swap(Record),
    Remove(String, FileId, u64),
}

impl Model {
    /// Turns a step into a full change, from what the model holds now.
    fn plan(&self, step: &Step) -> Change {
        match step {
            Step::Insert {
                name,
                state,
                node: on,
                size,
            } => {
                let copy = Copy {
                    node: node(NODES[*on]),
                    session: 3,
                    generation: 1,
                    doomed: false,
                };
                Change::Insert(Record {
                    state: STATES[*state],
                    node: copy.node.clone(),
                    copies: vec![copy],
                    owner: owner(*name),
                    ..record(NAMES[*name], *size)
                })
            }
            Step::Swap {
                name,
                state,
                nodes,
                size,
                how,
            } => {
                let old = self.0.get(NAMES[*name]).cloned();
                let mut new = next(
                    &old.unwrap_or_else(|| record(NAMES[*name], 1)),
                    STATES[*state],
                );
                new.size = *size;
                new.copies = (2..)
                    .zip(nodes)
                    .map(|(generation, n)| Copy {
                        node: node(NODES[*n]),
                        session: 4,
                        generation,
                        doomed: false,
                    })
                    .collect();
                (new.node, new.generation) = (new.copies[0].node.clone(), 2);
                new.rev += u64::from(*how == Aim::WrongRev);
                if *how == Aim::WrongId {
                    new.id = FileId::random();
                }
                Change::Swap(new)
            }
            Step::Remove { name, how } => {
                let old = self.0.get(NAMES[*name]);
                let (id, rev) = old.map_or((FileId::random(), 1), |r| (r.id, r.rev));
                match how {
                    Aim::True => Change::Remove(NAMES[*name].into(), id, rev),
                    Aim::WrongRev => Change::Remove(NAMES[*name].into(), id, rev + 1),
                    Aim::WrongId => Change::Remove(NAMES[*name].into(), FileId::random(), rev),
                }
            }
            Step::Together(_) | Step::Reopen => unreachable!("no single change"),
        }
    }

    fn apply(&mut self, change: &Change) -> Outcome {
        let (name, id, rev) = match change {
            Change::Insert(record) => {
                let name = record.name.to_string();
                return Outcome::Insert(match self.0.get(&name) {
                    Some(existing) => Insert::Exists(existing.clone()),
                    None => {
                        self.0.insert(name, record.clone());
                        Insert::Inserted
                    }
                });
            }
            Change::Swap(new) => (new.name.to_string(), new.id, new.rev - 1),
            Change::Remove(name, id, rev) => (name.clone(), *id, *rev),
        };
        match self.0.get(&name) {
            Some(old) if old.id == id && old.rev == rev => {
                match change {
                    Change::Swap(new) => self.0.insert(name, new.clone()),
                    Change::Insert(_) | Change::Remove(..) => self.0.remove(&name),
                };
                Outcome::Swap(Swap::Done)
            }
            other => Outcome::Swap(Swap::Mismatch(other.cloned())),
        }
    }

    fn all(&self, keep: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.0.values().filter(|r| keep(r)).cloned().collect()
    }

    /// Compares every view that the store offers.
    async fn check(&self, store: &dyn Store) {
        for file in NAMES {
            assert_eq!(
                store.get(&name(file)).await.unwrap().as_ref(),
                self.0.get(file)
            );
        }
        let visible = self.all(|r| r.state != State::Pending);
        assert_eq!(store.page("", None, 100).await.unwrap(), visible);
        for bound in NAMES {
            let from = |r: &Record| r.state != State::Pending && r.name.as_str() > bound;
            assert_eq!(
                store.page("", Some(bound), 100).await.unwrap(),
                self.all(from)
            );
            let under =
                |r: &Record| r.state != State::Pending && r.name.as_str().starts_with(bound);
            assert_eq!(store.page(bound, None, 100).await.unwrap(), self.all(under));
        }
        let unsettled = self.all(|r| r.state != State::Stored);
        assert_eq!(store.unsettled(None, 100).await.unwrap(), unsettled);
        for id in NODES {
            let listed = self.all(|r| r.copies.iter().any(|c| c.node.as_str() == id));
            assert_eq!(store.listed_on(&node(id), None, 100).await.unwrap(), listed);
        }
        let totals = Totals {
            files: visible.len() as u64,
            bytes: visible.iter().map(|r| r.size).sum(),
        };
        assert_eq!(store.totals().await.unwrap(), totals);
        for owner in [Owner(0), Owner(1)] {
            let its = self.all(|r| r.owner == Some(owner));
            let sum = Totals {
                files: its.len() as u64,
                bytes: its.iter().map(|r| r.size).sum(),
            };
            assert_eq!(store.stored_for(owner).await.unwrap(), sum);
        }
    }
}

async fn carry_out(store: &dyn Store, change: Change) -> Outcome {
    match change {
        Change::Insert(record) => Outcome::Insert(store.insert(record).await.unwrap()),
        Change::Swap(new) => Outcome::Swap(store.swap(new).await.unwrap()),
        Change::Remove(file, id, rev) => {
            Outcome::Swap(store.remove(&name(&file), id, rev).await.unwrap())
        }
    }
}

async fn run(steps: Vec<Step>, dir: &Path) {
    let mut model = Model::default();
    let mut store: Arc<dyn Store> = Arc::new(Embedded::open(dir).await.unwrap());
    for step in steps {
        match &step {
            Step::Reopen => {
                drop(store);
                store = Arc::new(Embedded::open(dir).await.unwrap());
            }
            Step::Together(steps) => {
                // Asked for in this order on one thread, so they queue in this order;
                // whether they share a commit is the committer's affair.
                let mut asked = Vec::new();
                for step in steps {
                    let change = model.plan(step);
                    let want = model.apply(&change);
                    let store = store.clone();
                    asked.push((
                        want,
                        tokio::spawn(async move { carry_out(&*store, change).await }),
                    ));
                }
                for (want, got) in asked {
                    assert_eq!(got.await.unwrap(), want, "{step:?}");
                }
            }
            Step::Insert { .. } | Step::Swap { .. } | Step::Remove { .. } => {
                let change = model.plan(&step);
                let want = model.apply(&change);
                assert_eq!(carry_out(&*store, change).await, want, "{step:?}");
            }
        }
        model.check(&*store).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_changes_and_reopenings_leave_what_a_map_would(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let dir = tempfile::TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps, dir.path()));
    }
}

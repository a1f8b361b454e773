use super::*;
use crate::plan::{DrainFacts, Known, PodFacts};

/// A simulated pool: its set, its nodes, and managers that carry out orders at once.
/// Emptying a node takes turns of its own.
#[derive(Debug, Clone, Default)]
struct World {
    scale: Scale,
    files: Vec<u64>,
    /// The seal on the volume, which outlives pod and row.
    sealed: Vec<bool>,
    /// The order in the row.
    ordered: Vec<bool>,
    known: Vec<bool>,
    /// Pods that are being stopped, and answer meanwhile.
    stopping: Vec<bool>,
}

impl World {
    fn new(nodes: i32) -> Self {
        let mut world = Self::default();
        world.scale.current = nodes;
        world.scale.wanted = nodes;
        world.scale.reachable = true;
        world.settle();
        world
    }

    /// Pods come and go with the set, and nodes with their pods.
    fn settle(&mut self) {
        let pods = usize::try_from(self.scale.current).expect("not negative");
        while self.files.len() < pods {
            self.files.push(0);
            self.sealed.push(false);
            self.ordered.push(false);
            self.known.push(false);
            self.stopping.push(false);
        }
        for ordinal in 0..pods {
            self.known[ordinal] = true;
        }
    }

    fn look(&self) -> Scale {
        let mut scale = self.scale.clone();
        scale.claims = (0..)
            .take(self.files.len())
            .map(|ordinal| (ordinal, Mark::Missing))
            .collect();
        for (i, files) in self.files.iter().enumerate() {
            let ordinal = i32::try_from(i).expect("few");
            let here = ordinal < scale.current;
            if !self.known[i] && !here {
                continue;
            }
            scale.nodes.push(NodeFacts {
                ordinal,
                pod: here.then(|| PodFacts {
                    ready: !self.stopping[i],
                    ..PodFacts::default()
                }),
                known: self.known[i].then(|| Known {
                    available: here,
                    merged: here,
                    ..Known::default()
                }),
                drain: (self.ordered[i] || here && self.sealed[i]).then(|| DrainFacts {
                    ordered: self.ordered[i],
                    done: here && self.sealed[i] && *files == 0,
                    records: *files,
                    files: *files,
                    ..DrainFacts::default()
                }),
                losing: false,
            });
        }
        scale
    }

    fn act(&mut self, step: &Step) {
        let at = |ordinal: &i32| usize::try_from(*ordinal).expect("not negative");
        match step {
            Step::Rest | Step::Wait(_) => {}
            Step::Mark {
                replicas,
                doomed_from,
                leaving,
            } => {
                for gone in *replicas..self.scale.current {
                    assert_eq!(self.files[at(&gone)], 0, "files left with node {gone}");
                    assert!(self.sealed[at(&gone)], "node {gone} left unsealed");
                }
                assert!(self.scale.current - replicas <= 1, "one at a time");
                self.scale.current = *replicas;
                self.scale.doomed_from = *doomed_from;
                self.scale.leaving = *leaving;
                self.settle();
            }
            Step::Drain(ordinals) => ordinals.iter().for_each(|o| self.drain(at(o))),
            Step::Open(ordinals) => {
                for ordinal in ordinals {
                    let leaving = self.scale.leaving;
                    assert_ne!(leaving, Some(*ordinal), "opened while it may leave");
                    self.ordered[at(ordinal)] = false;
                    // The seal of one that is being stopped stays on its volume.
                    self.sealed[at(ordinal)] &= self.stopping[at(ordinal)];
                }
            }
            Step::Forget(ordinal) => {
                assert_eq!(self.files[at(ordinal)], 0, "forgotten with files");
                assert!(*ordinal >= self.scale.current);
                self.known[at(ordinal)] = false;
                self.ordered[at(ordinal)] = false;
            }
        }
    }

    fn drain(&mut self, ordinal: usize) {
        self.ordered[ordinal] = true;
        self.sealed[ordinal] = true;
    }

    /// Somebody deletes the set, and its pods with it; the next reconcile makes it anew.
    fn delete_set(&mut self) {
        self.scale.current = 0;
        let mut look = self.look();
        look.nodes.iter_mut().for_each(|node| node.pod = None);
        self.scale.current = first(&look);
        self.scale.doomed_from = Some(0);
        self.scale.leaving = None;
        self.settle();
    }

    /// Files go to open nodes: uploads, and what leaves sealed ones.
    fn traffic(&mut self, uploads: u64) {
        let pods = usize::try_from(self.scale.current).expect("not negative");
        let open: Vec<usize> = (0..pods).filter(|i| !self.sealed[*i]).collect();
        let Some(target) = open.first().copied() else {
            return;
        };
        self.files[target] += uploads;
        for i in (0..pods).filter(|i| self.sealed[*i]) {
            let moved = self.files[i].min(3);
            self.files[i] -= moved;
            self.files[target] += moved;
        }
    }

    fn run(&mut self, turns: usize) {
        for _ in 0..turns {
            let step = next(&self.look());
            self.act(&step);
            self.stopping.fill(false);
            self.traffic(1);
        }
    }
}

#[test]
fn a_pool_shrinks_and_grows_again() {
    let mut world = World::new(5);
    world.files = vec![10; 5];
    world.scale.wanted = 3;
    world.run(40);
    assert_eq!((world.scale.current, world.scale.leaving), (3, None));
    assert_eq!(next(&world.look()), Step::Rest);
    assert!(!world.known[3] && !world.known[4], "both are forgotten");
    world.scale.wanted = 5;
    world.run(10);
    assert_eq!((world.scale.current, world.scale.doomed_from), (5, Some(5)));
    assert_eq!(world.sealed, [false; 5]);
    assert_eq!(next(&world.look()), Step::Rest);
}

#[test]
fn a_node_that_came_with_a_sealed_volume_is_ordered_to_drain_and_forgotten() {
    let mut world = World::new(3);
    world.sealed[2] = true;
    world.scale.wanted = 2;
    world.run(20);
    assert_eq!(world.scale.current, 2);
    assert!(!world.known[2], "it is forgotten");
}

#[test]
fn whatever_becomes_of_the_mark_no_wanted_node_stays_sealed() {
    let mut world = World::new(5);
    world.scale.wanted = 3;
    world.run(2);
    assert!(world.sealed[3] && world.sealed[4]);
    world.scale.doomed_from = None;
    world.scale.wanted = 5;
    world.run(5);
    assert_eq!(world.sealed, [false; 5]);
    assert_eq!(next(&world.look()), Step::Rest);
}

#[test]
fn a_node_whose_pod_is_being_stopped_is_opened_when_it_is_back() {
    let mut world = World::new(3);
    world.scale.wanted = 2;
    world.run(2);
    assert!(world.sealed[2]);
    world.scale.wanted = 3;
    world.stopping[2] = true;
    world.run(1);
    assert_eq!(next(&world.look()), Step::Open(vec![2]));
    let mut losing = world.look();
    losing.nodes[2].losing = true;
    assert_eq!(
        next(&losing),
        losing.mark(Some(3), None),
        "drained for that"
    );
    world.run(3);
    assert_eq!(world.sealed, [false; 3]);
}

#[test]
fn a_node_that_does_not_stand_holds_up_no_other_ones_leaving() {
    let mut world = World::new(3);
    world.scale.doomed_from = Some(0);
    world.scale.wanted = 2;
    for _ in 0..6 {
        world.stopping[0] = true;
        world.run(1);
    }
    assert_eq!(world.scale.current, 2);
}

#[test]
fn a_set_that_was_deleted_comes_back_with_every_node_that_holds_files() {
    let node = |ordinal, drain: Option<DrainFacts>, available| NodeFacts {
        ordinal,
        known: Some(Known {
            available,
            ..Known::default()
        }),
        drain,
        ..NodeFacts::default()
    };
    let drained = |records, done| {
        Some(DrainFacts {
            ordered: true,
            done,
            records,
            ..DrainFacts::default()
        })
    };
    let unordered = Some(DrainFacts::default());
    for (nodes, first_pods) in [
        (vec![], 3),
        (vec![node(4, None, false)], 5),
        (vec![node(4, drained(7, false), false)], 5),
        (vec![node(4, unordered, false)], 5),
        (
            vec![node(3, None, false), node(4, drained(0, false), false)],
            4,
        ),
        (vec![node(4, drained(0, true), true)], 3),
        // No record lists it, but copies lie there in quarantine.
        (vec![node(4, drained(0, false), true)], 5),
        // Its volume is gone: a new one would not bring the files back.
        (vec![node(6, None, false)], 3),
        (vec![node(0, None, false)], 3),
    ] {
        let mut scale = Scale {
            wanted: 3,
            reachable: true,
            claims: (0..5).map(|ordinal| (ordinal, Mark::Missing)).collect(),
            nodes,
            ..Scale::default()
        };
        assert_eq!(first(&scale), first_pods, "{scale:?}");
        // Nor is one left out of a set that somebody made by hand.
        scale.current = 3;
        let grows = matches!(next(&scale), Step::Mark { replicas, .. } if replicas == first_pods);
        assert_eq!(grows, first_pods > 3, "{scale:?}");
    }
    let unknown = Scale {
        wanted: 3,
        claims: (0..5).map(|ordinal| (ordinal, Mark::Missing)).collect(),
        ..Scale::default()
    };
    assert_eq!(first(&unknown), 5, "nobody can be asked");
}

#[test]
fn a_shrink_that_is_cancelled_opens_the_nodes_again() {
    let mut world = World::new(5);
    world.files = vec![100; 5];
    world.scale.wanted = 2;
    world.run(4);
    assert_eq!(world.sealed, [false, false, true, true, true]);
    world.scale.wanted = 4;
    world.run(3);
    assert_eq!(world.sealed, [false, false, false, false, true]);
    world.run(60);
    assert_eq!(world.scale.current, 4);
    world.scale.wanted = 5;
    world.run(10);
    assert_eq!((world.scale.current, world.scale.doomed_from), (5, Some(5)));
}

#[test]
fn nodes_that_left_are_opened_again_whatever_came_in_between() {
    let mut world = World::new(5);
    world.scale.wanted = 3;
    world.run(30);
    for wanted in [2, 3] {
        world.scale.wanted = wanted;
        world.run(1);
    }
    world.run(5);
    world.scale.wanted = 5;
    world.run(10);
    assert_eq!(
        (world.scale.current, &world.sealed[..]),
        (5, &[false; 5][..])
    );
}

#[test]
fn nothing_leaves_while_no_manager_answers() {
    let mut scale = World::new(3).look();
    scale.wanted = 1;
    scale.reachable = false;
    for (doomed, leaving) in [(None, None), (Some(1), None), (Some(1), Some(2))] {
        scale.doomed_from = doomed;
        scale.leaving = leaving;
        assert!(matches!(next(&scale), Step::Wait(_)), "{scale:?}");
    }
    // More nodes need no manager's answer.
    scale.wanted = 4;
    assert!(matches!(next(&scale), Step::Mark { replicas: 4, .. }));
}

#[test]
fn a_node_that_is_opened_or_filled_after_it_was_named_stays() {
    let mut world = World::new(3);
    world.scale.wanted = 2;
    world.scale.doomed_from = Some(2);
    world.scale.leaving = Some(2);
    // Somebody opened it: it is sealed and judged anew.
    assert_eq!(next(&world.look()), Step::Drain(vec![2]));
    world.drain(2);
    world.files[2] = 1;
    assert_eq!(next(&world.look()), world.scale.mark(Some(2), None));
    world.files[2] = 0;
    assert!(matches!(
        next(&world.look()),
        Step::Mark { replicas: 2, .. }
    ));
}

#[test]
fn a_set_that_somebody_scaled_up_is_drained_before_it_shrinks() {
    let mut world = World::new(3);
    world.scale.current = 5;
    world.settle();
    world.files = vec![5; 5];
    world.run(30);
    assert_eq!(world.scale.current, 3);
    assert_eq!(world.files[3..], [0, 0]);
}

#[test]
fn a_drain_that_a_person_ordered_is_left_alone() {
    let mut world = World::new(3);
    world.scale.doomed_from = Some(3);
    world.drain(1);
    assert_eq!(next(&world.look()), Step::Rest);
}

#[test]
fn what_a_shrink_waits_for_is_told() {
    let mut world = World::new(2);
    world.scale.wanted = 1;
    world.scale.doomed_from = Some(1);
    world.drain(1);
    world.files[1] = 7;
    let mut scale = world.look();
    assert_eq!(next(&scale), Step::Wait(Wait::Moving(7)));
    scale.nodes[1].drain.as_mut().expect("it is drained").holds = Some("so".to_owned());
    let held = Wait::Held {
        ordinal: 1,
        why: "so".to_owned(),
    };
    assert_eq!(next(&scale), Step::Wait(held));
}

/// A store that knows none of the nodes: rows were made for them by an order to drain.
fn lost(marks: &[Mark], current: i32, wanted: i32) -> Scale {
    let node = |ordinal| NodeFacts {
        ordinal,
        pod: Some(PodFacts::default()),
        known: Some(Known::default()),
        drain: Some(DrainFacts {
            ordered: true,
            unseen: true,
            ..DrainFacts::default()
        }),
        losing: false,
    };
    Scale {
        wanted,
        current,
        doomed_from: Some(wanted),
        reachable: true,
        claims: (0..).zip(marks.iter().copied()).collect(),
        nodes: (0..current).map(node).collect(),
        ..Scale::default()
    }
}

#[test]
fn while_the_store_may_be_a_stranger_no_node_leaves_and_none_joins() {
    let held = Mark::Volume(uuid::Uuid::max());
    let mark = |replicas| {
        Some(Step::Mark {
            replicas,
            doomed_from: Some(1),
            leaving: None,
        })
    };
    for (marks, current, wanted, leaving, step) in [
        (&[held; 3][..], 3, 1, None, None),
        (&[Mark::Empty; 3][..], 3, 1, None, None),
        (&[held; 3][..], 3, 5, None, None),
        (&[held; 3][..], 3, 3, None, Some(Step::Rest)),
        // It was named for leaving before.
        (&[held; 3][..], 3, 1, Some(2), mark(3)),
        // Nodes that hold files come back, and no others.
        (&[held; 3][..], 1, 1, None, mark(3)),
        (&[held, Mark::Empty, held][..], 1, 1, None, Some(Step::Rest)),
    ] {
        let mut scale = lost(marks, current, wanted);
        scale.doubt = Some(Doubt::Replaced { ordinal: 0 });
        scale.leaving = leaving;
        match step {
            Some(step) => assert_eq!(next(&scale), step, "{scale:?}"),
            None => assert!(matches!(next(&scale), Step::Wait(_)), "{scale:?}"),
        }
    }
    let mut scale = lost(&[held, held, Mark::Empty], 0, 5);
    scale.doubt = Some(Doubt::Replaced { ordinal: 0 });
    assert_eq!(first(&scale), 2);
}

#[test]
fn a_node_that_never_joined_leaves_only_where_its_claim_is_empty() {
    let volume = Mark::Volume(uuid::Uuid::max());
    for (mark, leaves) in [
        (Mark::Empty, true),
        (Mark::Missing, false),
        (Mark::Started, false),
        (volume, false),
    ] {
        let scale = lost(&[volume, mark], 2, 1);
        let named = scale.mark(Some(1), Some(1));
        assert_eq!(next(&scale) == named, leaves, "{mark:?}");
        assert_eq!(matches!(next(&scale), Step::Wait(_)), !leaves, "{mark:?}");
    }
    let mut scale = lost(&[volume], 2, 1);
    scale.claims.truncate(1);
    assert_eq!(next(&scale), scale.mark(Some(1), Some(1)), "no claim");
}

/// Whatever is wanted, and however often that changes, no file leaves with a node
/// and it ends as wanted. The seed is printed where it fails.
#[test]
fn no_file_leaves_whatever_people_want() {
    use rand::{RngExt, SeedableRng};
    let seed = std::env::var("DFS_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("DFS_SEED={seed}");
    let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
    for _ in 0..300 {
        let mut world = World::new(rng.random_range(1..6));
        for _ in 0..12 {
            world.scale.wanted = rng.random_range(1..7);
            world.scale.reachable = rng.random_bool(0.8);
            match rng.random_range(0..8) {
                0 => world.scale.doomed_from = None,
                1 => world.delete_set(),
                2 => world.stopping.fill(true),
                _ => {}
            }
            world.run(rng.random_range(0..8));
        }
        world.scale.reachable = true;
        world.run(400);
        assert_eq!(world.scale.current, world.scale.wanted, "{world:?}");
        let pods = usize::try_from(world.scale.current).expect("not negative");
        assert_eq!(world.sealed[..pods], vec![false; pods], "{world:?}");
    }
}

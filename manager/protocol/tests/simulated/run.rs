//! One run: a world is made, clients and troubles are let loose on it, then it gets calm,
//! settles, and is looked at.

use crate::clients::{Clients, Managers};
use crate::damage::Damage;
use crate::end;
use crate::files::Files;
use crate::history::{Answer, Asked, Event, History};
use crate::judge::Judge;
use crate::trouble::Trouble;
use crate::weather::Weather;
use futures::future::join_all;
use manager_protocol::sim::{Ground, Memory, MemoryNode, Process, Remote, Simulation, Wire};
use manager_protocol::store::Store;
use manager_protocol::world::Runtime;
use names::{Code, FileName, NodeId};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

const NODES: u64 = 3;
const NAMES: u64 = 8;
const CLIENTS: u64 = 4;
const REQUESTS: u64 = 40;
/// Tombstones that a node has room for: few, so that sessions end by them (rule 4).
const TOMBSTONES: usize = 12;
/// How long there is trouble.
const TROUBLE: Duration = Duration::from_secs(50);
/// How long orders may be under way once nothing goes wrong any more, and creates may wait
/// for their Finish.
const STRAGGLERS: Duration = Duration::from_secs(130);
/// How long the world may take to settle after that.
const SETTLES: Duration = Duration::from_secs(600);

/// The world of one run.
struct Run {
    world: Process,
    memory: Arc<Memory>,
    clients: Clients,
    trouble: Trouble,
    weather: Weather,
}

/// What a run came to, so that runs in which nothing happens are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The hash of all that happened.
    pub(crate) trace: u64,
    /// Uploads that were acknowledged.
    pub(crate) uploads: usize,
    /// Files that had to be there at the end.
    pub(crate) kept: usize,
    /// How often a copy on another node came to count.
    pub(crate) moved: u64,
    /// Files that were damaged.
    pub(crate) damaged: usize,
    /// Those of them that had to be there at the end all the same.
    pub(crate) judged: usize,
    /// Files of which nothing was expected any more.
    pub(crate) excused: usize,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, weather: Weather) -> Outcome {
    let simulation = Simulation::new(seed);
    let world = simulation.process();
    let (wrong, outcome) = simulation.block_on(async {
        let run = Run::new(&world, weather).await;
        run.go().await;
        (run.wrong().await, run.outcome())
    });
    if !wrong.is_empty() {
        for event in simulation.last_events() {
            eprintln!("{event}");
        }
        panic!("seed {seed}:\n{}", wrong.join("\n"));
    }
    Outcome {
        trace: simulation.trace(),
        ..outcome
    }
}

impl Run {
    async fn new(world: &Process, weather: Weather) -> Self {
        let wire = Wire::new(world.clone(), weather.odds());
        let memory = Arc::new(Memory::default());
        let store = Arc::new(Remote::new(memory.clone(), wire.clone()));
        let node = |number| {
            let id = NodeId::new(&format!("n{number}")).expect("a node id");
            MemoryNode::start(world, id, TOMBSTONES, memory.dooms())
        };
        let ground = Ground {
            outside: world.clone(),
            cluster: memory.cluster_id().await.expect("a store"),
            store: store.clone(),
            nodes: (0..NODES).map(node).collect(),
            wire,
        };
        let managers = Managers::default();
        let name = |number| FileName::new(&format!("f{number}")).expect("a name");
        let clients = Clients {
            world: world.clone(),
            managers: managers.clone(),
            files: Files::default(),
            history: History::default(),
            names: (0..NAMES).map(name).collect(),
        };
        let trouble = Trouble {
            world: world.clone(),
            ground,
            store,
            managers,
            going_on: Arc::default(),
            started: Arc::new(AtomicU64::new(0)),
        };
        Self {
            world: world.clone(),
            memory,
            clients,
            trouble,
            weather,
        }
    }

    async fn go(&self) {
        let managers = 1 + self.world.below(2);
        for place in 0..usize::try_from(managers).unwrap_or(1) {
            self.trouble.start_manager(place);
        }
        if self.weather != Weather::Rough {
            // Every node has joined.
            self.world.sleep(Duration::from_secs(10)).await;
        }
        let clients = (0..CLIENTS).map(|_| self.clients.clone().run(REQUESTS));
        let trouble = async {
            match self.weather {
                Weather::Fair => {}
                Weather::Drains => self.trouble.clone().run(TROUBLE, Weather::Drains).await,
                Weather::Rough => {
                    let damage = Damage {
                        trouble: self.trouble.clone(),
                        memory: self.memory.clone(),
                        files: self.clients.files.clone(),
                    };
                    let trouble = self.trouble.clone().run(TROUBLE, Weather::Rough);
                    futures::join!(trouble, damage.run());
                }
            }
        };
        futures::join!(join_all(clients), trouble);
        self.world.note("it gets calm");
        self.trouble.ground.wire.calm_down();
        self.world.sleep(STRAGGLERS).await;
        self.settle().await;
        self.world.note("all is settled");
    }

    async fn settle(&self) {
        let until = self.world.elapsed() + SETTLES;
        while self.world.elapsed() < until {
            let records = self.memory.records();
            let mut unsettled = records.iter().filter(|record| !record.state.is_settled());
            // A person has to decide on those of which no copy is whole.
            let files = &self.clients.files;
            if unsettled.all(|record| files.of(record).is_some_and(|file| files.is_excused(file))) {
                return;
            }
            self.world.sleep(Duration::from_secs(1)).await;
        }
    }

    /// What it came to, but for its trace.
    fn outcome(&self) -> Outcome {
        let Clients { files, history, .. } = &self.clients;
        let judge = Judge::new(files, history.all());
        let (kept, damaged) = (judge.kept(), files.damaged());
        Outcome {
            trace: 0,
            uploads: judge.acknowledged(),
            kept: kept.len(),
            moved: self.memory.moved(),
            damaged: damaged.len(),
            judged: damaged.intersection(&kept).count(),
            excused: files.excused(),
        }
    }

    /// Everything that must not be, in words.
    async fn wrong(&self) -> Vec<String> {
        let Clients { files, history, .. } = &self.clients;
        let mut wrong = Vec::new();
        let judge = Judge::new(files, history.all());
        let (kept, gone) = (judge.kept(), judge.gone());
        for name in &self.clients.names {
            // Whatever is there of a file of which nothing is expected, it is no other bytes.
            self.clients.read(name).await;
        }
        for file in &kept {
            let read = self.clients.read(&files.name(*file)).await;
            if read != Some(Answer::Body(Some(*file))) {
                wrong.push(format!("file {file} does not read back: {read:?}"));
            }
        }
        wrong.extend(end::wrong(
            &self.trouble.ground,
            &self.memory,
            files,
            &kept,
            &gone,
        ));
        let events = history.all();
        let judged = |event: &Event| match self.weather {
            Weather::Fair => true,
            // A file that moves is read all the same (invariant 6).
            Weather::Drains => matches!(event.asked, Asked::Read),
            Weather::Rough => false,
        };
        let refused = events.iter().filter(|e| judged(e) && is_refused(e));
        wrong.extend(refused.map(|event| format!("it was refused: {event:?}")));
        wrong.extend(Judge::new(files, events).wrong());
        let rows = self.memory.nodes().await.unwrap_or_default();
        if rows.iter().any(|row| row.set_back) {
            wrong.push("the store counts as set back, and never was".to_owned());
        }
        self.world
            .note(format_args!("{} files are kept", kept.len()));
        wrong
    }
}

/// Whether a request failed for something else than what other clients did.
fn is_refused(event: &Event) -> bool {
    match (&event.asked, event.answer) {
        (_, Answer::Nothing) => true,
        (Asked::Upload(_), Answer::Failed(code)) => code != Code::FileNameExists,
        (Asked::Read | Asked::Delete(_), Answer::Failed(code)) => code != Code::FileDoesNotExist,
        (_, Answer::Done | Answer::Body(_)) => false,
    }
}

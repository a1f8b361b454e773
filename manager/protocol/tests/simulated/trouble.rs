//! What goes wrong beside the messages: nodes and managers are killed, nodes and the store
//! can't be reached for a while, and nodes are drained.

use crate::clients::{Managers, serve};
use crate::weather::Weather;
use manager_protocol::core::Core;
use manager_protocol::sim::{Ground, MemoryNode, Process, Remote, SimManager};
use manager_protocol::upkeep::drain;
use manager_protocol::world::Runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The pause between two troubles.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(7));
/// How long a node is out, or a manager is not started again.
const OUT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(14));
/// How long the store is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// The pause before an order of a person is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Makes trouble in one run.
#[derive(Clone)]
pub(crate) struct Trouble {
    pub(crate) world: Process,
    pub(crate) ground: Ground,
    pub(crate) store: Arc<Remote>,
    pub(crate) managers: Managers,
    /// Troubles that are not over.
    pub(crate) going_on: Arc<AtomicU64>,
    /// Managers that were started.
    pub(crate) started: Arc<AtomicU64>,
}

impl Trouble {
    /// Makes trouble for so long, and then waits until all of it is over.
    pub(crate) async fn run(self, time: Duration, weather: Weather) {
        let until = self.world.elapsed() + time;
        while self.world.elapsed() < until {
            self.world.pause(PAUSE.0, PAUSE.1).await;
            let one = self.clone();
            self.going_on.fetch_add(1, Ordering::Relaxed);
            self.world.run(async move {
                match weather {
                    Weather::Drains => one.drain(&one.node()).await,
                    Weather::Fair | Weather::Rough => one.one().await,
                }
                one.going_on.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while self.going_on.load(Ordering::Relaxed) > 0 {
            self.world.sleep(AGAIN).await;
        }
    }

    async fn one(&self) {
        match self.world.below(12) {
            0..3 => self.restart(&self.node()),
            3..5 => self.out(&self.node(), false).await,
            5..7 => self.out(&self.node(), true).await,
            7..9 => self.kill_manager().await,
            9..11 => {
                let time = self.world.between(AWAY.0, AWAY.1);
                self.world
                    .note(format_args!("the store is away for {time:?}"));
                self.store.goes_away(time);
            }
            _ => self.drain(&self.node()).await,
        }
    }

    fn node(&self) -> Arc<MemoryNode> {
        let nodes = &self.ground.nodes;
        let count = u64::try_from(nodes.len()).unwrap_or(1);
        let drawn = usize::try_from(self.world.below(count)).unwrap_or_default();
        nodes[drawn].clone()
    }

    fn restart(&self, node: &MemoryNode) {
        self.world
            .note(format_args!("{} is killed and starts again", node.id));
        node.restart();
    }

    async fn out(&self, node: &MemoryNode, dead: bool) {
        if node.is_out() {
            return;
        }
        self.world.note(format_args!("{} is out", node.id));
        node.set_out(true);
        self.world.pause(OUT.0, OUT.1).await;
        if dead {
            self.restart(node);
        }
        self.world.note(format_args!("{} is back", node.id));
        node.set_out(false);
    }

    /// Starts a manager in an empty place.
    pub(crate) fn start_manager(&self, place: usize) {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let name = format!("m{place}/{number}/sim");
        self.world.note(format_args!("{name} starts"));
        let manager = SimManager::start(&self.ground, &name);
        let mut managers = self.managers.0.lock();
        let places = managers.len().max(place + 1);
        managers.resize_with(places, || None);
        managers[place] = Some(manager);
    }

    /// Kills all that run; their places.
    pub(crate) fn kill_all(&self) -> Vec<usize> {
        let mut managers = self.managers.0.lock();
        let places = managers.iter_mut().enumerate();
        let killed = places.filter_map(|(place, manager)| Some((place, manager.take()?)));
        let killed = killed.map(|(place, manager)| {
            manager.kill();
            place
        });
        let killed: Vec<usize> = killed.collect();
        if !killed.is_empty() {
            self.world
                .note(format_args!("all managers are killed: {killed:?}"));
        }
        killed
    }

    async fn kill_manager(&self) {
        let count = u64::try_from(self.managers.0.lock().len()).unwrap_or(1);
        let place = usize::try_from(self.world.below(count)).unwrap_or_default();
        let Some(manager) = self.managers.0.lock()[place].take() else {
            return;
        };
        self.world
            .note(format_args!("the manager m{place} is killed"));
        manager.kill();
        self.world.pause(OUT.0, OUT.1).await;
        self.start_manager(place);
    }

    /// A person drains a node, changes their mind, and does not rest until it is open.
    async fn drain(&self, node: &MemoryNode) {
        let ids = [node.id.clone()];
        let Some(manager) = self.managers.draw(&self.world) else {
            return;
        };
        let wanted = ids.clone();
        let order = |core: Arc<Core>| async move { drain::order(&core, &wanted).await.is_ok() };
        let ordered = serve(&manager, order).await;
        self.world
            .note(format_args!("a drain of {}: {ordered:?}", node.id));
        self.world.pause(OUT.0, OUT.1).await;
        loop {
            let wanted = ids.clone();
            let cancel =
                |core: Arc<Core>| async move { drain::cancel(&core, &wanted).await.is_ok() };
            if let Some(manager) = self.managers.draw(&self.world)
                && serve(&manager, cancel).await == Some(true)
            {
                return self.world.note(format_args!("{} is open again", node.id));
            }
            self.world.sleep(AGAIN).await;
        }
    }
}

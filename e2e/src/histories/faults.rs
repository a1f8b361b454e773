//! What goes wrong while the clients are at work, over and over.

use crate::cluster::{Cluster, SOON};
use crate::content;
use crate::wait;
use anyhow::{Result, ensure};
use client::Client;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::Rng;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two faults.
const GAP: Duration = Duration::from_millis(1500);
/// How long a drain goes on before it is cancelled.
const DRAIN: Duration = Duration::from_secs(3);
/// How long a drain goes on before the leader is paused during it.
const UNDER_WAY: Duration = Duration::from_millis(300);
/// How long the leader is paused, in milliseconds: longer than its lease lasts,
/// and about as long as others wait before they settle what it had under way.
const PAUSE_MS: std::ops::Range<usize> = 5000..9000;
/// How long a process that was killed stays away.
const DOWN: Duration = Duration::from_secs(2);

/// Everything that goes wrong, in its order.
const ALL: [Fault; 5] = [
    Fault::NodeJoins,
    Fault::Drain,
    Fault::NodeKilled,
    Fault::LeaderPaused,
    Fault::ManagerKilled,
];

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// A fourth node joins, so that files move to it.
    NodeJoins,
    /// A drain begins, and is cancelled.
    Drain,
    /// kill -9 of a node, which comes back.
    NodeKilled,
    /// The leader stands still in the midst of a drain, and goes on.
    LeaderPaused,
    /// kill -9 of a manager, which comes back.
    ManagerKilled,
}

/// The service, and what was done to it.
pub(super) struct Faults {
    pub(super) cluster: Cluster,
    clients: Vec<Client>,
    random: SplitMix64,
    start: Instant,
    /// What was done, each with the time since the start, for people.
    pub(super) told: Vec<(Duration, String)>,
    /// How often each was done.
    pub(super) counts: BTreeMap<Fault, usize>,
}

impl Faults {
    pub(super) fn new(cluster: Cluster, clients: Vec<Client>, seed: u64) -> Self {
        Self {
            cluster,
            clients,
            random: content::random(seed),
            start: Instant::now(),
            told: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// All faults in turn until the time is up, each at least once.
    ///
    /// # Errors
    /// When the service does not get over one.
    pub(super) async fn run(&mut self, within: Duration) -> Result<()> {
        self.start = Instant::now();
        for round in 0.. {
            for fault in ALL {
                if round > 0 && self.start.elapsed() > within {
                    return Ok(());
                }
                if round > 0 && fault == Fault::NodeJoins {
                    continue;
                }
                tokio::time::sleep(GAP).await;
                match fault {
                    Fault::NodeJoins => self.node_joins().await?,
                    Fault::Drain => self.drain().await?,
                    Fault::NodeKilled => self.node_killed().await?,
                    Fault::LeaderPaused => self.leader_paused().await?,
                    Fault::ManagerKilled => self.manager_killed().await?,
                }
                *self.counts.entry(fault).or_default() += 1;
            }
        }
        Ok(())
    }

    fn tell(&mut self, what: String) {
        eprintln!("{:>6.1} s: {what}", self.start.elapsed().as_secs_f64());
        self.told.push((self.start.elapsed(), what));
    }

    fn draw(&mut self, below: usize) -> usize {
        (self.random.next_u64() % below as u64) as usize
    }

    async fn node_joins(&mut self) -> Result<()> {
        let index = self.cluster.add_node().await?;
        let id = self.cluster.nodes[index].id.clone();
        self.tell(format!("{id} joined"));
        Ok(())
    }

    /// Orders a drain, or cancels it. It is tried again until the node has
    /// joined the manager, which may just have been started.
    async fn order(&mut self, node: &str, cancel: bool) -> Result<()> {
        let mut args = vec!["drain", "--node", node];
        args.extend(cancel.then_some("--cancel"));
        wait::until(SOON, async || self.cluster.ask(&args).await).await?;
        let what = if cancel { "cancelled" } else { "begun" };
        self.tell(format!("drain of {node} {what}"));
        Ok(())
    }

    async fn drain(&mut self) -> Result<()> {
        let drawn = self.draw(self.cluster.nodes.len());
        let node = self.cluster.nodes[drawn].id.clone();
        self.order(&node, false).await?;
        tokio::time::sleep(DRAIN).await;
        self.order(&node, true).await
    }

    async fn node_killed(&mut self) -> Result<()> {
        let index = self.draw(self.cluster.nodes.len());
        let id = self.cluster.nodes[index].id.clone();
        self.cluster.kill_node(index).await?;
        self.tell(format!("{id} killed"));
        tokio::time::sleep(DOWN).await;
        self.cluster.start_node(index).await?;
        self.tell(format!("{id} started"));
        Ok(())
    }

    async fn leader_paused(&mut self) -> Result<()> {
        let drawn = self.draw(self.cluster.nodes.len());
        let node = self.cluster.nodes[drawn].id.clone();
        self.order(&node, false).await?;
        tokio::time::sleep(UNDER_WAY).await;
        let leader = self.cluster.leader(SOON).await?;
        self.cluster.manager_at(leader)?.signal(Signal::STOP)?;
        self.tell(format!("manager {} paused, which leads", leader + 1));
        let pause = PAUSE_MS.start + self.draw(PAUSE_MS.len());
        tokio::time::sleep(Duration::from_millis(pause as u64)).await;
        self.cluster.manager_at(leader)?.signal(Signal::CONT)?;
        self.tell(format!("manager {} goes on", leader + 1));
        self.order(&node, true).await
    }

    async fn manager_killed(&mut self) -> Result<()> {
        let manager = self.draw(self.clients.len());
        self.cluster.kill_manager_at(manager).await?;
        self.tell(format!("manager {} killed", manager + 1));
        tokio::time::sleep(DOWN).await;
        self.cluster.start_manager_at(manager).await?;
        self.tell(format!("manager {} started", manager + 1));
        Ok(())
    }

    /// Waits until all nodes are available to all managers and nothing is
    /// under way.
    pub(super) async fn settled(&self) -> Result<()> {
        let nodes = self.cluster.nodes.len();
        for client in &self.clients {
            wait::until(SOON * 2, async || {
                let status = client.status().await?;
                let quiet = status.unsettled == 0 && status.moves.is_empty();
                ensure!(status.available() == nodes && quiet, "{status:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

//! A service of real processes, watched by a Prometheus with the chart's rules.

use super::World;
use super::operators::Operator;
use super::server::{Prometheus, Target};
use crate::cluster::{Cluster, Options};
use crate::wait;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an alert may take to fire or to end: the longest takes two minutes, and what it
/// is about has to happen first.
const SEEN: Duration = Duration::from_secs(200);

/// A watched service.
pub(super) struct Watched<'a> {
    /// Its processes.
    pub(super) cluster: Cluster,
    /// An operator of its own, in place of the one that all share.
    pub(super) operator: Option<Operator>,
    /// What watches it.
    pub(super) prometheus: Prometheus,
    world: &'a World,
    /// Since when it is well and watched. Before that Prometheus has not read all of it.
    since: Instant,
}

impl<'a> Watched<'a> {
    /// Starts a service, and waits until it is well.
    pub(super) async fn start(world: &'a World, options: Options) -> Result<Self> {
        Self::of(world, Cluster::start_with(options).await?, None).await
    }

    /// Watches a service that was started, and waits until it is well.
    pub(super) async fn of(
        world: &'a World,
        cluster: Cluster,
        operator: Option<Operator>,
    ) -> Result<Self> {
        let folder = cluster.folder().join("prometheus");
        let jobs = [&world.managers, &world.nodes, &world.operators];
        let mut watched = Self {
            prometheus: Prometheus::start(&folder, &jobs, &world.rules).await?,
            cluster,
            operator,
            world,
            since: Instant::now(),
        };
        watched.look()?;
        let targets = 2 + watched.cluster.others.len() + watched.cluster.nodes.len();
        watched.prometheus.wait_read(targets).await?;
        watched.calm().await?;
        watched.since = Instant::now();
        Ok(watched)
    }

    /// Has Prometheus read the processes that run now. One that does not run is kept as a
    /// target under an address where nobody answers, as its pod would be.
    pub(super) fn look(&self) -> Result<()> {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut managers = vec![target("manager", 0, self.cluster.ops())];
        for (at, other) in self.cluster.others.iter().enumerate() {
            managers.push(target("manager", at + 1, other.ops()));
        }
        let nodes: Result<Vec<_>> = self
            .cluster
            .nodes
            .iter()
            .enumerate()
            .map(|(at, node)| {
                let address = node.process.as_ref().map(|node| node.address("metrics"));
                Ok(target("node", at, address.unwrap_or(Ok(nobody))?))
            })
            .collect();
        let operator = match &self.operator {
            Some(operator) => operator.ops()?,
            None => self.world.operator.ops()?,
        };
        let operators = [target("operator", 0, operator)];
        self.prometheus.read(&self.world.managers, &managers)?;
        self.prometheus.read(&self.world.nodes, &nodes?)?;
        self.prometheus.read(&self.world.operators, &operators)
    }

    /// Waits until no alert fires or is about to.
    pub(super) async fn calm(&self) -> Result<()> {
        wait::until(SEEN, async || {
            let active = self.prometheus.active().await?;
            ensure!(active.is_empty(), "active: {active:?}");
            Ok(())
        })
        .await
    }

    /// All alerts that have fired since it was well.
    pub(super) async fn fired(&self) -> Result<BTreeSet<String>> {
        self.prometheus.fired(self.since.elapsed()).await
    }

    /// Waits until these alerts fire together.
    pub(super) async fn fires(&self, alerts: &[&str]) -> Result<()> {
        let fired = wait::until(SEEN, async || {
            let firing = self.prometheus.firing().await?;
            let all = alerts.iter().all(|&alert| firing.contains(alert));
            ensure!(all, "firing: {firing:?}");
            Ok(())
        });
        fired
            .await
            .with_context(|| format!("{} do not fire", alerts.join(", ")))
    }

    /// Starts a node again, and waits until it is available.
    pub(super) async fn start_node(&mut self, index: usize) -> Result<()> {
        self.cluster.start_node(index).await?;
        self.cluster
            .wait_available(self.cluster.nodes.len())
            .await?;
        self.look()
    }

    /// Restarts a node with flags of its own.
    pub(super) async fn restart_node(&mut self, index: usize, args: &[&str]) -> Result<()> {
        self.cluster.kill_node(index).await?;
        self.cluster.nodes[index].args = args.iter().map(|&arg| arg.to_owned()).collect();
        self.start_node(index).await
    }

    /// Stores small files.
    pub(super) async fn store(&self, prefix: &str, files: usize) -> Result<()> {
        let client = self.cluster.client()?;
        for number in 0..files {
            let name = format!("{prefix}{number}");
            client.put(&name, "some bytes").await?;
        }
        Ok(())
    }
}

fn target(what: &str, at: usize, address: SocketAddr) -> Target {
    Target {
        address,
        pod: format!("files-{what}-{at}"),
    }
}

//! How a simulated node joins a manager and stays joined, as the manager's registry does it.

use super::link::Link;
use super::node::{Life, MemoryNode, Peers};
use super::process::Process;
use super::wire::Wire;
use crate::cluster::admission::{Claim, admit};
use crate::core::Core;
use crate::nodes::{Node, SILENCE};
use crate::recovery::merge;
use crate::upkeep::drain;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The pause before a node joins again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1500));
/// The pause between two reports.
const REPORT: (Duration, Duration) = (Duration::from_millis(800), Duration::from_millis(1200));

/// One node, as one manager's process has it.
pub(super) struct Joins {
    pub(super) core: Arc<Core>,
    pub(super) node: Arc<MemoryNode>,
    pub(super) peers: Arc<Peers>,
    pub(super) wire: Wire,
    pub(super) process: Process,
}

impl Joins {
    /// Joins it again and again.
    pub(super) async fn run(self) {
        loop {
            self.process.pause(AGAIN.0, AGAIN.1).await;
            if !self.node.is_out() {
                let why = self.join().await;
                self.process
                    .note(format_args!("{} left: {why}", self.node.id));
            }
        }
    }

    /// Joins it; returns why it left.
    async fn join(&self) -> String {
        let life = self.node.life();
        let hello = self.node.hello();
        let claim = match Claim::read(&hello) {
            Ok(claim) => claim,
            Err(refusal) => return refusal.why,
        };
        let row = match admit(&self.core, &claim, None).await {
            Ok(row) => row,
            Err(refusal) => return refusal.why,
        };
        self.core.lead.seen(hello.leader_seen);
        if self.node.life() != life || self.node.is_out() {
            return "it was killed while it joined".to_owned();
        }
        self.node.welcome(self.core.cluster_id());
        let closed = CancellationToken::new();
        let link = Link::new(&self.node, &self.peers, &self.wire, &closed, &self.process);
        let joined = Arc::new(Node::new(
            self.core.world.clone(),
            claim.id,
            claim.volume_id,
            hello,
            Box::new(link),
            closed,
            &self.node.report(),
        ));
        if let Err(error) = drain::seal_joining(&self.core, &joined, &row).await {
            return error.to_string();
        }
        self.core.nodes.insert(joined.clone());
        self.process.note(format_args!("{} joined", self.node.id));
        let merging = CancellationToken::new();
        let (ends, _guard) = (merging.clone(), merging.drop_guard());
        let merge = merge::run(self.core.clone(), joined.clone());
        self.process.run(async move {
            // Ends with the join.
            let _ = ends.run_until_cancelled(merge).await;
        });
        let why = self.listen(&joined, life).await;
        self.core.nodes.remove(&joined);
        why
    }

    /// Takes its reports in until it leaves.
    async fn listen(&self, joined: &Node, life: Life) -> String {
        let mut heard = self.process.elapsed();
        loop {
            tokio::select! {
                biased;
                () = joined.closed.cancelled() => return "its connection broke".to_owned(),
                () = self.process.pause(REPORT.0, REPORT.1) => {}
            }
            if self.node.life() != life || self.wire.breaks() {
                return "it closed its stream".to_owned();
            }
            if !self.node.is_out() {
                self.take_report(joined);
                heard = self.process.elapsed();
            } else if self.process.elapsed() > heard + SILENCE {
                return "it is silent".to_owned();
            }
        }
    }

    fn take_report(&self, joined: &Node) {
        let sealed_before = joined.is_draining();
        joined.hear(&self.node.report());
        if joined.is_draining() != sealed_before {
            self.core.nodes.touched();
        }
        self.node.hear_beat(self.core.lead.beat());
    }
}

//! The leader stands still in the midst of its work, for longer than its lease
//! lasts, and then goes on as if nothing had happened.

use super::{NOTICED, Run, SETTLE};
use crate::wait;
use anyhow::{Result, ensure};
use rustix::process::Signal;
use std::time::Instant;

/// How many moves may fail since both managers try them: as many as one has under way.
const CONTESTED: usize = 16;
/// The node that is drained meanwhile.
const NODE: usize = 3;

impl Run {
    /// The other manager takes over the drain; the one that was paused sees
    /// that it leads no more, and what it still had under way does no harm.
    pub(super) async fn pause_the_leader(&mut self) -> Result<()> {
        let begun = Instant::now();
        let id = self.cluster.nodes[NODE].id.clone();
        let failed_before = self.failed_moves()?;
        self.quiet().await?;
        self.cluster.ask(&["drain", "--node", &id]).await?;
        let leader = self.leader_that_moves().await?;
        self.cluster.manager_at(leader)?.signal(Signal::STOP)?;
        self.leads(1 - leader).await?;
        let taken = self.cluster.tree(NODE)?.files.len();
        wait::until(SETTLE, async || {
            let left = self.cluster.tree(NODE)?.files.len();
            ensure!(left == 0 || left < taken, "{left} files left of {taken}");
            Ok(())
        })
        .await?;
        self.cluster.manager_at(leader)?.signal(Signal::CONT)?;
        wait::until(NOTICED, async || {
            let status = self.files.manager(leader).status().await?;
            ensure!(!status.leader, "{status:?}");
            let nodes = self.cluster.nodes.len();
            ensure!(status.available() == nodes - 1, "{status:?}");
            Ok(())
        })
        .await?;
        let cancel = ["drain", "--node", &id, "--cancel"];
        self.cluster.ask(&cancel).await?;
        let counts = self.balanced(NODE + 1).await?;
        self.quiet().await?;
        self.cluster.wait_fsck_clean(SETTLE).await?;
        let failed = self.failed_moves()? - failed_before;
        ensure!(failed <= CONTESTED, "{failed} moves failed");
        let seen = format!(
            "{taken} files left at the takeover, {failed} moves contested, then per node {counts:?}"
        );
        self.tell("leader paused in mid-drain", begun, seen);
        Ok(())
    }

    /// Moves that failed so far, as both managers logged them.
    fn failed_moves(&self) -> Result<usize> {
        let mut failed = 0;
        for at in 0..2 {
            let log = std::fs::read_to_string(self.cluster.log_of_manager(at))?;
            failed += log.matches("a move failed").count();
        }
        Ok(failed)
    }
}

//! Steady light load through two managers, each with its own uploads and deletes: each
//! counts what the other does, and the nodes stay even while the load goes on.

use super::{Run, SETTLE};
use crate::library::names;
use crate::wait;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Pauses between the requests of each client.
const PAUSE: Duration = Duration::from_millis(120);
/// Files that are deleted through the second manager, all of one node.
const DELETED: usize = 120;
/// How often the nodes must be found even under load.
const TIMES: usize = 3;

impl Run {
    /// One client stores through the first manager; another deletes files of one node
    /// through the second, so that this manager alone knows of them.
    pub(super) async fn steady_load(&mut self, nodes: usize) -> Result<()> {
        let begun = Instant::now();
        let [first, second] = [0, 1].map(|at| self.files.manager(at).clone());
        for number in 0..DELETED * nodes {
            second.put(&format!("steady-{number}"), "x").await?;
        }
        self.balanced(nodes).await?;
        let on_one = self.cluster.tree(0)?.files.into_keys();
        let doomed: Vec<_> = on_one.filter(|name| name.starts_with("steady-")).collect();
        let go_on = Arc::new(AtomicBool::new(true));
        let storing = tokio::spawn({
            let go_on = go_on.clone();
            async move {
                let mut stored = Vec::new();
                while go_on.load(Ordering::Relaxed) {
                    let name = format!("steady-more-{}", stored.len());
                    first.put(&name, "y").await?;
                    stored.push(name);
                    tokio::time::sleep(PAUSE).await;
                }
                anyhow::Ok(stored)
            }
        });
        let mut doomed = doomed.into_iter();
        let deleting = tokio::spawn({
            let (go_on, second) = (go_on.clone(), second.clone());
            async move {
                let mut deleted = 0;
                while go_on.load(Ordering::Relaxed) {
                    if let Some(name) = doomed.next() {
                        second.delete(&name).await?;
                        deleted += 1;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                anyhow::Ok(deleted)
            }
        });
        let seen = self.even_under_load(nodes).await;
        go_on.store(false, Ordering::Relaxed);
        let (stored, deleted) = (storing.await??, deleting.await??);
        seen?;
        self.balanced(nodes).await?;
        for name in names(self.files.manager(0)).await? {
            if name.starts_with("steady-") {
                second.delete(&name).await?;
            }
        }
        let seen = format!(
            "{} stored, {deleted} deleted on one node, even throughout",
            stored.len()
        );
        self.tell("steady load through both", begun, seen);
        Ok(())
    }

    async fn even_under_load(&self, nodes: usize) -> Result<()> {
        let enough = Instant::now() + PAUSE * u32::try_from(DELETED / 2)?;
        let mut even = 0;
        while even < TIMES || Instant::now() < enough {
            wait::until(SETTLE, async || {
                let mut counts = Vec::new();
                for index in 0..nodes {
                    counts.push(self.cluster.tree(index)?.files.len());
                }
                let most = counts.iter().max().context("a node")?;
                let fewest = counts.iter().min().context("a node")?;
                ensure!(most - fewest <= 1, "{counts:?}");
                Ok(())
            })
            .await?;
            even += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }
}

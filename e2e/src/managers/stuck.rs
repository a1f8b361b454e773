//! The first files in the order of names can't move, more of them than one step
//! reads: balance and drain go on past them, and report why they stay.

use crate::cluster::{Cluster, Options};
use crate::wait;
use anyhow::{Result, ensure};
use std::time::Duration;

/// Files whose bytes are taken away: more than one step reads.
const GONE: usize = 300;
/// Files that follow them in the order of names.
const WHOLE: usize = 150;
/// Warnings about moves that failed, at the most.
const WARNINGS: usize = 40;
const SETTLE: Duration = Duration::from_secs(120);

/// Runs it on the given store, or on an embedded one.
///
/// # Errors
/// Where a file that could move stays.
pub async fn run(store: Option<String>) -> Result<String> {
    let mut cluster = Cluster::prepare(Options {
        store,
        ..Options::default()
    })?;
    cluster.start_manager().await?;
    cluster.add_node().await?;
    cluster.wait_available(1).await?;
    let client = cluster.client()?;
    let name = |number: usize| format!("f{number:06}");
    for number in 0..GONE + WHOLE {
        client.put(&name(number), "x").await?;
    }
    for (file, path) in cluster.tree(0)?.files {
        if file < name(GONE) {
            std::fs::remove_file(path)?;
        }
    }
    cluster.add_node().await?;
    cluster.wait_available(2).await?;
    let moved = async |least: usize| {
        wait::until(SETTLE, async || {
            let moved = cluster.tree(1)?.files.len();
            ensure!(moved >= least, "{moved} moved");
            Ok(())
        })
        .await
    };
    // The node counts a file whose bytes were removed behind its back until a move asks for it.
    moved(WHOLE / 2).await?;
    cluster.ask(&["drain", "--node", "node-1"]).await?;
    client.put("afterwards", "x").await?;
    moved(WHOLE + 1).await?;
    wait::until(SETTLE, async || {
        let status = client.status().await?;
        let missing = status.missing.files;
        let drain = status.drains.first();
        let holds = drain.and_then(|drain| drain.holds.as_deref());
        let holds = holds.unwrap_or_default();
        let stuck = status.stuck.files;
        let told = holds.contains("can't move") || holds.contains("could not be moved");
        ensure!(
            missing as usize == GONE && stuck > 0 && told,
            "{missing} missing, {stuck} stuck: {holds:?}"
        );
        Ok(())
    })
    .await?;
    let log = std::fs::read_to_string(cluster.log_of_manager(0))?;
    let failed = |line: &&str| line.contains("a move failed");
    let warnings = log.lines().filter(failed).count();
    ensure!(warnings <= WARNINGS, "{warnings} warnings");
    for number in 0..GONE {
        client.delete(&name(number)).await?;
    }
    wait::until(SETTLE, async || {
        let status = client.status().await?;
        let stuck = status.stuck.files;
        ensure!(status.unsettled == 0 && stuck == 0, "{status:?}");
        Ok(())
    })
    .await?;
    for number in GONE..GONE + WHOLE {
        client.get(&name(number)).await?.bytes().await?;
    }
    cluster.stop().await?;
    Ok(format!(
        "{WHOLE} files moved past {GONE} that can't, {warnings} warnings"
    ))
}

//! Many readers at once all get their answers, and no node leaves.

use anyhow::{Result, ensure};
use e2e::cluster::Cluster;
use e2e::pressure::routes::{Files, Verb, Work};
use e2e::pressure::wire::{Version, Wire, storm};

/// The largest file that travels with others in one message.
const SMALL: usize = 64 << 10;
const READERS: usize = 512;
const READS: u64 = 8_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_parallel_readers_makes_a_node_leave() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let files = Files::new(SMALL);
    let wires = Wire::open(Version::Http1, cluster.http(), 1).await?;
    files.store(&wires[0]).await?;
    for version in [Version::Http1, Version::Http2] {
        let wires = Wire::open(version, cluster.http(), READERS).await?;
        for verb in [Verb::Get, Verb::Range] {
            let work = Work {
                verb,
                files: files.clone(),
                tag: String::new(),
            };
            let seen = storm(&wires, READS, work).await?;
            let what = format!("{verb:?} over {version:?}");
            let seen = seen.clean().map_err(|error| error.context(what))?;
            ensure!(seen.good == READS);
        }
    }
    let log = std::fs::read_to_string(cluster.folder().join("manager.log"))?;
    ensure!(!log.contains(" left "), "a node left: {log}");
    Ok(())
}

//! A cluster of our own, on this machine.

use super::{Args, cert_manager, images};
use crate::cluster::binaries;
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Brings one up, runs the scenarios in its network, and takes it down.
///
/// # Errors
/// At the first thing that is not as it should be.
pub fn run(args: &Args) -> Result<()> {
    let program = std::env::current_exe()?;
    // Within the cluster's network no registry can be reached.
    crate::mongo::build()?;
    if args.wants(cert_manager::SCENARIO) {
        cert_manager::build()?;
    }
    let cluster = Cluster::up(args.keep)?;
    let images = images::make_all(false)?;
    cluster.call("load", &images.tars)?;
    let mut within = Command::new(&cluster.script);
    within.arg("exec");
    super::hand_over(within, &program, args, images.earlier.as_deref())
}

/// The script that makes it.
pub fn script() -> PathBuf {
    binaries::workspace().join("e2e/cluster")
}

/// The cluster; dropping it takes it down.
struct Cluster {
    script: PathBuf,
    keep: bool,
}

impl Cluster {
    fn up(keep: bool) -> Result<Self> {
        let script = script();
        let cluster = Self { script, keep };
        cluster.call("up", &[])?;
        Ok(cluster)
    }

    fn call(&self, verb: &str, args: &[PathBuf]) -> Result<()> {
        let status = Command::new(&self.script).arg(verb).args(args).status()?;
        ensure!(status.success(), "e2e/cluster {verb}: {status}");
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("the cluster stays: e2e/cluster shell, and e2e/cluster down in the end");
            return;
        }
        if let Err(error) = self.call("down", &[]) {
            eprintln!("{error:#}");
        }
    }
}

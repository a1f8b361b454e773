//! The programs of a Kubernetes control plane, as `e2e/kube/program` builds them.

use crate::cluster::binaries::workspace;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program of the control plane, built if it is not there yet: minutes for the
/// API server, and only the first time.
///
/// # Errors
/// Where it can't be built; the script has said why on stderr.
pub fn program(name: &str) -> Result<PathBuf> {
    let script = workspace().join("e2e/kube/program");
    let output = Command::new(script)
        .arg(name)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting e2e/kube/program")?;
    ensure!(output.status.success(), "no {name}: {}", output.status);
    let path = String::from_utf8(output.stdout)?;
    Ok(PathBuf::from(path.trim_end()))
}

//! The volumes of nodes, seen from outside of the service.

use super::release::Release;
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Where the volume of a pod lies on this machine.
///
/// # Errors
/// Where it has none, or its machine is off.
pub fn volume(release: &Release, pod: &str) -> Result<PathBuf> {
    let claim = format!("data-{pod}");
    let claim = release.kube.get(&release.namespace, "pvc", &claim)?;
    let volume = claim["spec"]["volumeName"].as_str().context("a volume")?;
    let (node, number) = volume.rsplit_once('-').context("NODE-NUMBER")?;
    let root = release.kube.cluster(&["root", node])?;
    Ok(PathBuf::from(root.trim()).join(number))
}

/// The files on a pod's volume, by their names.
///
/// # Errors
/// Where they can't be read, or a directory has too many entries.
pub fn files(release: &Release, pod: &str) -> Result<Vec<String>> {
    let tree = Tree::walk(&volume(release, pod)?.join("data"))?;
    Ok(tree.files.into_keys().collect())
}

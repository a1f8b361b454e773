//! What the images are built from.
#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result, ensure};
use e2e::cluster::binaries::workspace;
use std::process::Command;

/// Everything that is linked into the manager when it is built with these flags.
fn linked(flags: &[&str]) -> Result<Vec<String>> {
    let tree = ["tree", "--locked", "--package=manager", "--edges=normal"];
    let plain = ["--prefix=none", "--format={p}"];
    let output = Command::new(env!("CARGO"))
        .args(tree)
        .args(plain)
        .args(flags)
        .current_dir(workspace())
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo tree: {errors}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn has_node(linked: &[String]) -> bool {
    linked.iter().any(|each| each.starts_with("node v"))
}

#[test]
fn no_node_is_linked_into_the_managers_image() -> Result<()> {
    let file = std::fs::read_to_string(workspace().join("Dockerfile"))?;
    let build = file.lines().find(|line| line.starts_with("cargo build "));
    let build = build.context("the Dockerfile builds nothing")?;
    let features: Vec<_> = build
        .split_whitespace()
        .filter(|flag| flag.contains("features"))
        .collect();
    ensure!(
        !has_node(&linked(&features)?),
        "{features:?}: the node is in it"
    );
    ensure!(has_node(&linked(&[])?), "cargo tree shows no node at all");
    ensure!(
        linked(&features)?
            .iter()
            .any(|each| each.starts_with("mongodb v")),
        "{features:?}: several managers need MongoDB's driver"
    );
    Ok(())
}

//! What is linked into what: the walls between the crates, and the images.

use anyhow::{Context, Result, ensure};
use e2e::cluster::binaries::workspace;
use std::process::Command;

/// The crates that are linked into a package when it is built with these flags.
fn linked(package: &str, flags: &[&str]) -> Result<Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges=normal", "--prefix=none"])
        .args(["--format={p}", "--package", package])
        .args(flags)
        .current_dir(workspace())
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo tree: {errors}");
    let text = String::from_utf8(output.stdout)?;
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Ok(text.lines().filter_map(name).collect())
}

fn has(linked: &[String], name: &str) -> bool {
    linked.iter().any(|each| each == name)
}

#[test]
fn the_managers_image_has_mongodb_and_no_node() -> Result<()> {
    let file = std::fs::read_to_string(workspace().join("Dockerfile"))?;
    let build = file.lines().find(|line| line.starts_with("cargo build "));
    let build = build.context("the Dockerfile builds nothing")?;
    let features: Vec<_> = build
        .split_whitespace()
        .filter(|flag| flag.contains("features"))
        .collect();
    let image = linked("manager", &features)?;
    ensure!(!has(&image, "node"), "{features:?}: the node is in it");
    ensure!(has(&image, "mongodb"), "{features:?}: it lacks MongoDB");
    ensure!(has(&linked("manager", &[])?, "node"), "no node is seen");
    Ok(())
}

/// `step start` of `e2e/run` checks what README's first command builds.
#[test]
fn what_readme_starts_is_checked_as_it_is_built() -> Result<()> {
    let read = |file: &str| std::fs::read_to_string(workspace().join(file));
    let alias = read(".cargo/config.toml")?;
    let alias = alias.lines().find_map(|line| line.strip_prefix("start = "));
    let alias = alias.context("no alias")?.trim_matches('"').to_owned();
    let built = alias.split(" -- ").next().context("no flags")?;
    let built = built.replace("run --profile start ", "");
    let run = read("e2e/run")?;
    let step = run.lines().find(|line| line.starts_with("step start "));
    let step = step.context("e2e/run does not check it")?;
    ensure!(step.contains(&built), "{step}: lacks {built}");
    ensure!(read("README.md")?.contains("\ncargo start\n"), "README");
    Ok(())
}

#[test]
fn the_client_speaks_rest_alone() -> Result<()> {
    let library = linked("client", &["--no-default-features"])?;
    ensure!(has(&library, "names") && has(&library, "reqwest"));
    for part in [
        "proto",
        "messages",
        "tonic",
        "axum",
        "kube",
        "clap",
        "indicatif",
    ] {
        ensure!(!has(&library, part), "{part} is linked into the library");
    }
    let command = linked("client", &[])?;
    ensure!(has(&command, "clap"), "no command is seen");
    for part in ["proto", "tonic", "axum"] {
        ensure!(!has(&command, part), "{part} is linked into dfs");
    }
    ensure!(has(&command, "kube"), "dfs does not reach a cluster");
    let without = linked("client", &["--no-default-features", "--features=dfs"])?;
    ensure!(!has(&without, "kube"), "kube is linked into dfs without it");
    Ok(())
}

#[test]
fn nothing_but_operator_definition_and_callers_knows_kubernetes() -> Result<()> {
    let bare = ["--no-default-features", "--features=mongodb,standalone"];
    let others = [
        ("manager", &bare[..]),
        ("manager-callers", &[]),
        ("manager-protocol", &[]),
        ("manager-store", &[]),
        ("node", &[]),
        ("proto", &[]),
        ("authority", &[]),
    ];
    for (package, flags) in others {
        let linked = linked(package, flags)?;
        for part in ["kube", "k8s-openapi"] {
            ensure!(!has(&linked, part), "{part} is linked into {package}");
        }
    }
    for package in ["operator", "crds"] {
        ensure!(has(&linked(package, &[])?, "kube"), "no kube in {package}");
    }
    let callers = linked("manager-callers", &["--features=kubernetes"])?;
    ensure!(has(&callers, "kube"), "no kube is seen");
    Ok(())
}

#[test]
fn protocol_store_bodies_and_names_know_no_wire() -> Result<()> {
    for package in [
        "names",
        "messages",
        "manager-protocol",
        "manager-store",
        "manager-body",
        "manager-callers",
    ] {
        let linked = linked(package, &[])?;
        for wire in ["tonic", "hyper", "axum"] {
            ensure!(!has(&linked, wire), "{wire} is linked into {package}");
        }
    }
    ensure!(has(&linked("proto", &[])?, "tonic"), "no tonic is seen");
    Ok(())
}

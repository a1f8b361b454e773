//! The page of flags is made from the programs' own, so that none is missing.
//! `DFS_REGENERATE=1 cargo test --workspace --test repository flags::` writes it anew.

use anyhow::{Context, Result, ensure};
use clap::{Arg, Command, CommandFactory};
use e2e::cluster::binaries::workspace;
use std::fmt::Write;

const PAGE: &str = "docs/flags.md";

const INTRODUCTION: &str = "\
# Flags

Each command prints its flags with `--help`. Where a variable stands beside a flag, either sets it; the flag wins.

Sizes are bytes, or have a suffix: `KiB`, `MiB`, `GiB`, `TiB`. Times have a unit: `500ms`, `30s`, `2h`, `7days`. What the defaults add up to in memory is in [Bounds](bounds.md#what-it-adds-up-to). On Kubernetes the chart and the pools set the flags.

This page is made from the programs `manager` and `node` themselves. The operator's flags are the chart's business; `operator --help` prints them.
";

/// The commands that have flags, each after the words that call it.
fn commands(called: &str, command: &Command, found: &mut Vec<(String, Command)>) {
    let called = format!("{called} {}", command.get_name());
    let called = called.trim().to_owned();
    if !command.has_subcommands() {
        found.push((called, command.clone()));
        return;
    }
    for each in command
        .get_subcommands()
        .filter(|each| each.get_name() != "help")
    {
        commands(&called, each, found);
    }
}

fn row(flag: &Arg) -> Result<String> {
    let takes = flag.get_action().takes_values();
    let values = flag.get_value_names().filter(|_| takes).unwrap_or_default();
    let name = flag.get_long().map(|name| format!("--{name}"));
    let values = values.iter().map(ToString::to_string);
    let usage: Vec<_> = name.into_iter().chain(values).collect();
    let usage = usage.join(" ");
    ensure!(!usage.is_empty(), "a flag without a name");
    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("`{text}`"),
    };
    let variable = flag
        .get_env()
        .map(|name| name.to_string_lossy().into_owned());
    let defaults: Vec<_> = flag
        .get_default_values()
        .iter()
        .filter(|_| takes)
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    ensure!(!help.is_empty(), "{usage} has no help");
    let required = match flag.is_required_set() {
        true => " (required)",
        false => "",
    };
    Ok(format!(
        "| {} | {} | {} | {}{required} |",
        code(&usage),
        code(variable.as_deref().unwrap_or_default()),
        code(&defaults.join(",")),
        help.replace('|', "\\|"),
    ))
}

fn page() -> Result<String> {
    let mut all = Vec::new();
    commands("", &manager::config::Cli::command(), &mut all);
    commands("", &node::config::Cli::command(), &mut all);
    let mut page = INTRODUCTION.to_owned();
    for (called, command) in all {
        let about = command
            .get_about()
            .context("a command without a word on it")?;
        write!(page, "\n## {called}\n\n{about}.\n\n")?;
        page += "| Flag | Variable | Default | Meaning |\n|---|---|---|---|\n";
        for flag in command
            .get_arguments()
            .filter(|flag| flag.get_id() != "help" && !flag.is_hide_set())
        {
            writeln!(page, "{}", row(flag)?)?;
        }
    }
    Ok(page)
}

#[test]
fn the_page_of_flags_is_what_the_programs_have() -> Result<()> {
    let (path, made) = (workspace().join(PAGE), page()?);
    ensure!(made.matches("\n| `--").count() > 60, "{made}");
    if std::env::var_os("DFS_REGENERATE").is_some() {
        std::fs::write(&path, &made)?;
    }
    let kept = std::fs::read_to_string(&path).context(PAGE)?;
    let how = "DFS_REGENERATE=1 cargo test --workspace --test repository flags::";
    ensure!(
        kept == made,
        "{PAGE} is not what the programs have: run {how}"
    );
    Ok(())
}

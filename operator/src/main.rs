//! The command `operator`.

use clap::{Parser, Subcommand};
use std::io::Write;

/// The operator of the distributed file server: turns FileServerPool resources
/// into nodes.
#[derive(Debug, Parser)]
#[command(name = "operator", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the YAML of the FileServerPool resource
    Crd,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Crd => Ok(std::io::stdout().write_all(crds::yaml()?.as_bytes())?),
    }
}

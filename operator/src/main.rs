//! The command `operator`.

use clap::{Parser, Subcommand};
use operator::config::RunArgs;
use operator::definition::CrdArgs;
use operator::leave::LeaveArgs;
use operator::prepare::PrepareArgs;
use std::process::ExitCode;

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
    /// Serve the pools of a release's namespaces
    Run(Box<RunArgs>),
    /// Print the YAML of the FileServerPool resource, or bring it to the cluster
    Crd(CrdArgs),
    /// Check a release's names and bring the FileServerPool resource up to date, before an install or upgrade
    Prepare(Box<PrepareArgs>),
    /// Let go of a release's pools before it is uninstalled
    Leave(LeaveArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    kit::log::init();
    let done = match Cli::parse().command {
        Command::Run(args) => operator::run::run(*args).await,
        Command::Crd(args) => operator::definition::run(args).await,
        Command::Prepare(args) => operator::prepare::run(*args).await,
        Command::Leave(args) => operator::leave::run(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

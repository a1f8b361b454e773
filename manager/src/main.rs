//! The command `manager`.

use anyhow::Context;
use clap::Parser;
#[cfg(feature = "standalone")]
use manager::commands::standalone;
use manager::commands::{certs, check, rebuild, remote, token};
use manager::config::{Cli, Command};
use std::process::ExitCode;

/// The command could not do its work; for `fsck`: there is no result.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    kit::log::init();
    kit::private::files();
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let command = Cli::parse().command;
    let started = kit::runtime::start().context("the runtime can't be started");
    match started.and_then(|runtime| runtime.block_on(run(command))) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("manager: {}", remote::said(&error));
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => manager::serve::run(args).await?,
        #[cfg(feature = "standalone")]
        Command::Standalone(args) => standalone::run(args).await?,
        Command::Rebuild(args) => rebuild::run(args).await?,
        Command::Fsck(args) => return remote::fsck(args).await,
        Command::Quarantine(args) => remote::quarantine(args).await?,
        Command::Nodes(args) => remote::nodes(args).await?,
        Command::Drain(args) => remote::drain(args).await?,
        Command::Drains(args) => remote::drains(args).await?,
        Command::Abandon(args) => return remote::abandon(args).await,
        Command::Check(args) => check::run(args).await?,
        Command::Token(args) => token::run(args)?,
        Command::Certs(args) => certs::run(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

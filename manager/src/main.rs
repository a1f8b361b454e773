//! The command `manager`.

use clap::Parser;
use manager::config::{Cli, Command};
use std::process::ExitCode;

/// Something stood in the way; for `fsck` it means that nothing was told.
const FAILED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    kit::log::init();
    kit::private::files();
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("manager: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => manager::serve::run(args).await?,
        #[cfg(feature = "standalone")]
        Command::Standalone(args) => manager::standalone::run(args).await?,
        Command::Rebuild(args) => manager::recover::run(args).await?,
        Command::Fsck(args) => return manager::remote::fsck(args).await,
        Command::Quarantine(args) => manager::remote::quarantine(args).await?,
        Command::Nodes(args) => manager::remote::nodes(args).await?,
        Command::Drain(args) => manager::remote::drain(args).await?,
        Command::Drains(args) => manager::remote::drains(args).await?,
        Command::Abandon(args) => return manager::remote::abandon(args).await,
        Command::Check(args) => manager::check::run(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

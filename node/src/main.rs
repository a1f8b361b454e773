//! The command `node`.

use clap::{Parser, Subcommand};
use node::config::ServeArgs;
use std::process::ExitCode;
use tokio::sync::oneshot;

/// One file-server node: keeps files on its disk and serves them to managers.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the files of one volume
    Serve(Box<ServeArgs>),
}

fn main() -> ExitCode {
    let Cli {
        command: Command::Serve(args),
    } = Cli::parse();
    kit::log::init();
    kit::private::files();
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    match serve(*args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.into_config()?;
    let shutdown = kit::signals::shutdown()?;
    let (send, receive) = oneshot::channel();
    tokio::spawn(async move {
        // Not ready: the error is on its way to `main`.
        let Ok(ready) = receive.await else { return };
        let ready: node::Ready = ready;
        let metrics = ready.ops.map(|ops| format!(" metrics={ops}"));
        println!(
            "ready listen={}{}",
            ready.listen,
            metrics.unwrap_or_default()
        );
    });
    node::run(config, shutdown, send).await
}

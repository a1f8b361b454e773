//! The command `node`.

use clap::Parser;
use mimalloc::MiMalloc;
use node::config::{Cli, Command, Config, ServeArgs};
use std::process::ExitCode;
use tokio::sync::oneshot;

/// An operation makes some hundred small allocations.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let Cli {
        command: Command::Serve(args),
    } = Cli::parse();
    kit::log::init();
    kit::private::files();
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let runtime = match kit::runtime::start() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("node: the runtime can't be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(serve(*args));
    if let Err(error) = &served {
        eprintln!("node: {error:#}");
    }
    // Everything that was answered is durable. Threads that wait for a disk which
    // does not answer would hold up an orderly end for ever.
    std::process::exit(i32::from(served.is_err()))
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let traces = args.otlp.start("dfs-node")?;
    let config = Config {
        tracer: traces.tracer(),
        ..args.into_config()?
    };
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
    let served = node::run(config, shutdown, send).await;
    traces.end().await;
    served
}

//! The command `e2e`: measurements and runs that are too long for a test.

use clap::Parser;

#[derive(Debug, Parser)]
#[command(
    version,
    about = "Measures the service and runs it against real input and faults."
)]
enum Command {
    /// Throughput, latency and CPU beside the limit of the file system.
    Bench(e2e::bench::Args),
}

fn main() -> anyhow::Result<()> {
    let command = Command::parse();
    // One thread for the load of a measurement: fewer wake-ups, less CPU taken
    // from what is measured.
    let runtime = match &command {
        Command::Bench(_) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    runtime.block_on(async {
        match command {
            Command::Bench(args) => e2e::bench::run(args).await,
        }
    })
}

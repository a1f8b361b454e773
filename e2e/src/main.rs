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
    /// A client that takes all that it can get, as `bench --shares` starts it.
    #[command(hide = true)]
    Hog(e2e::bench::hog::Args),
    /// Real files in and out again while a node dies and another joins.
    Sources(e2e::sources::Args),
    /// A large number of files, every directory watched.
    Many(e2e::many::Args),
    /// Two managers on one database, and all that can go wrong between them.
    Managers(e2e::managers::Args),
    /// The store set back to backups of several moments, without losing a file.
    SetBack(e2e::set_back::Args),
    /// What many clients see of a few names while everything goes wrong, checked.
    Histories(e2e::histories::Args),
    /// The sessions of README and documents, typed as they stand there.
    Pages,
    /// Disks that fill up, turn read-only, hang or lose files, beside a healthy one.
    Disks(e2e::disks::Args),
    /// The console in a real Chromium, and whether its embedded files are as built anew.
    Console(e2e::console::Args),
    /// The definition of FileServerPool on a real Kubernetes API server.
    Crd,
    /// What an operator with hundreds of pools at rest asks of a real Kubernetes API
    /// server.
    Pools(e2e::pools::Args),
    /// Chart, operator and pools on a real Kubernetes of several nodes.
    Kubernetes(e2e::kubernetes::Args),
    /// Memory of both processes during the upload of one large file.
    Memory(e2e::memory::Args),
    /// Every route by many clients at once, and a good client among bad ones.
    Pressure(e2e::pressure::Args),
    /// Dashboard, alerts and metrics of the chart by a real Prometheus.
    Prometheus(e2e::prometheus::Args),
    /// Power cuts under load, in a guest of qemu.
    Powercut(e2e::powercut::Args),
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("e2e: {e:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let command = Command::parse();
    // One thread for the load of a measurement: fewer wake-ups, less CPU taken
    // from what is measured.
    let runtime = match &command {
        Command::Bench(_) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
        Command::Hog(_)
        | Command::Sources(_)
        | Command::Many(_)
        | Command::Managers(_)
        | Command::SetBack(_)
        | Command::Histories(_)
        | Command::Pages
        | Command::Disks(_)
        | Command::Console(_)
        | Command::Crd
        | Command::Pools(_)
        | Command::Kubernetes(_)
        | Command::Memory(_)
        | Command::Pressure(_)
        | Command::Prometheus(_)
        | Command::Powercut(_) => tokio::runtime::Runtime::new()?,
    };
    runtime.block_on(async {
        match command {
            Command::Bench(args) => e2e::bench::run(args).await,
            Command::Hog(args) => e2e::bench::hog::run(args).await,
            Command::Sources(args) => e2e::sources::run(args).await,
            Command::Many(args) => e2e::many::run(args).await,
            Command::Managers(args) => e2e::managers::run(args).await,
            Command::SetBack(args) => e2e::set_back::run(args).await,
            Command::Histories(args) => e2e::histories::run(args).await,
            Command::Pages => e2e::pages::run().await,
            Command::Disks(args) => e2e::disks::run(args).await,
            Command::Console(args) => e2e::console::run(args).await,
            Command::Crd => e2e::crd::run().await,
            Command::Pools(args) => e2e::pools::run(args).await,
            Command::Kubernetes(args) => e2e::kubernetes::run(args).await,
            Command::Memory(args) => e2e::memory::run(args).await,
            Command::Pressure(args) => e2e::pressure::run(args).await,
            Command::Prometheus(args) => e2e::prometheus::run(args).await,
            Command::Powercut(args) => e2e::powercut::run(args).await,
        }
    })
}

//! The command `dfs`: stores, finds and fetches files of a distributed file server.
// Without it nobody asks what a service in a cluster is.
#![cfg_attr(not(all(unix, feature = "kube")), allow(dead_code))]

#[cfg(all(unix, feature = "kube"))]
mod cluster;
#[cfg(not(all(unix, feature = "kube")))]
#[path = "no_cluster.rs"]
mod cluster;

mod args;
mod ask;
mod each;
mod generate;
mod get;
mod hint;
mod link;
mod list;
mod mirror;
mod misnamed;
mod operate;
mod out;
mod outcome;
mod paths;
mod place;
mod places;
mod plugin;
mod progress;
mod put;
mod release;
mod rm;
mod signals;
mod status;
mod trace;
mod walk;
mod way;

use args::{Cli, Command};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use out::Out;
use outcome::Outcome;
use place::Called;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let plugin = plugin::is_called(std::env::args_os().next().as_deref());
    let matches = plugin::command(plugin).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let out = Arc::new(Out::new(cli.json, cli.quiet));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(run(cli, &matches, plugin, &out));
            // A thread may still read from a terminal.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(anyhow::Error::from(error).context("starting the runtime")),
    };
    match done {
        Ok(outcome) => out.printed(outcome).exit_code(),
        Err(error) => {
            out.failed(None, &error);
            Outcome::of(&error).exit_code()
        }
    }
}

async fn run(
    cli: Cli,
    matches: &ArgMatches,
    plugin: bool,
    out: &Arc<Out>,
) -> anyhow::Result<Outcome> {
    let Cli { place, command, .. } = cli;
    let called = Called {
        said: &|flag| matches.value_source(flag) == Some(ValueSource::CommandLine),
        namespace: plugin::namespace(plugin, matches),
        plugin,
    };
    // Of those that need a service it is held until they are done.
    let service = async || place.reach(&called, out).await;
    match command {
        Command::Completions(args) => generate::completions(&args, out),
        Command::Man(args) => generate::man(&args),
        Command::Put(args) => put::run(&service().await?.client, &args, out).await,
        Command::Get(args) => get::run(&service().await?.client, &args, out).await,
        Command::Cat(args) => get::cat(&service().await?.client, &args, out).await,
        Command::Ls(args) => list::ls(&service().await?.client, &args, out).await,
        Command::Stat(args) => list::stat(&service().await?.client, &args, out).await,
        Command::Rm(args) => rm::run(&service().await?.client, &args, out).await,
        Command::Mirror(args) => mirror::run(&service().await?.client, &args, out).await,
        Command::Link(args) => link::run(&service().await?.client, &args, out).await,
        Command::Status(args) => status::status(&service().await?.client, &args, out).await,
        Command::Nodes => status::nodes(&service().await?.client, out).await,
        Command::Drain(args) => operate::drain(&service().await?.client, &args, out).await,
        Command::Abandon(args) => operate::abandon(&service().await?.client, &args, out).await,
        Command::Fsck => operate::fsck(&service().await?.client, out).await,
        Command::Quarantine(args) => {
            operate::quarantine(&service().await?.client, &args, out).await
        }
    }
}

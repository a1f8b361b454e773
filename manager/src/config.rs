//! The flags of the manager's commands, parsed once.

mod certs;
mod inner;
mod tls;

pub use certs::{CertsArgs, CertsCommand, InitCertsArgs};
pub use inner::OwnInnerArgs;
pub use tls::TlsArgs;

use crate::callers::AuthArgs;
use crate::limits::{Limits, RestLimits};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use kit::inner::InnerArgs;
use kit::spans::OtlpArgs;
use kit::token::TokenArgs;
use manager_callers::Verb;
use manager_protocol::store::Store;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The manager of a distributed file server: serves the REST API and decides
/// which node holds each file.
#[derive(Debug, Parser)]
#[command(name = "manager", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The manager's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the REST API and the nodes that join
    Serve(ServeArgs),
    /// The whole service in one process: a manager, an embedded store and nodes
    #[cfg(feature = "standalone")]
    Standalone(StandaloneArgs),
    /// Restore every record of a lost store from the nodes
    Rebuild(RebuildArgs),
    /// Compare store and nodes and print each difference (exit status 1 if there is any)
    Fsck(RemoteArgs),
    /// Look after bytes that no record lists
    Quarantine(QuarantineArgs),
    /// List the nodes
    Nodes(RemoteArgs),
    /// Take all files off a node, or cancel that
    Drain(DrainArgs),
    /// List the drains: what is left, how fast it goes, when it ends, why it holds
    Drains(RemoteArgs),
    /// Give up a node that is lost for good: prints how many files would be lost, and does it when given that number
    Abandon(AbandonArgs),
    /// Store a small file through the REST API, read it back and delete it
    Check(CheckArgs),
    /// Make tokens for callers of the REST API
    Token(CallerTokenArgs),
    /// Make certificates for the inner ports
    Certs(CertsArgs),
}

/// Flags of `token`.
#[derive(Debug, Args)]
pub struct CallerTokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a new token once, and the line of the file for `--auth tokens:FILE` that lets it in
    New(NewTokenArgs),
}

/// Flags of `token new`.
#[derive(Debug, Args)]
pub struct NewTokenArgs {
    /// Name of the caller, for logs and shares: letters, digits, dots, dashes, underscores
    #[arg(long)]
    pub name: String,
    /// What the caller may do: get, list, create, delete, admin, separated by commas
    #[arg(long, required = true, value_delimiter = ',', value_name = "RIGHT")]
    pub rights: Vec<Verb>,
    /// What the names of its files must begin with; any name without it
    #[arg(long)]
    pub prefix: Option<String>,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where the REST API is
    #[arg(
        long,
        env = "DFS_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8000",
        value_parser = bare_url
    )]
    pub url: String,
    /// File with the bearer token to send, where callers have to be known
    #[arg(long, env = "DFS_BEARER_FILE", value_name = "FILE")]
    pub bearer_file: Option<PathBuf>,
    /// File with the authorities, as PEM, of which one must have signed the certificate of an https:// URL
    #[arg(long, env = "DFS_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
}

/// A URL without a path.
fn bare_url(text: &str) -> Result<String, String> {
    let must = || "must be http://HOST:PORT or https://HOST:PORT".to_owned();
    let uri: axum::http::Uri = text.parse().map_err(|_| must())?;
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() || !bare {
        return Err(must());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Which store.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Where the records are kept: embedded:DIR, or mongodb://HOST:PORT/DATABASE for several managers
    #[arg(
        long,
        env = "DFS_STORE",
        value_name = "URL",
        hide_env_values = true,
        required_unless_present = "store_file"
    )]
    pub store: Option<String>,
    /// File that holds the store's URL, for one with a password in it
    #[arg(
        long,
        env = "DFS_STORE_FILE",
        value_name = "FILE",
        conflicts_with = "store"
    )]
    pub store_file: Option<PathBuf>,
}

impl StoreArgs {
    /// Opens the store.
    ///
    /// # Errors
    /// Names the flag, and never repeats a URL.
    pub async fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        let url = match (&self.store_file, &self.store) {
            (Some(file), _) => std::fs::read_to_string(file)
                .with_context(|| format!("--store-file {}", file.display()))?,
            (None, Some(url)) => {
                refuse_secret(url, std::env::args())?;
                url.clone()
            }
            (None, None) => anyhow::bail!("--store: is needed"),
        };
        Ok(manager_store::open(url.trim()).await?)
    }
}

/// Refuses a URL with a password that stands in the arguments, where every process of
/// the machine can read it.
fn refuse_secret(url: &str, mut args: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let user = authority.split('/').next().and_then(|a| a.rsplit_once('@'));
    let has_password = user.is_some_and(|(user, _)| user.contains(':'));
    if has_password && args.any(|arg| arg.contains(url)) {
        anyhow::bail!(
            "--store: a URL with a password is not taken from the arguments, which every \
             process can read: use --store-file FILE or DFS_STORE"
        );
    }
    Ok(())
}

/// Flags of the console.
#[derive(Debug, Args)]
pub struct ConsoleArgs {
    /// Serve the console at /ui of the REST API, and send browsers there that come to /: true or false
    #[arg(long, env = "DFS_CONSOLE", value_name = "BOOL", default_value = "true", action = clap::ArgAction::Set)]
    pub console: bool,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address of the REST API
    #[arg(
        long,
        env = "DFS_HTTP",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8000"
    )]
    pub http: SocketAddr,
    /// Address that nodes and the command line reach the manager at
    #[arg(
        long,
        env = "DFS_GRPC",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:9000"
    )]
    pub grpc: SocketAddr,
    /// Address of /livez, /readyz and /metrics
    #[arg(
        long,
        env = "DFS_OPS",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8001"
    )]
    pub ops: SocketAddr,
    /// Where the records are kept
    #[command(flatten)]
    pub store: StoreArgs,
    /// TLS of the REST API
    #[command(flatten)]
    pub tls: TlsArgs,
    /// What opens the inner ports
    #[command(flatten)]
    pub inner: OwnInnerArgs,
    /// Bounds and rates
    #[command(flatten)]
    pub limits: Limits,
    /// Bounds of the REST API
    #[command(flatten)]
    pub rest: RestLimits,
    /// Who may call the REST API
    #[command(flatten)]
    pub auth: AuthArgs,
    /// The console
    #[command(flatten)]
    pub console: ConsoleArgs,
    /// Traces
    #[command(flatten)]
    pub otlp: OtlpArgs,
}

/// Flags of `standalone`.
#[cfg(feature = "standalone")]
#[derive(Debug, Args)]
pub struct StandaloneArgs {
    /// Directory for the records and the nodes' files; made if it is missing
    #[arg(long, env = "DFS_DATA", value_name = "DIR", default_value = "dfs-data")]
    pub data: PathBuf,
    /// How many nodes to run
    #[arg(long, env = "DFS_NODES", value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub nodes: u16,
    /// Address of the REST API
    #[arg(
        long,
        env = "DFS_HTTP",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8000"
    )]
    pub http: SocketAddr,
    /// Address that fsck and the other commands reach the manager at
    #[arg(
        long,
        env = "DFS_GRPC",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:9000"
    )]
    pub grpc: SocketAddr,
    /// Address of /livez, /readyz and /metrics
    #[arg(
        long,
        env = "DFS_OPS",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8001"
    )]
    pub ops: SocketAddr,
    /// Free space that uploads leave on the disk, in bytes (suffixes KiB, MiB, GiB, TiB)
    #[arg(long, env = "DFS_RESERVE", value_name = "SIZE", default_value = "64MiB",
          value_parser = kit::units::size)]
    pub reserve: u64,
    /// TLS of the REST API
    #[command(flatten)]
    pub tls: TlsArgs,
    /// The token of the inner ports
    #[command(flatten)]
    pub token: TokenArgs,
    /// Bounds and rates
    #[command(flatten)]
    pub limits: Limits,
    /// Bounds of the REST API
    #[command(flatten)]
    pub rest: RestLimits,
    /// Who may call the REST API
    #[command(flatten)]
    pub auth: AuthArgs,
    /// The console
    #[command(flatten)]
    pub console: ConsoleArgs,
    /// Traces
    #[command(flatten)]
    pub otlp: OtlpArgs,
}

/// Flags of `rebuild`.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// The new, empty store
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address that the nodes join at, the same as the manager's
    #[arg(
        long,
        env = "DFS_GRPC",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:9000"
    )]
    pub grpc: SocketAddr,
    /// How many nodes to wait for; one that comes later is merged when it joins
    #[arg(long, env = "DFS_NODES", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: u32,
    /// What opens the inner ports
    #[command(flatten)]
    pub inner: OwnInnerArgs,
}

/// Flags of commands that ask a running manager.
#[derive(Debug, Args)]
pub struct RemoteArgs {
    /// The running manager's inner address
    #[arg(
        long,
        env = "DFS_MANAGER",
        value_name = "URL",
        default_value = "http://127.0.0.1:9000"
    )]
    pub manager: String,
    /// What opens the inner ports
    #[command(flatten)]
    pub inner: InnerArgs,
}

/// Flags of `quarantine`.
#[derive(Debug, Args)]
pub struct QuarantineArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: QuarantineCommand,
}

/// What can be done with bytes in quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List what is in quarantine
    List(RemoteArgs),
    /// Give a copy, or all of them, their records back, under their own names
    Adopt(AdoptArgs),
    /// Remove a copy for good
    Remove(QuarantinedArgs),
}

/// Names one copy in quarantine, as `list` shows it.
#[derive(Debug, Args)]
pub struct QuarantinedArgs {
    /// The node that holds it
    #[arg(long)]
    pub node: proto::NodeId,
    /// The file's id
    #[arg(long)]
    pub id: proto::FileId,
    /// The copy's generation
    #[arg(long)]
    pub generation: u32,
    /// How to reach the manager
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Flags of `quarantine adopt`.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// All copies whose names are free, or whose records have lost their bytes; with --node, those on one node
    #[arg(long, conflicts_with_all = ["id", "generation"])]
    pub all: bool,
    /// The node that holds the copy
    #[arg(long, required_unless_present = "all")]
    pub node: Option<proto::NodeId>,
    /// The file's id
    #[arg(long, required_unless_present = "all")]
    pub id: Option<proto::FileId>,
    /// The copy's generation
    #[arg(long, required_unless_present = "all")]
    pub generation: Option<u32>,
    /// How to reach the manager
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Flags of `abandon`.
#[derive(Debug, Args)]
pub struct AbandonArgs {
    /// The lost node
    #[arg(long)]
    pub node: proto::NodeId,
    /// Its volume, as `manager nodes` shows it
    #[arg(long, value_name = "UUID")]
    pub volume: uuid::Uuid,
    /// Do it: the number of files that are lost by it, as the command says without this flag
    #[arg(long, value_name = "N")]
    pub lose_files: Option<u64>,
    /// How to reach the manager
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// Flags of `drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// The node; repeat the flag or separate by commas to drain several into those that are left
    #[arg(long, required = true, value_delimiter = ',')]
    pub node: Vec<proto::NodeId>,
    /// Open the nodes to files again
    #[arg(long)]
    pub cancel: bool,
    /// How to reach the manager
    #[command(flatten)]
    pub remote: RemoteArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_refused_in_the_arguments_and_nowhere_else() {
        let refused = |url: &str, args: &[&str]| {
            refuse_secret(url, args.iter().map(|arg| (*arg).to_owned())).is_err()
        };
        let secret = "mongodb://dfs:word@db:27017/dfs";
        assert!(refused(secret, &["manager", "--store", secret]));
        assert!(refused(secret, &["manager", &format!("--store={secret}")]));
        assert!(!refused(secret, &["manager", "serve"]), "from DFS_STORE");
        for open in [
            "mongodb://db:27017/dfs",
            "mongodb://dfs@db/dfs",
            "embedded:/a:b@c",
        ] {
            assert!(!refused(open, &["manager", "--store", open]), "{open}");
        }
    }
}

//! The flags of `dfs`.

use crate::operate::{AbandonArgs, DrainArgs, Quarantine};
use crate::place::Place;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Stores, finds and fetches files of a distributed file server.
///
/// Exit codes: 0 all was done; 1 some of it was not; 2 nothing was begun, since the flags, a name or the token are wrong; 3 what was compared differs; 11 to 19 all that failed was refused with code 1 to 9 of the REST API, such as 12 for a file that does not exist; 130 it was interrupted.
#[derive(Debug, Parser)]
#[command(name = "dfs", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON, a line for each file or node
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for, and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Above the flags that all commands have, in the help of each.
pub(crate) const OF_ALL: &str = "Options of all commands";

/// The command with its flags, of which those that all commands have stand apart.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_args(|arg| arg.help_heading(OF_ALL))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store files
    Put(PutArgs),
    /// Fetch files
    Get(GetArgs),
    /// Write files to standard output
    Cat(CatArgs),
    /// List files in the order of their names
    Ls(LsArgs),
    /// Print what is known of files
    Stat(StatArgs),
    /// Delete files
    Rm(RmArgs),
    /// Make the service hold what a folder holds, or with --down the folder what the service holds
    Mirror(MirrorArgs),
    /// Make a link to a file that needs no token
    Link(LinkArgs),
    /// Print how the service is
    Status(StatusArgs),
    /// Print the nodes
    Nodes,
    /// Move all files away from nodes, so that they can go; without a node print the drains
    Drain(DrainArgs),
    /// Give a lost node up, and with it the files whose only copy was there
    Abandon(AbandonArgs),
    /// Compare what the disks hold with what the records say; exit code 3 where they differ
    Fsck,
    /// List, adopt or remove copies that no record lists
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Print what completes the command in a shell, such as for ~/.local/share/bash-completion/completions/dfs
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder, such as ~/.local/share/man/man1
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// Files to store; `-` is standard input
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The name to store it under [default: the file's own]; with -r what the names begin with in place of the folder's own name
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Store folders with all that is in them
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// The media type to keep with the file
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    #[command(flatten)]
    pub(crate) separator: Separator,
    #[command(flatten)]
    pub(crate) jobs: Jobs,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Names of files to fetch; with -r what their names begin with
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// Where to: a file, a folder, or `-` for standard output [default: the folder it is called in]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Fetch all files whose names begin so, into the folders that `dfs put -r` took them from
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Replace files that are there
    #[arg(long, short)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) separator: Separator,
    #[command(flatten)]
    pub(crate) jobs: Jobs,
}

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    /// Names of files
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// What the names begin with [default: all files]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Print size, time and node of each
    #[arg(long, short)]
    pub(crate) long: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatArgs {
    /// Names of files
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// Names of files; with -r what their names begin with
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
    /// Delete all files whose names begin so, after a question; `photos%2F` is what is in a folder, `photos` also takes `photos-old`
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Delete them without the question
    #[arg(long, short, requires = "recursive")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) jobs: Jobs,
}

#[derive(Debug, Args)]
pub(crate) struct MirrorArgs {
    /// The folder
    pub(crate) folder: PathBuf,
    /// What the names begin with in place of the folder's own name; '' for all files of the service
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Fetch into the folder what it lacks or has otherwise
    #[arg(long)]
    pub(crate) down: bool,
    /// Delete what is only on the other side, after a question, if all else was done
    #[arg(long)]
    pub(crate) delete: bool,
    /// Delete it without the question
    #[arg(long, short, requires = "delete")]
    pub(crate) yes: bool,
    /// Compare, print what would be done, and change nothing
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) separator: Separator,
    #[command(flatten)]
    pub(crate) jobs: Jobs,
}

#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    /// The file's name
    pub(crate) name: String,
    /// How long the link lasts, a second to 7 days
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) expires: Duration,
    /// A link to store one file of that name, of at most this many bytes, such as 10MiB
    #[arg(long, value_name = "BYTES")]
    pub(crate) put: Option<bytesize::ByteSize>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print it again every other second, until interrupted or where nobody ever answers
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder
    pub(crate) folder: PathBuf,
}

/// How paths become names, which have no slash.
#[derive(Debug, Args)]
pub(crate) struct Separator {
    /// What stands for `/` in names: with -r `a/b.txt` is stored as `a%2Fb.txt`, and a `%` as `%25`, so that it can be undone
    #[arg(long, value_name = "TEXT", default_value = crate::paths::DEFAULT, value_parser = crate::paths::separator)]
    pub(crate) separator: String,
}

#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// Files at once
    #[arg(long, short, default_value = "16", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
}

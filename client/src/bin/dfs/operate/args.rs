//! The flags of these commands.

use clap::{Args, Subcommand};
use client::FileId;
use uuid::Uuid;

#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// Nodes to drain: all of them, or none where their files have no room elsewhere
    #[arg(value_name = "NODE")]
    pub(crate) nodes: Vec<String>,
    /// Cancel their drains: the nodes take files again
    #[arg(long, requires = "nodes")]
    pub(crate) cancel: bool,
    /// Print how far they are until their nodes are empty
    #[arg(long, short, conflicts_with = "cancel")]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AbandonArgs {
    /// The node; without the flags below its cost is printed, and nothing is changed
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    /// The node's volume, as printed with the cost
    #[arg(long, value_name = "ID", requires = "lose_files")]
    pub(crate) volume: Option<Uuid>,
    /// How many files are lost by it; another number than printed is refused
    #[arg(long, value_name = "FILES", requires = "volume")]
    pub(crate) lose_files: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// List the copies
    Ls(OnNode),
    /// Make copies files again
    Adopt(AdoptArgs),
    /// Remove a copy for good, after a question
    Rm(RmCopyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OnNode {
    /// Only those on this node
    #[arg(long)]
    pub(crate) node: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    /// Which one, as `dfs quarantine ls` prints it: NODE ID GENERATION
    #[arg(num_args = 3, value_names = ["NODE", "ID", "GENERATION"], required_unless_present = "all")]
    pub(crate) copy: Vec<String>,
    /// All of them, the newest of each name, where the name is free or its record has lost its bytes
    #[arg(long, conflicts_with = "copy")]
    pub(crate) all: bool,
    /// With --all only those on this node
    #[arg(long, requires = "all")]
    pub(crate) node: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RmCopyArgs {
    /// The node that holds it
    pub(crate) node: String,
    /// The file's id
    pub(crate) id: FileId,
    /// The copy's generation
    pub(crate) generation: u32,
    /// Remove it without the question
    #[arg(long, short)]
    pub(crate) yes: bool,
}

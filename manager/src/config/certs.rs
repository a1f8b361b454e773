//! Flags of the command that makes certificates.

use clap::{Args, Subcommand};
use proto::identity::{Identity, Role};
use std::path::PathBuf;
use std::time::Duration;

/// Flags of `certs`.
#[derive(Debug, Args)]
pub struct CertsArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CertsCommand,
}

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub enum CertsCommand {
    /// Make an authority, and a folder for each kind of process that may talk to the others; run again it adds what is missing and renews what is due
    Init(InitCertsArgs),
}

/// Flags of `certs init`.
#[derive(Debug, Args)]
pub struct InitCertsArgs {
    /// Folder for the folders with certificates and keys; made if it is missing
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Release that the certificates are for: managers, nodes and commands of another one are refused
    #[arg(long, value_name = "NAME", default_value = "dfs", value_parser = release)]
    pub release: String,
    /// Pool that gets a folder for its nodes; repeat the flag for several. Pools that have one need not be named again; without any it is the pool default
    #[arg(long = "pool", value_name = "NAME", value_parser = pool)]
    pub pools: Vec<String>,
    /// How long a certificate is good, a year at the most; it is renewed by a run after two thirds of that
    #[arg(long, value_name = "TIME", default_value = "365d", value_parser = kit::units::long_time)]
    pub life: Duration,
}

/// A release that can have identities.
fn release(text: &str) -> Result<String, String> {
    let identity = Identity::new(text, Role::Manager);
    let release = identity.map(|identity| identity.release().to_owned());
    release.map_err(|error| error.to_string())
}

/// A pool that can have identities.
fn pool(text: &str) -> Result<String, String> {
    let pool = text.to_owned();
    let identity = Identity::new("dfs", Role::Node { pool });
    let pool = identity.map(|_| text.to_owned());
    pool.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        init: InitCertsArgs,
    }

    fn given(flags: &[&str]) -> Result<InitCertsArgs, String> {
        let all = ["init", "certs"].into_iter().chain(flags.iter().copied());
        let flags = Flags::try_parse_from(all);
        flags.map(|it| it.init).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_that_no_identity_can_have_is_refused_with_its_flag() {
        let good = given(&["--pool=dfs/fast", "--pool=b", "--release=files.dfs"]);
        assert_eq!(good.expect("good").pools, ["dfs/fast", "b"]);
        for (flag, limit) in [
            ("--release=Files", "--release <NAME>"),
            ("--release=Files", "1 to 255 lower-case letters"),
            ("--pool=a//b", "--pool <NAME>"),
            ("--pool=a//b", "must be letters, digits"),
            ("--life=2years", "--life <TIME>"),
            ("--life=2years", "a year at the most"),
        ] {
            let said = given(&[flag]).expect_err(flag);
            assert!(said.contains(limit), "{said}");
        }
    }
}

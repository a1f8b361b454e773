//! `manager token`: tokens of callers.

use crate::config::{CallerTokenArgs, NewTokenArgs, TokenCommand};
use anyhow::anyhow;
use manager_callers::tokens;
use std::io::Write;

/// Prints a new token on stderr and its line on stdout, so that
/// `>> FILE` keeps the one without the other.
///
/// # Errors
/// Names the flag.
pub fn run(args: CallerTokenArgs) -> anyhow::Result<()> {
    let TokenCommand::New(NewTokenArgs {
        name,
        rights,
        prefix,
    }) = args.command;
    let made = tokens::new(&name, rights, prefix);
    let (token, line) = made.map_err(|why| anyhow!("--{}", why.replace('`', "")))?;
    writeln!(std::io::stdout(), "{line}")?;
    writeln!(std::io::stderr(), "{token}")?;
    Ok(())
}

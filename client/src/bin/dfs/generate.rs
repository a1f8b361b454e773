//! `dfs completions` and `dfs man`: what shells and `man` need, made from the flags.

use crate::args::{self, CompletionsArgs, ManArgs};
use crate::out::Out;
use crate::outcome::Outcome;
use anyhow::{Context, Result};

pub(crate) fn completions(args: &CompletionsArgs, out: &Out) -> Result<Outcome> {
    let (mut command, mut script) = (args::command(), Vec::new());
    clap_complete::generate(args.shell, &mut command, "dfs", &mut script);
    out.line(String::from_utf8(script)?.trim_end())?;
    Ok(Outcome::Done)
}

pub(crate) fn man(args: &ManArgs) -> Result<Outcome> {
    let folder = &args.folder;
    let made = std::fs::create_dir_all(folder);
    let written = made.and_then(|()| clap_mangen::generate_to(args::command(), folder));
    written.with_context(|| folder.display().to_string())?;
    Ok(Outcome::Done)
}

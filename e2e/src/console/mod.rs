//! `console`: the console in a real Chromium, against real managers and nodes. A script of
//! Playwright asks for what is to happen to the service, in lines of JSON, and watches what
//! the page shows of it.

mod fresh;
mod stage;

pub(crate) use fresh::installed;

use crate::cluster::binaries::workspace;
use crate::tools;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use stage::{Order, Stage};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// Flags of `console`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only situations whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Names in the long listing; the pictures have 200000.
    #[arg(long, default_value_t = 10_000)]
    names: u64,
    /// Folder that pictures of each situation are written to.
    #[arg(long)]
    pictures: Option<PathBuf>,
    /// Of which kind they are.
    #[arg(long, default_value = "webp", value_parser = ["webp", "png"])]
    format: String,
}

/// Does the run; the script prints what came of each situation.
///
/// # Errors
/// The first situation that failed, or the difference of what is embedded from its sources.
pub async fn run(args: Args) -> Result<()> {
    tools::require(&[("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium")])?;
    let folder = workspace().join("e2e/console");
    let installed = fresh::installed(&folder, "console-browser")?;
    fresh::compare(&args.only).await?;
    let flags = json!({
        "only": args.only,
        "names": args.names,
        "pictures": args.pictures,
        "format": args.format,
        "chromium": tools::which("chromium")?,
    });
    let status = perform(&folder, &installed, &flags.to_string()).await?;
    ensure!(status.success(), "the browser's script: {status}");
    Ok(())
}

/// Runs the script to its end, and does what it asks for.
async fn perform(folder: &Path, installed: &Path, flags: &str) -> Result<std::process::ExitStatus> {
    let mut child = Command::new("node")
        .arg(folder.join("run.mjs"))
        .arg(installed)
        .arg(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting node")?;
    let mut answers = child.stdin.take().context("stdin is piped")?;
    let orders = child.stdout.take().context("stdout is piped")?;
    let mut orders = BufReader::new(orders).lines();
    let mut stage = Stage::default();
    while let Some(line) = orders.next_line().await? {
        let order: Order = serde_json::from_str(&line).with_context(|| line.clone())?;
        let answer = match stage.perform(order).await {
            Ok(done) => json!({"done": done}),
            Err(error) => json!({"failed": format!("{line}: {error:#}")}),
        };
        answers.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(child.wait().await?)
}

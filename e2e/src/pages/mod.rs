//! `pages`: the sessions of README and documents, typed as they stand there, and the
//! programs in other languages. Each runs in a network of its own, so that the ports that
//! the pages name are free.

mod languages;
mod session;

use crate::cluster::binaries;
use crate::tools::{self, feed};
use anyhow::{Context, Result, ensure};
use session::{Step, blocks, same, session};
use std::fmt::Write;
use std::path::Path;

/// Pages with a session of the whole service in one process.
const SESSIONS: [&str; 3] = ["README.md", "docs/rest.md", "docs/dfs.md"];
/// A page and the heading under which it starts one manager and two nodes.
const PROCESSES: (&str, &str) = ("docs/processes.md", "## One manager, some nodes");
/// What stands between the outputs of two steps.
const NEXT: &str = "--- next step ---";
/// Waits until so many nodes serve, or fails after 60 s.
const WAIT: &str = r#"
wait_for() {
    for _ in $(seq 600); do
        count=$(curl -s http://127.0.0.1:8000/status | grep -o '"state":"available"' | wc -l)
        [ "$count" -eq "$1" ] && return
        sleep 0.1
    done
    echo "no $1 nodes are available"
    exit 1
}
"#;

/// Does all of them.
///
/// # Errors
/// Where a command of a page prints something else than the page shows.
pub async fn run() -> Result<()> {
    tools::require(&[
        ("curl", "curl"),
        ("unshare", "util-linux"),
        ("ip", "iproute2"),
    ])?;
    for page in SESSIONS {
        let steps = session(&read(page)?);
        ensure!(!steps.is_empty(), "{page} has no session");
        let printed = typed(&steps).with_context(|| page.to_owned())?;
        for (step, printed) in steps.iter().zip(&printed) {
            same(&step.shown, printed).with_context(|| format!("{page}: {}", step.command))?;
        }
        println!("{page}: {} commands print what the page shows", steps.len());
    }
    languages::run()?;
    let (page, heading) = PROCESSES;
    let text = read(page)?;
    let (_, after) = text.split_once(heading).context("no such heading")?;
    let block = blocks(after).next().context("no commands")?;
    started(block).with_context(|| page.to_owned())?;
    println!("{page}: manager and nodes start as the page says");
    Ok(())
}

fn read(page: &str) -> Result<String> {
    std::fs::read_to_string(binaries::workspace().join(page)).with_context(|| page.to_owned())
}

/// What each step prints, beside a service in one process.
fn typed(steps: &[Step]) -> Result<Vec<String>> {
    let mut script = String::from("manager standalone >ready 2>log &\nwait_for 3\n");
    for step in steps {
        writeln!(script, "{} 2>>errors", step.command)?;
        writeln!(script, "printf '\\n{NEXT}\\n'")?;
    }
    let folder = tempfile::tempdir_in(binaries::scratch()?)?;
    std::fs::write(folder.path().join("photo.jpg"), vec![7; 3_000_000])?;
    let text = bash(folder.path(), &script)?;
    let printed: Vec<String> = text.split(NEXT).map(str::to_owned).collect();
    ensure!(printed.len() > steps.len(), "it ended early: {text}");
    Ok(printed)
}

/// Commands that each go on, as in a terminal of its own.
fn started(block: &str) -> Result<()> {
    let folder = tempfile::tempdir_in(binaries::scratch()?)?;
    let folder = folder.path();
    let mut script = String::new();
    for (line, nodes) in block.lines().zip(0..) {
        // No test writes there.
        let line = line.replace("/var/lib/dfs", &folder.display().to_string());
        writeln!(script, "{line} 2>>log &\nlast={nodes}")?;
    }
    writeln!(script, "wait_for $last")?;
    bash(folder, &script).map(drop)
}

/// Runs a script in a folder and a network of its own, with our programs in the PATH;
/// what it started ends with it.
fn bash(folder: &Path, script: &str) -> Result<String> {
    let programs = binaries::find()?;
    let programs = programs.manager.parent().context("no folder")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = tools::unshare()?;
    command
        .args(["--net", "--pid", "--fork", "--kill-child"])
        .args(["bash", "-s"])
        .env("PATH", format!("{}:{path}", programs.display()))
        .current_dir(folder);
    let script = format!("set -u\nip link set lo up\n{WAIT}\n{script}\n");
    let done = feed(command, &script)?;
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    ensure!(done.ok, "{}\n{}", done.text, log());
    Ok(done.text)
}

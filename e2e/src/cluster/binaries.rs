//! Finds the binaries under test, and has cargo build them where they are missing.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Where one build of the two programs lies.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The program `manager`.
    pub manager: PathBuf,
    /// The program `node`.
    pub node: PathBuf,
}

/// What is asked of cargo before the binaries are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Take those that are there (`cargo test --workspace` has just built them,
    /// failpoints included); build with failpoints only what is missing.
    IfMissing,
    /// Bring them up to date without failpoints, as a user would build them.
    Always,
}

/// The binaries beside the running program (or in `E2E_BIN_DIR`).
///
/// # Errors
/// Where cargo can't build them; its messages went to stderr.
pub fn find(build: Build) -> Result<Binaries> {
    static ONE_BUILD: Mutex<()> = Mutex::new(());
    let _guard = ONE_BUILD.lock().unwrap_or_else(|e| e.into_inner());
    let (folder, given) = match std::env::var_os("E2E_BIN_DIR") {
        Some(folder) => (PathBuf::from(folder), true),
        None => (beside_us()?, false),
    };
    let found = Binaries {
        manager: folder.join("manager"),
        node: folder.join("node"),
    };
    let there = found.manager.is_file() && found.node.is_file();
    match build {
        _ if given => ensure!(there, "no manager and node in {}", folder.display()),
        Build::IfMissing if there => {}
        Build::IfMissing => cargo_build(&folder, true)?,
        Build::Always => cargo_build(&folder, false)?,
    }
    ensure!(found.manager.is_file(), "no {}", found.manager.display());
    Ok(found)
}

/// `target/<profile>`: test programs lie one folder deeper, in `deps`.
fn beside_us() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("asking for the own path")?;
    let folder = exe.parent().context("the own path has no folder")?;
    Ok(match folder.file_name().and_then(|name| name.to_str()) {
        Some("deps") => folder.parent().context("deps has no parent")?.to_owned(),
        _ => folder.to_owned(),
    })
}

/// The root of the workspace that this crate was built from.
pub fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// A folder for large temporary data, on the file system of the build: `/tmp`
/// may be memory, where a flush costs nothing and proves nothing.
pub fn scratch() -> Result<PathBuf> {
    let folder = beside_us()?
        .parent()
        .context("no target folder")?
        .join("e2e");
    std::fs::create_dir_all(&folder).context("making the folder for scratch data")?;
    Ok(folder)
}

fn cargo_build(folder: &Path, failpoints: bool) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut command = Command::new(cargo);
    command.current_dir(workspace());
    command.args([
        "build",
        "--quiet",
        "-p",
        "manager",
        "-p",
        "node",
        "--profile",
    ]);
    command.arg(profile);
    if failpoints {
        command.args(["--features", "manager/failpoints,node/failpoints"]);
    }
    let status = command.status().context("starting cargo")?;
    if !status.success() {
        bail!("cargo could not build manager and node: {status}");
    }
    Ok(())
}

//! Has cargo bring the binaries under test up to date, and finds them.

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where one build of the programs lies.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The program `manager`.
    pub manager: PathBuf,
    /// The program `node`.
    pub node: PathBuf,
    /// The program `dfs`.
    pub dfs: PathBuf,
}

/// The binaries beside the running program (or in `E2E_BIN_DIR`). In a dev
/// build they have their failpoints, so that tests can end them at any step; in
/// a release they are as a user would build them.
///
/// # Errors
/// Where cargo can't build them; its messages went to stderr.
pub fn find() -> Result<Binaries> {
    static BUILT: Mutex<bool> = Mutex::new(false);
    let mut built = BUILT.lock();
    let (folder, given) = match std::env::var_os("E2E_BIN_DIR") {
        Some(folder) => (PathBuf::from(folder), true),
        None => (beside_us()?, false),
    };
    let found = Binaries {
        manager: folder.join("manager"),
        node: folder.join("node"),
        dfs: folder.join("dfs"),
    };
    if !given && !*built {
        cargo_build(&folder)?;
        *built = true;
    }
    for file in [&found.manager, &found.node] {
        ensure!(file.is_file(), "no {}", file.display());
    }
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

/// Cargo itself decides whether there is anything to build; the first test of a
/// run calls it. It always builds the whole workspace: with a smaller choice of
/// packages the libraries would get other features, and be built once more.
fn cargo_build(folder: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut command = Command::new(cargo);
    command.current_dir(workspace());
    // Variables that cargo set for the crate under test: a build script that watches
    // one of them would run again, and half the libraries would be built again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let of_crate = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        if of_crate.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.args(["build", "--quiet", "--workspace", "--bins", "--profile"]);
    command.arg(profile);
    if profile == "dev" {
        command.args(["--features", "manager/failpoints,node/failpoints"]);
    }
    let status = command.status().context("starting cargo")?;
    if !status.success() {
        bail!("cargo could not build the programs: {status}");
    }
    Ok(())
}

//! Programs of other projects that some runs need: found, or installed where
//! that is allowed, or named in one line.

use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Finds a program.
///
/// # Errors
/// Where there is none.
pub fn which(tool: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut files = folders.map(|folder| folder.join(tool));
    files
        .find(|file| file.is_file())
        .with_context(|| format!("no {tool}"))
}

/// Has programs there, each given with its Debian package.
///
/// # Errors
/// One line that names the packages that are missing and can't be installed.
pub fn require(tools: &[(&str, &'static str)]) -> Result<()> {
    let missing = || -> Vec<&'static str> {
        let absent = tools.iter().filter(|(tool, _)| which(tool).is_err());
        absent.map(|(_, package)| *package).collect()
    };
    install(&missing())?;
    let still = missing();
    ensure!(still.is_empty(), "still missing: {}", still.join(" "));
    Ok(())
}

/// Installs Debian packages, as root.
///
/// # Errors
/// One line that names them where that can't be done.
pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    ensure!(
        rustix::process::geteuid().is_root(),
        "missing, install as root: {list}"
    );
    eprintln!("installing {list}");
    let apt = |args: &[&str]| -> Result<()> {
        let mut command = Command::new("apt-get");
        command
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
        let status = command
            .status()
            .with_context(|| format!("missing, and no apt-get: {list}"))?;
        ensure!(status.success(), "apt-get could not install: {list}");
        Ok(())
    };
    apt(&["update", "-qq"])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages);
    apt(&args)
}

/// A folder outside of the checkout for what takes long to build.
///
/// # Errors
/// Where it can't be made.
pub fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = base
        .context("neither XDG_CACHE_HOME nor HOME")?
        .join("dfs-e2e");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

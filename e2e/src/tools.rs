//! Programs of other projects that some runs need: found, or installed where
//! that is allowed, or named in one line of an error.

use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a command said.
#[derive(Debug)]
pub struct Told {
    /// Whether it succeeded.
    pub ok: bool,
    /// Its stdout, and its stderr after it.
    pub text: String,
}

impl Told {
    /// The text of a command that succeeded.
    ///
    /// # Errors
    /// With that text where it did not.
    pub fn expect(self, what: &str) -> Result<String> {
        ensure!(self.ok, "{what}: {}", self.text);
        Ok(self.text)
    }
}

/// Runs a command with `input` on its stdin.
///
/// # Errors
/// Where it can't be run.
pub fn feed(mut command: Command, input: &str) -> Result<Told> {
    let name = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", name.display()))?;
    let mut stdin = child.stdin.take().context("stdin is piped")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Told {
        ok: output.status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

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

/// `unshare`, which begins as root in the namespaces that are asked for.
///
/// # Errors
/// Where there is none.
pub fn unshare() -> Result<Command> {
    let mut command = Command::new(which("unshare")?);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    Ok(command)
}

/// Makes sure that programs are there, each given with its Debian package.
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

//! The images of a run: of the current build, and of an earlier commit, whose
//! images an earlier run left in the cache.

use crate::cluster::binaries;
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that run the clients in the documentation.
pub const TOOLS: [(&str, &str); 3] = [("curl", "curl"), ("python3", "python3"), ("node", "nodejs")];

/// The images of the run, by program: under names of the tests (two for the nodes'
/// image), and under the names in the documentation.
const IMAGES: [(&str, &str); 8] = [
    ("manager", "localhost/distributed-file-server/manager:test"),
    (
        "operator",
        "localhost/distributed-file-server/operator:test",
    ),
    ("node", "localhost/distributed-file-server/node:test"),
    ("node", "localhost/distributed-file-server/node:next"),
    (
        "manager",
        concat!(
            "docker.io/distributed-file-server/manager:",
            env!("CARGO_PKG_VERSION")
        ),
    ),
    (
        "operator",
        concat!(
            "docker.io/distributed-file-server/operator:",
            env!("CARGO_PKG_VERSION")
        ),
    ),
    (
        "node",
        concat!(
            "docker.io/distributed-file-server/node:",
            env!("CARGO_PKG_VERSION")
        ),
    ),
    ("curl", "docker.io/curlimages/curl:8.16.0"),
];

/// The programs of a release.
const PROGRAMS: [&str; 3] = ["manager", "operator", "node"];
/// Commits whose images are kept.
const KEPT: usize = 3;

/// The images of a run, as archives.
pub struct Images {
    /// What has to be loaded.
    pub tars: Vec<PathBuf>,
    /// The folder of an earlier commit, whose images have the tag `earlier`.
    pub earlier: Option<PathBuf>,
    _folder: tempfile::TempDir,
}

/// Makes the images, and keeps those of this commit. A cluster that can't pull
/// also gets stand-ins for the images that the documentation pulls.
///
/// # Errors
/// Where one can't be made.
pub fn make_all(can_pull: bool) -> Result<Images> {
    let folder = tempfile::Builder::new()
        .prefix("images-")
        .tempdir_in(binaries::scratch()?)?;
    let mut tars = Vec::new();
    for (name, reference) in IMAGES {
        if can_pull && !PROGRAMS.contains(&name) {
            continue;
        }
        let tar = folder.path().join(format!("{}.tar", tars.len()));
        make(&tar, name, reference)?;
        tars.push(tar);
    }
    let cache = tools::cache()?.join("images");
    let earlier = earlier(&cache)?;
    if let Some(earlier) = &earlier {
        tars.extend(PROGRAMS.map(|name| earlier.join(format!("{name}.tar"))));
    }
    keep(&cache)?;
    Ok(Images {
        tars,
        earlier,
        _folder: folder,
    })
}

fn make(tar: &Path, name: &str, reference: &str) -> Result<()> {
    let own = binaries::find()?.manager.with_file_name(name);
    let program = match own.exists() {
        true => own,
        false => tools::which(name)?,
    };
    let status = Command::new(binaries::workspace().join("e2e/kube/image"))
        .arg(tar)
        .arg(reference)
        .arg(format!("/usr/local/bin/{name}"))
        .arg(program)
        .status()?;
    ensure!(status.success(), "e2e/kube/image {name}: {status}");
    Ok(())
}

fn git(args: &[&str]) -> Result<Option<String>> {
    let mut git = Command::new("git");
    let output = git.current_dir(binaries::workspace()).args(args).output()?;
    let text = String::from_utf8(output.stdout)?.trim().to_owned();
    Ok(output.status.success().then_some(text))
}

/// The newest ancestor of our commit whose images are in the cache.
fn earlier(cache: &Path) -> Result<Option<PathBuf>> {
    let log = git(&["log", "--format=%H", "--skip=1", "-n", "200"])?;
    let log = log.unwrap_or_default();
    let mut folders = log.lines().map(|commit| cache.join(commit));
    Ok(folders.find(|folder| folder.is_dir()))
}

/// Keeps images and chart of this commit for later ones, unless the checkout has changes.
fn keep(cache: &Path) -> Result<()> {
    let (Some(changes), Some(commit)) = (
        git(&["status", "--porcelain"])?,
        git(&["rev-parse", "HEAD"])?,
    ) else {
        return Ok(());
    };
    let folder = cache.join(commit);
    if !changes.is_empty() || folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(cache)?;
    let new = tempfile::Builder::new().prefix("new-").tempdir_in(cache)?;
    for name in PROGRAMS {
        let reference = format!("localhost/distributed-file-server/{name}:earlier");
        make(&new.path().join(format!("{name}.tar")), name, &reference)?;
    }
    let charts = binaries::workspace().join("charts");
    let status = Command::new("cp")
        .arg("-r")
        .arg(charts)
        .arg(new.path())
        .status()?;
    ensure!(status.success(), "copying the chart: {status}");
    std::fs::rename(new.keep(), &folder).context("keeping the images")?;
    let mut all: Vec<_> = std::fs::read_dir(cache)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    all.sort();
    for (_, old) in all.iter().rev().skip(KEPT) {
        std::fs::remove_dir_all(old)?;
    }
    Ok(())
}

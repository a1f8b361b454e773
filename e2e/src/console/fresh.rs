//! What is embedded in the manager is what its sources make: built anew and compared, and
//! so are the types that are made of the API's description.

use super::stage::{Order, Stage};
use crate::cluster::binaries::workspace;
use crate::tools;
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages of a `package-lock.json`, in a folder of the cache with a copy of it. It is
/// made once for each content of that file.
///
/// # Errors
/// What npm said.
pub(crate) fn installed(folder: &Path, called: &str) -> Result<PathBuf> {
    let lock = std::fs::read(folder.join("package-lock.json"))?;
    let hash = base16ct::lower::encode_string(&Sha256::digest(&lock)[..6]);
    let made = tools::cache()?.join(format!("{called}-{hash}"));
    if made.join(".made").exists() {
        return Ok(made);
    }
    std::fs::create_dir_all(&made)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(folder.join(file), made.join(file))?;
    }
    eprintln!("installing what {called} needs");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&made);
    tools::feed(npm, "")?.expect("npm ci")?;
    std::fs::write(made.join(".made"), "")?;
    Ok(made)
}

/// Builds and checks the console in a copy of its sources, and compares.
///
/// # Errors
/// Names the first file that differs, and the command that mends it.
pub(super) async fn compare(only: &str) -> Result<()> {
    if !"sources".contains(only) {
        return Ok(());
    }
    let console = workspace().join("console");
    let installed = installed(&console, "console-build")?;
    let work = tempfile::tempdir()?;
    copy(&console, work.path())?;
    std::os::unix::fs::symlink(
        installed.join("node_modules"),
        work.path().join("node_modules"),
    )?;
    let description = Stage::default().perform(Order::Describe).await?;
    std::fs::write(work.path().join("openapi.json"), description.to_string())?;
    for script in ["types", "check", "build"] {
        let mut npm = Command::new("npm");
        npm.args(["run", script]).current_dir(work.path());
        tools::feed(npm, "")?.expect(script)?;
    }
    let types = |folder: &Path| std::fs::read_to_string(folder.join("src/schema.ts"));
    ensure!(
        types(work.path())? == types(&console)?,
        "console/src/schema.ts is not what the manager's /openapi.json makes: write that to \
         console/openapi.json, and run `npm run types` there"
    );
    let (fresh, embedded) = (
        files(&work.path().join("dist"))?,
        files(&console.join("dist"))?,
    );
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    ensure!(
        fresh == embedded,
        "console/dist ({:?}) is not what its sources make ({:?}): run `npm ci && npm run build` in \
         console, and commit the result",
        names(&embedded),
        names(&fresh)
    );
    eprintln!(
        "sources: types and {} embedded files are as built anew",
        fresh.len()
    );
    Ok(())
}

/// Copies what git has of the console, but for what is built.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if ["node_modules", "dist"].iter().any(|left| name == *left) {
            continue;
        }
        let target = to.join(&name);
        if path.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        Ok((name, std::fs::read(entry.path())?))
    };
    entries.map(read).collect()
}

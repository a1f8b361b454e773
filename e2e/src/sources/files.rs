//! Picks the real files and gives each a name of its own.

use crate::cluster::binaries;
use crate::content;
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A file to upload.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) size: u64,
}

/// The longest name that the service takes, in bytes.
const LONGEST: usize = 255;

/// Where cargo unpacks the sources of crates.
pub(super) fn registry() -> Result<PathBuf> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => Path::new(&std::env::var_os("HOME").context("no HOME")?).join(".cargo"),
    };
    Ok(home.join("registry/src"))
}

/// All plain files below `root`, in the order of their paths. Where there are
/// fewer than `wanted`, cargo is asked to unpack all crates of the lock file.
pub(super) fn collect(root: &Path, wanted: usize) -> Result<Vec<Source>> {
    let found = walk(root)?;
    if found.len() >= wanted {
        return Ok(found);
    }
    eprintln!(
        "{} files under {}: cargo fetch",
        found.len(),
        root.display()
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    let status = command
        .args(["fetch", "--quiet"])
        .current_dir(binaries::workspace())
        .status()?;
    if !status.success() {
        bail!("cargo fetch: {status}");
    }
    walk(root)
}

fn walk(root: &Path) -> Result<Vec<Source>> {
    let mut folders = vec![root.to_owned()];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                paths.push((entry.path(), entry.metadata()?.len()));
            }
        }
    }
    paths.sort();
    let mut taken = HashSet::new();
    let mut sources = Vec::with_capacity(paths.len());
    for (path, size) in paths {
        let relative = path.strip_prefix(root)?.to_string_lossy();
        let mut name = flat_name(&relative, LONGEST);
        if !taken.insert(name.clone()) {
            name = shortened(&name, &relative, LONGEST);
            taken.insert(name.clone());
        }
        sources.push(Source { path, name, size });
    }
    Ok(sources)
}

/// A path as one segment; what is too long ends in a hash of the whole.
fn flat_name(path: &str, longest: usize) -> String {
    let name: String = path
        .replace('/', "__")
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    if name.len() <= longest {
        name
    } else {
        shortened(&name, path, longest)
    }
}

fn shortened(name: &str, path: &str, longest: usize) -> String {
    let hash = content::hex(&content::sha256(path.as_bytes())[..8]);
    let mut end = name.len().min(longest - hash.len() - 1);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{hash}", &name[..end])
}

/// At most `files` files of at most `bytes` bytes together, spread over all.
pub(super) fn choose(all: Vec<Source>, files: usize, bytes: Option<u64>) -> Vec<Source> {
    let step = all.len().div_ceil(files.max(1)).max(1);
    let mut left = bytes.unwrap_or(u64::MAX);
    all.into_iter()
        .step_by(step)
        .filter(|source| {
            let fits = source.size <= left;
            left -= if fits { source.size } else { 0 };
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_keep_distinct_names_within_the_limit() {
        assert_eq!(flat_name("a/b/c.rs", 255), "a__b__c.rs");
        let long = "ä/".repeat(200);
        let name = flat_name(&long, 255);
        assert!(name.len() <= 255 && name.starts_with("ä__"), "{name}");
        assert_ne!(name, flat_name(&(long + "x"), 255));
    }

    #[test]
    fn a_cap_spreads_over_all() {
        let source = |i: u64| Source {
            path: PathBuf::new(),
            name: i.to_string(),
            size: 10,
        };
        let all: Vec<Source> = (0..100).map(source).collect();
        let chosen = choose(all.clone(), 10, None);
        assert_eq!((chosen.len(), chosen[9].name.as_str()), (10, "90"));
        assert_eq!(choose(all, 100, Some(55)).len(), 5);
    }
}

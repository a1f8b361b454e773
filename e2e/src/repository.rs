//! The files of this repository, for tests that read it.

use crate::cluster::binaries::workspace;
use anyhow::Result;
use std::path::PathBuf;

/// Folders that hold no file of the workspace's own.
const APART: [&str; 3] = ["target", "engine-spike", "node_modules"];

/// The files whose names end in one of `endings`, in order.
///
/// # Errors
/// Where a folder can't be read.
pub fn files(endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![workspace().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !APART.contains(&name.as_str()) {
                    folders.push(entry.path());
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

//! Reads a node's `data/` from outside and checks invariant 1: no directory above 36
//! entries, a fixed depth, no temporary names.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The most entries a directory may hold (invariant 1).
pub const MAX_ENTRIES: usize = 36;

/// Flips a bit in the middle of a file, or flips it back.
///
/// # Errors
/// Where it can't be read and written, or is empty.
pub fn flip(path: &Path) -> Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let at = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    Ok(file.write_all_at(&[byte[0] ^ 1], at)?)
}

/// Directory levels between `data/` and a file, `data/` itself not counted.
pub const LEVELS: usize = 5;

/// What a walk over one node's tree found.
#[derive(Debug, Default, Clone)]
pub struct Tree {
    /// Name on disk to path, of every file.
    pub files: BTreeMap<String, PathBuf>,
    /// Bytes of all files.
    pub bytes: u64,
    /// Entries of the fullest directory.
    pub largest: usize,
    /// Directories below `data/`.
    pub directories: usize,
    /// Directories that hold nothing.
    pub empty_directories: usize,
}

impl Tree {
    /// Walks `data` of a node that may be at work: entries that vanish meanwhile are
    /// skipped.
    pub fn walk(data: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.directory(data, 0)?;
        Ok(tree)
    }

    fn directory(&mut self, path: &Path, level: usize) -> Result<()> {
        let mut entries = 0;
        let listing = match std::fs::read_dir(path) {
            Ok(listing) => listing,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e).context(format!("reading {}", path.display())),
        };
        for entry in listing {
            let entry = entry?;
            entries += 1;
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e.into()),
            };
            if kind.is_dir() {
                let name = entry.file_name();
                ensure!(
                    level < LEVELS && is_slot(name.as_encoded_bytes()),
                    "a directory where none belongs: {}",
                    entry.path().display()
                );
                self.directories += 1;
                self.directory(&entry.path(), level + 1)?;
            } else {
                ensure!(
                    level == LEVELS,
                    "a file at depth {level}, not {LEVELS}: {}",
                    entry.path().display()
                );
                let Ok(meta) = entry.metadata() else { continue };
                self.bytes += meta.len();
                self.add(entry.path())?;
            }
        }
        self.largest = self.largest.max(entries);
        self.empty_directories += usize::from(entries == 0 && level > 0);
        // A walk isn't a snapshot, but readdir of a directory this small is one read.
        ensure!(
            entries <= MAX_ENTRIES,
            "invariant 1: {} holds {entries} entries",
            path.display()
        );
        Ok(())
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_str();
        let name = name.context("a file name that is not UTF-8")?.to_owned();
        if let Some(other) = self.files.insert(name, path.clone()) {
            anyhow::bail!("two copies on one node: {other:?} and {path:?}");
        }
        Ok(())
    }
}

/// The trees of all nodes whose folders lie somewhere below `folder`: the
/// uppermost directories named `data`.
pub fn find_data(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true if entry.file_name() == "data" => found.push(entry.path()),
                true => folders.push(entry.path()),
                false => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_slot(name: &[u8]) -> bool {
    matches!(name, [b'0'..=b'9' | b'a'..=b'z'])
}

/// Copies a folder with all that is below it.
///
/// # Errors
/// Where a file can't be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => std::fs::copy(entry.path(), target).map(drop)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn leaf(root: &Path, path: &str) -> PathBuf {
        let leaf = root.join(path);
        std::fs::create_dir_all(&leaf).unwrap();
        leaf
    }

    #[test]
    fn counts_files_and_the_largest_directory() {
        let root = tempfile::tempdir().unwrap();
        let leaf = leaf(root.path(), "0/0/0/0/0");
        for i in 0..36 {
            std::fs::write(leaf.join(format!("f{i}")), "abc").unwrap();
        }
        let tree = Tree::walk(root.path()).unwrap();
        assert_eq!((tree.files.len(), tree.largest, tree.bytes), (36, 36, 108));
        std::fs::write(leaf.join("one more"), "").unwrap();
        let error = Tree::walk(root.path()).unwrap_err().to_string();
        assert!(error.contains("invariant 1"), "{error}");
    }

    #[test]
    fn refuses_strange_directories_and_depths() {
        let root = tempfile::tempdir().unwrap();
        leaf(root.path(), "0/tmp");
        assert!(Tree::walk(root.path()).is_err());
        let root = tempfile::tempdir().unwrap();
        std::fs::write(leaf(root.path(), "0/0").join("f"), "").unwrap();
        assert!(Tree::walk(root.path()).is_err());
    }
}

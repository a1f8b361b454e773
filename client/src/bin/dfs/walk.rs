//! The files in a folder, by the names that they have in the service.

use crate::paths;
use anyhow::{Context, Error, Result, anyhow, ensure};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Something in a folder that is no folder.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Otherwise it is a link, a device or the like, and can't be stored.
    pub(crate) is_file: bool,
}

/// What is in a folder and those in it, by names that begin with `begins`, in no order that
/// names have.
pub(crate) fn below(
    folder: &Path,
    begins: String,
    separator: &str,
) -> impl Iterator<Item = Result<Found>> {
    let (folder, separator) = (folder.to_owned(), separator.to_owned());
    // Not the folder itself, which may be a link to one.
    let found = WalkDir::new(&folder).min_depth(1).sort_by_file_name();
    found.into_iter().filter_map(move |entry| {
        let named = |path: &Path| {
            let name = paths::name(path.strip_prefix(&folder)?, &separator);
            let name = name.with_context(|| path.display().to_string())?;
            anyhow::Ok(format!("{begins}{name}"))
        };
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Err(Error::from(error))),
        };
        (!entry.file_type().is_dir()).then(|| {
            Ok(Found {
                name: named(entry.path())?,
                is_file: entry.file_type().is_file(),
                path: entry.into_path(),
            })
        })
    })
}

/// What is wrong with something that can't be stored.
pub(crate) fn no_file(path: &Path) -> Error {
    let shown = path.display();
    anyhow!("{shown} is neither a file nor a folder, and left out")
}

/// No link between a folder and a file in it may lead elsewhere, and what is a file on one
/// side is no folder on the other one.
pub(crate) fn check_way(top: &Path, path: &Path) -> Result<()> {
    let folders = path.ancestors().skip(1);
    for folder in folders.take_while(|folder| *folder != top) {
        ensure!(!folder.is_symlink(), no_file(folder));
        let (is_file, shown) = (folder.is_file(), folder.display());
        ensure!(
            !is_file,
            "{shown} is a file here and a folder there: move it away"
        );
    }
    let shown = path.display();
    ensure!(
        !path.is_dir(),
        "{shown} is a folder here and a file there: move it away"
    );
    Ok(())
}

/// What the names of a folder's files begin with: its own name or that one, if it is not
/// empty, and what stands for a slash.
pub(crate) fn beginning(folder: &Path, name: Option<&str>, separator: &str) -> Result<String> {
    let own = match name {
        Some(name) => name.to_owned(),
        None => own_name(folder, separator)?,
    };
    Ok(match own.as_str() {
        "" => own,
        _ => own + separator,
    })
}

/// What a folder itself is called, also where it is `.`. A link to one is called as it is, not
/// as what it leads to.
fn own_name(folder: &Path, separator: &str) -> Result<String> {
    let own = match folder.file_name() {
        Some(own) => Some(own.to_owned()),
        None => {
            let whole = folder.canonicalize();
            let whole = whole.with_context(|| folder.display().to_string())?;
            whole.file_name().map(ToOwned::to_owned)
        }
    };
    let own =
        own.with_context(|| format!("{} has no name: give it one with --as", folder.display()))?;
    paths::name(Path::new(&own), separator)
}

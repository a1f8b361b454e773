//! The folders of certificates on the disk.

use super::plan::{AUTHORITY, Found, NODE};
use super::{CERT, KEY, TRUST};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder that holds them. It is locked, so that one run at a time changes it.
pub(super) struct Folders {
    path: PathBuf,
    locked: File,
}

impl Folders {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        if !path.is_dir() {
            if path.symlink_metadata().is_ok() {
                bail!("{}: must be a folder", name());
            }
            let mut builder = DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(path);
            made.with_context(name)?;
        }
        let locked = File::open(path).with_context(name)?;
        match locked.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("{}: another run changes it now", name()),
            Err(TryLockError::Error(error)) => return Err(error).with_context(name),
        }
        let path = path.to_owned();
        Ok(Self { path, locked })
    }

    /// The path of one of them.
    pub(super) fn path(&self, folder: &str) -> PathBuf {
        self.path.join(folder)
    }

    /// The names of those that are there, but for the authority's.
    pub(super) fn others(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        let entries = self.path.read_dir();
        for entry in entries.with_context(|| self.path.display().to_string())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = matches!(name.as_str(), "manager" | "operator") || name.starts_with(NODE);
            if is_ours && entry.path().is_dir() {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Those of nodes that are there, with their certificates.
    pub(super) fn nodes(&self) -> anyhow::Result<BTreeMap<String, Option<String>>> {
        let others = self.others()?.into_iter();
        let nodes = others.filter(|name| name.starts_with(NODE));
        nodes
            .map(|name| self.read(&name).map(|found| (name, found.cert)))
            .collect()
    }

    /// What one of them has.
    pub(super) fn read(&self, folder: &str) -> anyhow::Result<Found> {
        let read = |name: &str| {
            let file = self.path(folder).join(name);
            match std::fs::read(&file) {
                Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| file.display().to_string()),
            }
        };
        let key = read(KEY)?;
        let ca = match folder {
            AUTHORITY => None,
            _ => read(TRUST)?,
        };
        let cert = read(CERT)?;
        Ok(Found { ca, cert, key })
    }

    /// Writes files into one of them, in this order, each of them whole.
    pub(super) fn write(&self, folder: &str, files: &[(&str, &str)]) -> anyhow::Result<()> {
        let path = self.path(folder);
        if !path.is_dir() {
            let made = DirBuilder::new().mode(0o700).create(&path);
            made.and_then(|()| self.locked.sync_all())
                .with_context(|| path.display().to_string())?;
        }
        for (name, text) in files {
            kit::private::replace(&path, name, text.as_bytes())
                .with_context(|| path.join(name).display().to_string())?;
        }
        Ok(())
    }
}

//! The store's directory: who holds it, in which format it is, and how it comes
//! into being without ever being half there.
//!
//! ```text
//! DIR/lock     held exclusively by the manager that runs; says who that is
//! DIR/format   "dfs-store 1"; checked before anything is touched
//! DIR/engine/  fjall's files; made as engine.new and renamed when complete
//! ```
//!
//! Formatting, step by step, and what the next opening finds after a crash there:
//! 1. DIR is made and its parent flushed: an empty directory, formatted anew.
//! 2. `format` is written, flushed and renamed into place: no `engine`, made anew.
//! 3. `engine.new` is filled and flushed: removed, made anew.
//! 4. It is renamed to `engine`, DIR is flushed: done.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use manager_protocol::store::StoreError;

/// The newest format that this version reads and writes.
pub(super) const FORMAT: u32 = 1;
const FORMAT_WORD: &str = "dfs-store";
/// The directory's mode: names and idempotency keys are nobody else's business.
const OWNER_ONLY: u32 = 0o700;

/// A directory that this process holds for as long as the value lives.
pub(super) struct Directory {
    path: PathBuf,
    /// Its lock ends when the file is closed, by the kernel if need be.
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be and takes its lock.
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        let failed = |e| StoreError::open(path, e);
        create_durably(path).map_err(failed)?;
        if let Err(error) = fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY)) {
            tracing::warn!(%error, dir = %path.display(), "others may read the store");
        }
        // Before the lock, so that a newer version's directory is left untouched.
        check_format(path)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    path: path.into(),
                    holder: holder(&mut lock),
                });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        if let Err(error) = introduce(&mut lock) {
            // On a full disk the lock holds all the same; only its text is missing.
            tracing::warn!(%error, "the lock file does not say who holds it");
        }
        Ok(Self {
            path: path.into(),
            _lock: lock,
        })
    }

    /// The engine's directory; `format` fills a new one, durably, when there is none.
    pub(super) fn engine(
        &self,
        format: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<PathBuf, StoreError> {
        let failed = |e| StoreError::open(&self.path, e);
        let engine = self.path.join("engine");
        let known = check_format(&self.path)?;
        if engine.try_exists().map_err(failed)? {
            return match known {
                Some(_) => Ok(engine),
                None => Err(StoreError::Corrupt(format!(
                    "{} holds an engine but no format file",
                    self.path.display()
                ))),
            };
        }
        let new = self.path.join("engine.new");
        write_durably(&self.path, "format", &format!("{FORMAT_WORD} {FORMAT}\n"))
            .and_then(|()| remove_tree(&new))
            .map_err(failed)?;
        format(&new)?;
        fs::rename(&new, &engine)
            .and_then(|()| flush(&self.path))
            .map_err(failed)?;
        Ok(engine)
    }
}

/// The format that the directory has, if it has been formatted.
fn check_format(dir: &Path) -> Result<Option<u32>, StoreError> {
    let text = match fs::read_to_string(dir.join("format")) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::open(dir.join("format"), e)),
    };
    // The first line only: what a newer version may say beyond it is its own affair.
    let line = text.lines().next().unwrap_or_default();
    let number = line
        .split_once(' ')
        .filter(|(word, _)| *word == FORMAT_WORD);
    match number.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(found) if found > FORMAT => Err(StoreError::NewerFormat {
            path: dir.into(),
            found,
            known: FORMAT,
        }),
        Some(found) => Ok(Some(found)),
        None => Err(StoreError::Corrupt(format!(
            "{} says {:?}, expected \"{FORMAT_WORD} {FORMAT}\"",
            dir.join("format").display(),
            line
        ))),
    }
}

/// Writes into the lock file who holds it.
fn introduce(lock: &mut File) -> io::Result<()> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let command = std::env::args().next().unwrap_or_default();
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(
        lock,
        "process {} on {} ({command})",
        std::process::id(),
        host.trim()
    )
}

/// Reads who holds the lock.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "another process".to_owned(),
    }
}

/// Makes a directory and its missing parents, each durable in its own parent.
fn create_durably(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_durably(parent)?;
    match fs::create_dir(dir) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        Err(e) => return Err(e),
    }
    flush(parent)
}

fn write_durably(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    flush(dir)
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn flush(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

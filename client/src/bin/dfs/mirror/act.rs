//! What is done with each file of a mirror.

use super::did::{Action, Did};
use super::pairs::{Here, Pair};
use crate::args::MirrorArgs;
use crate::get::save;
use crate::out::{Out, size};
use crate::progress::Counts;
use crate::rm::delete_exactly;
use crate::{paths, walk};
use anyhow::{Context, Result, ensure};
use client::{Client, Code, Digest, FileId, Listed, Upload};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A mirror that is under way.
pub(super) struct Mirror<'a> {
    client: &'a Client,
    args: &'a MirrorArgs,
    out: &'a Out,
    counts: &'a Counts,
    /// What the names of the folder's files begin with.
    begins: &'a str,
    /// What can't be mirrored, by its names: nothing below them is deleted.
    left_out: HashSet<String>,
    did: Did,
    surplus: RefCell<Vec<Surplus>>,
    /// A file was deleted, and the one in its place could not be stored.
    stopped: Cell<bool>,
}

/// A file that is only where it is not to be.
pub(super) enum Surplus {
    /// In the folder.
    Here(String),
    /// In the service.
    There(String, FileId),
}

impl Surplus {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Here(name) | Self::There(name, _) => name,
        }
    }
}

/// What is printed of a file.
#[derive(Serialize)]
struct Line<'a> {
    filename: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl<'a> Mirror<'a> {
    pub(super) fn new(
        client: &'a Client,
        args: &'a MirrorArgs,
        out: &'a Out,
        counts: &'a Counts,
        begins: &'a str,
        left_out: HashSet<String>,
    ) -> Self {
        Self {
            client,
            args,
            out,
            counts,
            begins,
            left_out,
            did: Did::default(),
            surplus: RefCell::default(),
            stopped: Cell::default(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        self.client
    }

    pub(super) fn args(&self) -> &MirrorArgs {
        self.args
    }

    pub(super) fn begins(&self) -> &str {
        self.begins
    }

    pub(super) fn did(&self) -> &Did {
        &self.did
    }

    /// What is to be deleted, once.
    pub(super) fn surplus(&self) -> Vec<Surplus> {
        self.surplus.take()
    }

    /// Does what a pair needs, but for deletions; returns the bytes that moved.
    pub(super) async fn settle(&self, pair: Pair) -> Result<u64> {
        match (pair, self.args.down) {
            // It was said that these are left out.
            (Pair::Here(Here { size: None, .. }) | Pair::Both(Here { size: None, .. }, _), _) => {
                Ok(0)
            }
            (Pair::Here(here), false) => self.store(&here.name).await,
            (Pair::There(there), true) => self.fetch(&there, Action::Copy).await,
            (Pair::Here(here), true) => Ok(self.left(Surplus::Here(here.name))),
            (Pair::There(there), false) if self.is_below_left_out(&there.filename) => Ok(0),
            (Pair::There(there), false) => {
                let Listed { file, .. } = there;
                Ok(self.left(Surplus::There(file.filename, file.id)))
            }
            (Pair::Both(here, there), down) => {
                if self.is_same(&here, &there).await? {
                    self.did.unchanged();
                    self.counts.file().at(there.size);
                    return Ok(0);
                }
                match down {
                    false => self.replace(&there).await,
                    true => self.fetch(&there, Action::Replace).await,
                }
            }
        }
    }

    /// Whether it may be what a link to a folder leads to, which was not read.
    fn is_below_left_out(&self, name: &str) -> bool {
        let separator = &self.args.separator.separator;
        let mut above = name.match_indices(separator.as_str());
        above.any(|(at, _)| self.left_out.contains(&name[..at]))
    }

    fn left(&self, surplus: Surplus) -> u64 {
        self.did.surplus();
        if self.args.delete {
            self.surplus.borrow_mut().push(surplus);
        }
        0
    }

    async fn is_same(&self, here: &Here, there: &Listed) -> Result<bool> {
        if here.size != Some(there.size) {
            return Ok(false);
        }
        let path = self.path(&here.name)?;
        let digest = Digest::of_file(&path).await;
        let digest = digest.with_context(|| format!("reading {}", path.display()))?;
        Ok(digest == there.sha256)
    }

    /// Stores a file that the service lacks.
    async fn store(&self, name: &str) -> Result<u64> {
        let path = self.path(name)?;
        if self.args.dry_run {
            return self.would(Action::Copy, name, &path);
        }
        let stored = self.client.put(name, self.upload(path)).await?;
        self.done(Action::Copy, name, Some(stored.size));
        Ok(stored.size)
    }

    /// Stores a file in place of the one that has its name. That is deleted only when the name
    /// is all that stands against the new one: an upload that can't be read, is too long or
    /// not allowed is refused before its name is.
    async fn replace(&self, there: &Listed) -> Result<u64> {
        let name = there.filename.as_str();
        let path = self.path(name)?;
        if self.args.dry_run {
            return self.would(Action::Replace, name, &path);
        }
        let stored = match self.client.put(name, Upload::file(&path)).await {
            Err(error) if error.code() == Some(Code::FileNameExists) => {
                let stopped = self.stopped.get();
                let why = "it is not replaced, since another one was lost by that";
                ensure!(!stopped, why);
                delete_exactly(self.client, name, there.id).await?;
                let stored = self.client.put(name, self.upload(path)).await;
                stored.inspect_err(|_| self.stopped.set(true)).context(
                    "the service has it no more, since the one before it was deleted: run it again",
                )?
            }
            // Somebody else deleted it meanwhile.
            stored => stored?,
        };
        self.done(Action::Replace, name, Some(stored.size));
        Ok(stored.size)
    }

    /// What would be done with a file that is stored.
    fn would(&self, action: Action, name: &str, path: &Path) -> Result<u64> {
        let metadata = path.metadata();
        let metadata = metadata.with_context(|| path.display().to_string())?;
        self.done(action, name, Some(metadata.len()));
        Ok(0)
    }

    fn upload(&self, path: PathBuf) -> Upload {
        let of_file = self.counts.file();
        Upload::file(path).on_progress(move |bytes| of_file.at(bytes))
    }

    /// Fetches a file, in place of the one that has its path.
    async fn fetch(&self, there: &Listed, action: Action) -> Result<u64> {
        let name = there.filename.as_str();
        let path = self.path(name)?;
        walk::check_way(&self.args.folder, &path)?;
        if self.args.dry_run {
            self.done(action, name, Some(there.size));
            return Ok(0);
        }
        let download = self.client.get(name).await?;
        let replaces = action == Action::Replace;
        let file = save(download, &path, replaces, self.counts).await?;
        self.done(action, name, Some(file.size));
        Ok(file.size)
    }

    pub(super) async fn delete(&self, surplus: Surplus) -> Result<u64> {
        if !self.args.dry_run {
            match &surplus {
                Surplus::There(name, id) => delete_exactly(self.client, name, *id).await?,
                Surplus::Here(name) => {
                    let path = self.path(name)?;
                    let removed = tokio::fs::remove_file(&path).await;
                    removed.with_context(|| path.display().to_string())?;
                }
            }
        }
        self.done(Action::Delete, surplus.name(), None);
        Ok(0)
    }

    /// Where a file is in the folder. No two names have the same place.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let separator = &self.args.separator.separator;
        let below = name.strip_prefix(self.begins).unwrap_or(name);
        Ok(self.args.folder.join(paths::own_path(below, separator)?))
    }

    fn done(&self, action: Action, filename: &str, bytes: Option<u64>) {
        self.did.act(action);
        let (down, dry_run) = (self.args.down, self.args.dry_run);
        let line = Line {
            filename,
            action: action.done(down),
            size: bytes,
            dry_run,
        };
        self.out.done(&line, || {
            let word = match dry_run {
                true => format!("would {}", action.to_do(down)),
                false => action.done(down).to_owned(),
            };
            let bytes = bytes.map(|bytes| format!(", {}", size(bytes)));
            format!("{word} {filename}{}", bytes.unwrap_or_default())
        });
    }
}

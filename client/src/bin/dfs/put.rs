//! `dfs put`: stores files.

use crate::args::PutArgs;
use crate::each::{Item, Task, Words, each};
use crate::out::{Out, size};
use crate::outcome::{Outcome, Usage};
use crate::{misnamed, paths, walk};
use anyhow::{Context, Result, ensure};
use client::{Client, Upload};
use futures::stream;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Standard input.
const STDIN: &str = "-";

/// What is stored under a name.
#[derive(Debug)]
enum Source {
    Stdin,
    File(PathBuf),
}

pub(crate) async fn run(client: &Client, args: &PutArgs, out: &Out) -> Result<Outcome> {
    if args.name.is_some() {
        let paths = args.paths.len();
        let text = || Usage(format!("--as: needs exactly one path, got {paths}"));
        ensure!(paths == 1, text());
    }
    let separator = &args.separator.separator;
    misnamed::check_as(args.name.as_deref(), separator, args.recursive)?;
    if args.paths.iter().any(|path| path == Path::new(STDIN)) {
        let text = || Usage("standard input has no name: give it one with --as".to_owned());
        ensure!(args.name.is_some(), text());
    }
    check_folders(args)?;
    let total = match out.progress().is_shown() {
        true => total(args),
        false => None,
    };
    if args.recursive {
        let separator = &args.separator.separator;
        out.note(&format!(
            "names have {separator:?} where paths have a slash; `dfs get -r` undoes it"
        ));
    }
    let counts = out.progress().begin(total);
    let task = Task {
        out,
        jobs: args.jobs.jobs,
        counts: &counts,
    };
    let words = Words {
        done: "stored",
        cut: "each of them is stored whole, or not at all",
        none: "there are no files to store",
        hint: None,
    };
    each(
        &task,
        &words,
        stream::iter(items(args)),
        async |name, source| {
            let of_file = counts.file();
            let mut upload = match source {
                Source::Stdin => Upload::reader(tokio::io::stdin()),
                Source::File(path) => Upload::file(path),
            };
            upload = upload.on_progress(move |bytes| of_file.at(bytes));
            if let Some(media_type) = &args.content_type {
                upload = upload.content_type(media_type);
            }
            let stored = client.put(&name, upload).await?;
            out.done(&stored, || format!("stored {name}, {}", size(stored.size)));
            Ok(stored.size)
        },
    )
    .await
}

/// Refuses folders whose files would have names that begin alike: they could not be told apart
/// any more, and what both have would be stored once.
fn check_folders(args: &PutArgs) -> Result<()> {
    let mut known = BTreeMap::new();
    let folders = args
        .paths
        .iter()
        .filter(|path| args.recursive && path.is_dir());
    for folder in folders {
        let separator = &args.separator.separator;
        // What has no name is said when it is its turn.
        let Ok(begins) = walk::beginning(folder, args.name.as_deref(), separator) else {
            continue;
        };
        if let Some(first) = known.insert(begins.clone(), folder) {
            let (first, second) = (first.display(), folder.display());
            return Err(Usage(format!(
                "{first} and {second} would both be stored as {begins}…: store each by itself, \
                 one of them with --as"
            ))
            .into());
        }
    }
    Ok(())
}

/// All that is to be stored, found as it is asked for.
fn items(args: &PutArgs) -> impl Iterator<Item = Result<Item<Source>>> {
    args.paths
        .iter()
        .flat_map(|path| -> Box<dyn Iterator<Item = Result<Item<Source>>>> {
            if path == Path::new(STDIN) {
                let name = args.name.clone().unwrap_or_default();
                return Box::new(std::iter::once(Ok(Item {
                    name,
                    what: Source::Stdin,
                })));
            }
            if args.recursive && path.is_dir() {
                return Box::new(below(args, path));
            }
            Box::new(std::iter::once(single(args, path)))
        })
}

fn single(args: &PutArgs, path: &Path) -> Result<Item<Source>> {
    let shown = path.display();
    ensure!(!path.is_dir(), "{shown} is a folder: store it with -r");
    let own = || {
        let name = path
            .file_name()
            .with_context(|| format!("{shown} has no name: give it one with --as"))?;
        let name = name
            .to_str()
            .with_context(|| format!("{shown}: its name is no UTF-8; give it one with --as"))?;
        // Like those in folders, so that `get -r` gives it its name again.
        match args.recursive {
            true => paths::name(Path::new(name), &args.separator.separator),
            false => anyhow::Ok(name.to_owned()),
        }
    };
    let name = match &args.name {
        Some(name) => name.clone(),
        None => own()?,
    };
    Ok(Item {
        name,
        what: Source::File(path.to_owned()),
    })
}

/// The files in a folder, by names that begin with the folder's.
fn below(args: &PutArgs, folder: &Path) -> impl Iterator<Item = Result<Item<Source>>> {
    let separator = &args.separator.separator;
    let begins = walk::beginning(folder, args.name.as_deref(), separator);
    let (begins, failed) = match begins {
        Ok(begins) => (Some(begins), None),
        Err(error) => (None, Some(Err(error))),
    };
    let found = begins.map(|begins| walk::below(folder, begins, separator));
    let items = found.into_iter().flatten().map(|found| {
        let found = found?;
        ensure!(found.is_file, walk::no_file(&found.path));
        Ok(Item {
            name: found.name,
            what: Source::File(found.path),
        })
    });
    failed.into_iter().chain(items)
}

/// Files and bytes of all, where all sizes are known.
fn total(args: &PutArgs) -> Option<(u64, u64)> {
    let mut total = (0, 0);
    for item in items(args).filter_map(Result::ok) {
        let Source::File(path) = item.what else {
            return None;
        };
        total.0 += 1;
        total.1 += path.metadata().map_or(0, |metadata| metadata.len());
    }
    Some(total)
}

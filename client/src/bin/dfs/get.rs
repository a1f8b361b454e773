//! `dfs get` and `dfs cat`: fetch files.

use crate::args::{CatArgs, GetArgs};
use crate::each::{Item, Task, Words, each};
use crate::misnamed::{self, Named};
use crate::out::{Out, size};
use crate::outcome::{Outcome, Usage};
use crate::progress::Counts;
use crate::{paths, walk};
use anyhow::{Context, Result, ensure};
use client::{Client, Download, FileInfo, FileName};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::pin::pin;

/// Standard output.
const STDOUT: &str = "-";

/// A file that was fetched.
#[derive(Serialize)]
struct Fetched {
    #[serde(flatten)]
    file: FileInfo,
    path: PathBuf,
}

pub(crate) async fn run(client: &Client, args: &GetArgs, out: &Out) -> Result<Outcome> {
    let output = args.output.as_deref().unwrap_or(Path::new("."));
    if output == Path::new(STDOUT) {
        ensure!(!args.recursive, Usage("--output: - takes no -r".to_owned()));
        return print(client, &args.names, out).await;
    }
    let ends_as_folder = output.to_string_lossy().ends_with(std::path::is_separator);
    let into_folder = args.recursive || args.names.len() > 1 || output.is_dir() || ends_as_folder;
    if into_folder {
        let file = output.exists() && !output.is_dir();
        let text = format!(
            "--output: {} is no folder: give another one",
            output.display()
        );
        ensure!(!file, Usage(text));
        std::fs::create_dir_all(output)
            .with_context(|| format!("--output: {}", output.display()))?;
    }
    let total = match out.progress().is_shown() {
        true => total(client, args).await?,
        false => None,
    };
    let counts = out.progress().begin(total);
    let task = Task {
        out,
        jobs: args.jobs.jobs,
        counts: &counts,
    };
    let words = Words {
        done: "fetched",
        cut: "nothing is left of them",
        none: "no file's name begins so",
        hint: misnamed::slashes(&args.names, &args.separator.separator),
    };
    let named = Named {
        client,
        separator: &args.separator.separator,
        takes_folders: true,
        of_files: !args.recursive,
        names: args.names.len(),
    };
    each(&task, &words, names(client, args), async |name, ()| {
        let fetched = async {
            let path = target(args, output, into_folder, &name)?;
            let file = fetch(client, &name, &path, args, &counts).await?;
            anyhow::Ok((path, file))
        };
        let (path, file) = match fetched.await {
            Ok(fetched) => fetched,
            Err(error) => return Err(named.explain(&name, error).await),
        };
        let bytes = file.size;
        let line = || format!("fetched {}, {}", path.display(), size(bytes));
        out.done(
            &Fetched {
                file,
                path: path.clone(),
            },
            line,
        );
        Ok(bytes)
    })
    .await
}

/// Where a file is fetched to.
fn target(args: &GetArgs, output: &Path, into_folder: bool, name: &str) -> Result<PathBuf> {
    if args.recursive {
        let path = output.join(paths::own_path(name, &args.separator.separator)?);
        walk::check_way(output, &path)?;
        return Ok(path);
    }
    // A name that is none could lead out of the folder.
    let name = FileName::new(name).map_err(client::Error::from)?;
    if !into_folder {
        return Ok(output.to_owned());
    }
    ensure!(
        paths::is_plain(name.as_str()),
        "{name} is no name of a file here: give it one with --output"
    );
    Ok(output.join(name.as_str()))
}

async fn fetch(
    client: &Client,
    name: &str,
    path: &Path,
    args: &GetArgs,
    counts: &Counts,
) -> Result<FileInfo> {
    let shown = path.display();
    let there = path.metadata().ok();
    if let Some(there) = &there {
        ensure!(
            !there.is_dir(),
            "{shown} is a folder: fetch what is in one with -r, or give another --output"
        );
    }
    // A device or a pipe is written to, as it is there for that.
    let special = there.is_some_and(|there| !there.is_file());
    ensure!(!(special && args.recursive), walk::no_file(path));
    let free = args.force || special || path.symlink_metadata().is_err();
    ensure!(free, "{shown} exists: --force replaces it");
    let download = client.get(name).await?;
    if !args.recursive {
        counts.grows(download.info().size);
    }
    if !special {
        return save(download, path, args.force, counts).await;
    }
    let opened = tokio::fs::OpenOptions::new().write(true).open(path).await;
    let mut opened = opened.with_context(|| shown.to_string())?;
    let of_file = counts.file();
    let written = download.write_to(&mut opened, |bytes| of_file.at(bytes));
    Ok(written.await?)
}

/// Writes a download to a file, with the folders that it is in; one that is there is replaced,
/// or else stays.
pub(crate) async fn save(
    download: Download,
    path: &Path,
    replaces: bool,
    counts: &Counts,
) -> Result<FileInfo> {
    if let Some(folder) = path.parent() {
        let made = std::fs::create_dir_all(folder);
        made.with_context(|| folder.display().to_string())?;
    }
    let of_file = counts.file();
    let progress = |bytes| of_file.at(bytes);
    Ok(match replaces {
        true => download.save(path, progress).await?,
        false => download.save_new(path, progress).await?,
    })
}

/// The names to fetch.
fn names(client: &Client, args: &GetArgs) -> impl Stream<Item = Result<Item<()>>> {
    let named = |name| Item { name, what: () };
    if !args.recursive {
        let names = stream::iter(args.names.clone());
        return names.map(move |name| Ok(named(name))).left_stream();
    }
    let listed = client.list_all(paths::distinct(&args.names));
    listed
        .map_ok(move |file| named(file.file.filename))
        .map_err(|error| {
            let error = anyhow::Error::from(error);
            error.context("the listing broke off, and what follows is left out")
        })
        .right_stream()
}

/// Files and bytes of all, as far as they are known beforehand.
async fn total(client: &Client, args: &GetArgs) -> Result<Option<(u64, u64)>> {
    if !args.recursive {
        return Ok(Some((args.names.len() as u64, 0)));
    }
    let mut total = (0, 0);
    let mut files = pin!(client.list_all(paths::distinct(&args.names)));
    while let Some(file) = files.try_next().await? {
        total.0 += 1;
        total.1 += file.size;
    }
    Ok(Some(total))
}

pub(crate) async fn cat(client: &Client, args: &CatArgs, out: &Out) -> Result<Outcome> {
    print(client, &args.names, out).await
}

/// Writes files to standard output, one after the other.
async fn print(client: &Client, names: &[String], out: &Out) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    let mut stdout = stdout()?;
    let named = Named::listed(client, names);
    for name in names {
        let printed = async {
            let download = client.get(name).await?;
            download.write_to(&mut stdout, |_| {}).await
        };
        if let Err(error) = printed.await {
            let error = named.explain(name, error).await;
            out.failed(Some(name), &error);
            outcome = outcome.and(Outcome::of_one(&error));
        }
    }
    Ok(outcome)
}

/// Standard output as a file: the usual one searches all that it is given for the ends of lines.
#[cfg(unix)]
fn stdout() -> std::io::Result<tokio::fs::File> {
    use std::os::fd::AsFd;
    let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
    Ok(std::fs::File::from(stdout).into())
}

#[cfg(not(unix))]
fn stdout() -> std::io::Result<tokio::io::Stdout> {
    Ok(tokio::io::stdout())
}

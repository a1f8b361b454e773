//! `dfs rm`: deletes files.

use crate::args::RmArgs;
use crate::each::{Item, Task, Words, each};
use crate::misnamed::{self, Named};
use crate::out::{Out, count};
use crate::outcome::{Outcome, Usage};
use crate::{ask, paths};
use anyhow::{Context, Error, Result, ensure};
use client::{Client, Code, FileId};
use futures::{Stream, TryStreamExt, future, stream};
use serde_json::json;
use std::pin::pin;
use std::time::SystemTime;

/// How many files there are, and when the last of them was stored.
struct Found {
    files: u64,
    newest: SystemTime,
}

pub(crate) async fn run(client: &Client, args: &RmArgs, out: &Out) -> Result<Outcome> {
    if !args.recursive {
        let items = args.names.iter().map(|name| {
            let name = name.clone();
            Ok(Item { name, what: None })
        });
        return delete(
            client,
            args,
            out,
            args.names.len() as u64,
            stream::iter(items),
        )
        .await;
    }
    let text = || Usage("-r: an empty name begins all names: say which to delete".to_owned());
    ensure!(args.names.iter().all(|prefix| !prefix.is_empty()), text());
    let found = found(client, &args.names).await?;
    if !args.yes && found.files > 0 {
        let files = count(found.files, "file");
        let text = || Usage(format!("-r: would delete {files}; say --yes"));
        ensure!(ask::can_answer(), text());
        let answer = ask::agrees(format!("Delete {files}?")).await?;
        if answer != Outcome::Done {
            return Ok(answer);
        }
    }
    let items = counted(client, &args.names, found.newest);
    delete(client, args, out, found.files, items).await
}

async fn delete(
    client: &Client,
    args: &RmArgs,
    out: &Out,
    files: u64,
    items: impl Stream<Item = Result<Item<Option<FileId>>>>,
) -> Result<Outcome> {
    let counts = out.progress().begin_files(files);
    let task = Task {
        out,
        jobs: args.jobs.jobs,
        counts: &counts,
    };
    let words = Words {
        done: "deleted",
        cut: "each of them is deleted, or still there whole",
        none: "no file's name begins so",
        hint: misnamed::slashes(&args.names, paths::DEFAULT),
    };
    let named = Named {
        client,
        separator: paths::DEFAULT,
        takes_folders: true,
        of_files: !args.recursive,
        names: args.names.len(),
    };
    each(&task, &words, items, async |name, id| {
        let deleted = match id {
            Some(id) => delete_exactly(client, &name, id).await,
            None => client.delete(&name).await.map_err(Error::from),
        };
        if let Err(error) = deleted {
            return Err(named.explain(&name, error).await);
        }
        out.done(&json!({"filename": name, "deleted": true}), || {
            format!("deleted {name}")
        });
        Ok(0)
    })
    .await
}

/// Deletes that very file. One that somebody else deleted meanwhile is gone too; another one
/// that has its name by now stays.
pub(crate) async fn delete_exactly(client: &Client, name: &str, id: FileId) -> Result<()> {
    match client.delete_exactly(name, id).await {
        Err(error) if error.code() == Some(Code::FileDoesNotExist) => Ok(()),
        Err(error) if error.is_gone() => {
            Err(Error::from(error)).context("another file has the name by now, and stays")
        }
        other => Ok(other?),
    }
}

async fn found(client: &Client, prefixes: &[String]) -> Result<Found> {
    let mut found = Found {
        files: 0,
        newest: SystemTime::UNIX_EPOCH,
    };
    let mut files = pin!(client.list_all(paths::distinct(prefixes)));
    while let Some(file) = files.try_next().await? {
        found.files += 1;
        found.newest = found.newest.max(file.created);
    }
    Ok(found)
}

/// The files whose names begin so, and not those that were stored after the newest one that
/// was counted. They are listed anew rather than kept, as there may be very many.
fn counted(
    client: &Client,
    prefixes: &[String],
    newest: SystemTime,
) -> impl Stream<Item = Result<Item<Option<FileId>>>> + use<> {
    let files = client.list_all(paths::distinct(prefixes));
    let counted = files.try_filter(move |file| future::ready(file.created <= newest));
    let items = counted.map_ok(|file| Item {
        what: Some(file.id),
        name: file.file.filename,
    });
    items.map_err(Error::from)
}

//! `dfs mirror`: makes the service hold what a folder holds, or the other way round.

mod act;
mod did;
mod pairs;

use crate::args::MirrorArgs;
use crate::each::{Item, Tally, Task, all};
use crate::out::{Out, count};
use crate::outcome::{Outcome, Usage};
use crate::walk::Found;
use crate::{ask, misnamed, walk};
use act::{Mirror, Surplus};
use anyhow::{Context, Error, Result, anyhow, ensure};
use client::{Client, Code, FileName};
use futures::{TryStreamExt, stream};
use pairs::{Here, pairs};
use std::collections::HashSet;
use std::path::Path;

/// What is true of those that an interruption met under way.
const CUT: &str = "run it again for them";

/// What a folder holds.
struct Held {
    /// In the order of their names.
    all: Vec<Here>,
    /// What could not be read, or can't have a name in the service.
    failed: u64,
}

impl Held {
    /// The sizes of its files.
    fn sizes(&self) -> impl Iterator<Item = u64> {
        self.all.iter().filter_map(|here| here.size)
    }

    /// The names of what is no file.
    fn left_out(&self) -> HashSet<String> {
        let left_out = self.all.iter().filter(|here| here.size.is_none());
        left_out.map(|here| here.name.clone()).collect()
    }
}

pub(crate) async fn run(client: &Client, args: &MirrorArgs, out: &Out) -> Result<Outcome> {
    let folder = args.folder.as_path();
    misnamed::check_as(args.name.as_deref(), &args.separator.separator, true)?;
    let begins = walk::beginning(folder, args.name.as_deref(), &args.separator.separator)?;
    check(args)?;
    let held = held(folder, &begins, args, out);
    let (files, left_out) = (held.sizes().count() as u64, held.left_out());
    let counts = out.progress().begin(match args.down {
        true => None,
        false => Some((files, held.sizes().sum())),
    });
    let task = Task {
        out,
        jobs: args.jobs.jobs,
        counts: &counts,
    };
    let links = left_out.len() as u64;
    let mirror = Mirror::new(client, args, out, &counts, &begins, left_out);
    let listed = client.list(&begins).map_err(Error::from);
    let listed = listed.inspect_ok(|_| mirror.did().listed());
    let items = pairs(held.all, listed).map_ok(|pair| Item {
        name: pair.name().to_owned(),
        what: pair,
    });
    let mut tally = all(&task, items, |_, pair| mirror.settle(pair)).await?;
    tally.add(held.failed, Outcome::Failed);
    let is_done = tally.failed == 0 && !tally.interrupted;
    tally.add(links, Outcome::Failed);

    let source = match args.down {
        true => mirror.did().of_service(),
        false => files,
    };
    let surplus = mirror.surplus();
    if is_done && source == 0 {
        // A disk that is not mounted, another service, or a name that is misspelt.
        out.failed(None, &nothing(args, &begins));
        tally.add(1, Outcome::Refused(Code::FileDoesNotExist));
    } else if is_done && !surplus.is_empty() {
        tally = delete(tally, &task, &mirror, surplus).await?;
    }
    let done = mirror.did().text(args.down, args.dry_run);
    out.note(&(tally.line(&done, CUT) + &mirror.did().left(args.down)));
    Ok(tally.outcome)
}

fn check(args: &MirrorArgs) -> Result<()> {
    let text = || Usage("--delete: asks before it deletes; say --yes".to_owned());
    let is_agreed = !args.delete || args.yes || args.dry_run;
    ensure!(is_agreed || ask::can_answer(), text());
    let text = || Usage(format!("{} is no folder", args.folder.display()));
    let may_be_made = args.down && args.folder.symlink_metadata().is_err();
    ensure!(args.folder.is_dir() || may_be_made, text());
    Ok(())
}

/// Finds what the folder holds; what can't be mirrored is said.
fn held(folder: &Path, begins: &str, args: &MirrorArgs, out: &Out) -> Held {
    let (mut all, mut failed) = (Vec::new(), 0);
    // With --down it need not be there yet.
    let found = folder
        .is_dir()
        .then(|| walk::below(folder, begins.to_owned(), &args.separator.separator));
    for found in found.into_iter().flatten() {
        match found.and_then(here) {
            Ok((here, left_out)) => {
                if let Some(why) = left_out {
                    out.failed(None, &why);
                }
                all.push(here);
            }
            Err(error) => {
                failed += 1;
                out.failed(None, &error);
            }
        }
    }
    all.sort_unstable_by(|one: &Here, other| one.name.cmp(&other.name));
    Held { all, failed }
}

/// What was found, and why it is left out, if so.
fn here(found: Found) -> Result<(Here, Option<Error>)> {
    let shown = || found.path.display().to_string();
    FileName::new(&found.name).with_context(shown)?;
    let metadata = found.is_file.then(|| found.path.metadata()).transpose();
    let size = metadata.with_context(shown)?.map(|metadata| metadata.len());
    let left_out = size.is_none().then(|| walk::no_file(&found.path));
    let name = found.name;
    Ok((Here { name, size }, left_out))
}

/// There is nothing to mirror.
fn nothing(args: &MirrorArgs, begins: &str) -> Error {
    match args.down {
        true => anyhow!("the service has no files{}", beginning_with(begins)),
        false => anyhow!("there are no files in {}", args.folder.display()),
    }
}

fn beginning_with(begins: &str) -> String {
    match begins {
        "" => String::new(),
        begins => format!(" whose names begin with {begins:?}"),
    }
}

/// Deletes what is only on the other side, after a question.
async fn delete(
    mut tally: Tally,
    task: &Task<'_>,
    mirror: &Mirror<'_>,
    surplus: Vec<Surplus>,
) -> Result<Tally> {
    let args = mirror.args();
    if !args.yes && !args.dry_run {
        let files = count(surplus.len() as u64, "file");
        let place = match args.down {
            true => format!("in {}", args.folder.display()),
            false => format!(
                "of {}{}",
                mirror.client().url(),
                beginning_with(mirror.begins())
            ),
        };
        let answer = ask::agrees(format!("Delete {files} {place}?")).await?;
        if answer != Outcome::Done {
            tally.interrupted = answer == Outcome::Interrupted;
            tally.outcome = tally.outcome.and(answer);
            return Ok(tally);
        }
    }
    let items = stream::iter(surplus.into_iter().map(|surplus| {
        Ok(Item {
            name: surplus.name().to_owned(),
            what: surplus,
        })
    }));
    let deleted = all(task, items, |_, surplus| mirror.delete(surplus)).await?;
    Ok(tally.and(&deleted))
}

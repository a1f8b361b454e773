//! `dfs quarantine`.

use super::Quarantine;
use super::args::{AdoptArgs, OnNode, RmCopyArgs};
use crate::ask;
use crate::out::{Out, size};
use crate::outcome::{Outcome, Usage};
use anyhow::{Result, ensure};
use client::{Adoption, Client, FileId, QuarantinedCopy};
use futures::TryStreamExt;
use serde_json::json;
use std::pin::pin;

pub(crate) async fn quarantine(client: &Client, args: &Quarantine, out: &Out) -> Result<Outcome> {
    match args {
        Quarantine::Ls(on) => ls(client, on, out).await,
        Quarantine::Adopt(args) if args.all => adopt_all(client, args, out).await,
        Quarantine::Adopt(args) => adopt(client, args, out).await,
        Quarantine::Rm(args) => rm(client, args, out).await,
    }
}

async fn ls(client: &Client, on: &OnNode, out: &Out) -> Result<Outcome> {
    let mut copies = pin!(client.quarantine(on.node.as_deref()));
    while let Some(copy) = copies.try_next().await? {
        out.result(&copy, || line(&copy))?;
    }
    Ok(Outcome::Done)
}

fn line(copy: &QuarantinedCopy) -> String {
    format!(
        "{} {} {}  {:>10}  {}  {}  {}",
        copy.node,
        copy.id,
        copy.generation,
        size(copy.size),
        humantime::format_rfc3339_seconds(copy.created),
        copy.filename,
        copy.reason
    )
}

async fn adopt(client: &Client, args: &AdoptArgs, out: &Out) -> Result<Outcome> {
    let [node, id, generation] = &args.copy[..] else {
        return Err(Usage("which copy: NODE ID GENERATION are wanted".to_owned()).into());
    };
    let id: FileId = id.parse().map_err(|why| Usage(format!("ID {id}: {why}")))?;
    let generation = generation
        .parse()
        .map_err(|why| Usage(format!("GENERATION {generation}: {why}")))?;
    let filename = client.adopt(node, id, generation).await?;
    out.done(&json!({"filename": filename, "adopted": true}), || {
        format!("adopted {filename}")
    });
    Ok(Outcome::Done)
}

/// [`Outcome::Failed`] where some stay in quarantine.
async fn adopt_all(client: &Client, args: &AdoptArgs, out: &Out) -> Result<Outcome> {
    let mut told = pin!(client.adopt_all(args.node.as_deref()));
    let (mut adopted, mut kept) = (0_u64, 0_u64);
    while let Some(copy) = told.try_next().await? {
        match copy.adopted {
            true => adopted += 1,
            false => kept += 1,
        }
        out.done(&copy, || became(&copy));
    }
    out.note(&format!("{adopted} adopted, {kept} kept in quarantine"));
    Ok(match kept {
        0 => Outcome::Done,
        _ => Outcome::Failed,
    })
}

fn became(copy: &Adoption) -> String {
    let Adoption {
        node,
        id,
        generation,
        filename,
        ..
    } = copy;
    match copy.adopted {
        true => format!("adopted {filename}"),
        false => format!("kept {filename} ({node} {id} {generation}): {}", copy.kept),
    }
}

async fn rm(client: &Client, args: &RmCopyArgs, out: &Out) -> Result<Outcome> {
    let RmCopyArgs {
        node,
        id,
        generation,
        yes,
    } = args;
    if !yes {
        let text = || Usage("its bytes can't be had back: say --yes".to_owned());
        ensure!(ask::can_answer(), text());
        let question =
            format!("Remove the copy {id} of generation {generation} on {node} for good?");
        let answer = ask::agrees(question).await?;
        if answer != Outcome::Done {
            return Ok(answer);
        }
    }
    let filename = client.remove_quarantined(node, *id, *generation).await?;
    out.done(&json!({"filename": filename, "removed": true}), || {
        format!("removed {filename}")
    });
    Ok(Outcome::Done)
}

//! `dfs ls` and `dfs stat`: what files there are.

use crate::args::{LsArgs, StatArgs};
use crate::misnamed::{self, Named};
use crate::out::{Out, size};
use crate::outcome::Outcome;
use crate::paths;
use anyhow::Result;
use client::{Client, FileInfo, Listed};
use futures::TryStreamExt;
use std::pin::pin;

pub(crate) async fn ls(client: &Client, args: &LsArgs, out: &Out) -> Result<Outcome> {
    let mut files = pin!(client.list(&args.prefix));
    let mut none = true;
    while let Some(file) = files.try_next().await? {
        none = false;
        out.result(&file, || match args.long {
            true => long(&file),
            false => file.filename.clone(),
        })?;
    }
    if none && args.prefix.contains('/') {
        out.note(&misnamed::slash(&args.prefix, paths::DEFAULT, false));
    }
    Ok(Outcome::Done)
}

fn long(file: &Listed) -> String {
    let created = humantime::format_rfc3339_seconds(file.created);
    format!(
        "{:>10}  {created}  {}  {}",
        size(file.size),
        file.node,
        file.filename
    )
}

pub(crate) async fn stat(client: &Client, args: &StatArgs, out: &Out) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    let named = Named::listed(client, &args.names);
    for name in &args.names {
        match client.stat(name).await {
            Ok(file) => out.result(&file, || lines(&file))?,
            Err(error) => {
                let error = named.explain(name, error).await;
                out.failed(Some(name), &error);
                outcome = outcome.and(Outcome::of_one(&error));
            }
        }
    }
    Ok(outcome)
}

fn lines(file: &FileInfo) -> String {
    format!(
        "{}\n  id       {}\n  size     {} ({} bytes)\n  created  {}\n  type     {}\n  sha256   {}",
        file.filename,
        file.id,
        size(file.size),
        file.size,
        humantime::format_rfc3339_seconds(file.created),
        file.content_type,
        file.sha256,
    )
}

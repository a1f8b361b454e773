//! `dfs fsck`.

use crate::out::{Out, count};
use crate::outcome::Outcome;
use crate::signals::interrupted;
use anyhow::Result;
use client::{Client, Finding};
use futures::TryStreamExt;
use std::io;
use std::pin::pin;

/// Prints each difference as it is found; [`Outcome::Different`] where there is one.
pub(crate) async fn fsck(client: &Client, out: &Out) -> Result<Outcome> {
    let interrupted = interrupted()?;
    let compared = async {
        let mut findings = pin!(client.fsck());
        let mut differences = 0_u64;
        while let Some(found) = findings.try_next().await? {
            differences += 1;
            if let Err(error) = out.result(&found, || line(&found)) {
                // Whoever reads has seen enough, and that they differ stays true.
                return match error.kind() {
                    io::ErrorKind::BrokenPipe => Ok(Outcome::Different),
                    _ => Err(error.into()),
                };
            }
        }
        out.note(&count(differences, "difference"));
        Result::<Outcome>::Ok(match differences {
            0 => Outcome::Done,
            _ => Outcome::Different,
        })
    };
    tokio::select! {
        ended = compared => ended,
        () = interrupted => Ok(Outcome::Interrupted),
    }
}

fn line(found: &Finding) -> String {
    let mut line = format!("{} on {}", found.kind, found.node);
    if !found.filename.is_empty() {
        line += &format!(": {}", found.filename);
    }
    if let Some(id) = &found.id {
        line += &format!(" ({id}, generation {})", found.generation);
    }
    if !found.detail.is_empty() {
        line += &format!(": {}", found.detail);
    }
    line
}

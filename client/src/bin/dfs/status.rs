//! `dfs status` and `dfs nodes`: how the service is.

use crate::args::StatusArgs;
use crate::out::{Out, count, left, size, table};
use crate::outcome::Outcome;
use crate::signals::interrupted;
use anyhow::Result;
use client::{Client, Damaged, Node, NodeState, Status};
use std::io::IsTerminal;
use std::time::Duration;

/// Between two looks.
const AGAIN: Duration = Duration::from_secs(2);
/// Clears a terminal, and begins at its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

pub(crate) async fn status(client: &Client, args: &StatusArgs, out: &Out) -> Result<Outcome> {
    if !args.watch {
        let status = client.status().await?;
        out.result(&status, || text(&status))?;
        return Ok(Outcome::Done);
    }
    let clear = match std::io::stdout().is_terminal() && !out.is_json() {
        true => CLEAR,
        false => "",
    };
    let interrupted = interrupted()?;
    let watched = async {
        let mut is_known = false;
        loop {
            match client.status().await {
                Ok(status) => {
                    out.result(&status, || format!("{clear}{}", text(&status)))?;
                    is_known = true;
                }
                // Where nobody ever answered the URL may be wrong.
                Err(error) if is_known && error.is_retryable() => out.failed(None, &error.into()),
                Err(error) => return Result::<Outcome>::Err(error.into()),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        ended = watched => ended,
        () = interrupted => Ok(Outcome::Interrupted),
    }
}

pub(crate) async fn nodes(client: &Client, out: &Out) -> Result<Outcome> {
    let status = client.status().await?;
    if out.is_json() {
        for node in &status.nodes {
            out.result(node, String::new)?;
        }
        return Ok(Outcome::Done);
    }
    out.line(&nodes_table(&status.nodes))?;
    Ok(Outcome::Done)
}

/// The service as a person reads it: what is well in few lines, and a line for each thing
/// that is not.
fn text(status: &Status) -> String {
    let mut lines = vec![
        format!(
            "{}, {}, on {} of which {} available; balanced within {}",
            count(status.files, "file"),
            size(status.bytes),
            count(status.nodes.len() as u64, "node"),
            match status.available() {
                1 => "1 is".to_owned(),
                several => format!("{several} are"),
            },
            count(status.skew, "file"),
        ),
        String::new(),
        nodes_table(&status.nodes),
    ];
    let more = [moves(status), troubles(status)].concat();
    if !more.is_empty() {
        lines.push(String::new());
        lines.extend(more);
    }
    lines.join("\n")
}

fn moves(status: &Status) -> Vec<String> {
    let moves = status.moves.iter().map(|moves| {
        format!(
            "moving: {} from {} to {}, {:.1} files/s{}",
            count(moves.files_left, "file"),
            moves.from,
            moves.to,
            moves.rate,
            left(moves.seconds_left)
        )
    });
    let drains = status.drains.iter().map(|drain| {
        let files = drain.files_left.map(|files| count(files, "file"));
        let files = files.unwrap_or_else(|| "an unknown number of files".to_owned());
        let holds = drain.holds.as_ref().map(|why| format!("; holds: {why}"));
        format!(
            "draining: {} has {files}, {:.1} files/s{}{}",
            drain.node,
            drain.rate,
            left(drain.seconds_left),
            holds.unwrap_or_default()
        )
    });
    moves.chain(drains).collect()
}

fn troubles(status: &Status) -> Vec<String> {
    let told = |what: &str, why: &Option<String>| {
        let why = why.as_ref();
        why.map(|why| format!("{what}: {why}"))
    };
    let mut lines = Vec::new();
    lines.extend(told("the store is unavailable", &status.store_away));
    lines.extend(told("the store takes no new files", &status.store_full));
    lines.extend(told("the store was set back", &status.set_back));
    for node in &status.nodes {
        let id = &node.id;
        lines.extend(told(&format!("{id} is read-only"), &node.read_only_why));
        lines.extend(told(&format!("{id} is refused"), &node.refused));
        lines.extend(
            node.troubles
                .iter()
                .map(|trouble| format!("{id}: {trouble}")),
        );
    }
    lines.extend(damaged(
        "missing",
        "its node lacks the bytes",
        &status.missing,
    ));
    lines.extend(damaged(
        "corrupt",
        "its bytes do not match its record",
        &status.corrupt,
    ));
    if status.quarantined > 0 {
        let copies = status.quarantined;
        lines.push(format!(
            "in quarantine: {copies}; `dfs quarantine ls` lists them"
        ));
    }
    let stuck = status.stuck.first.iter();
    lines.extend(stuck.map(|file| format!("{} stays on {}: {}", file.name, file.node, file.why)));
    lines
}

fn damaged(what: &str, why: &str, files: &Damaged) -> Option<String> {
    let named = files.names.join(", ");
    let more = files.files.saturating_sub(files.names.len() as u64);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    (files.files > 0).then(|| format!("{what} ({why}): {named}{more}"))
}

fn nodes_table(nodes: &[Node]) -> String {
    let rows: Vec<_> = nodes
        .iter()
        .map(|node| {
            [
                node.id.clone(),
                node.pool.clone(),
                state(node).to_owned(),
                node.files.to_string(),
                size(node.bytes),
                size(node.free),
            ]
        })
        .collect();
    table(
        ["NODE", "POOL", "STATE", "FILES", "BYTES", "FREE"],
        &rows,
        &[3, 4, 5],
    )
}

fn state(node: &Node) -> &'static str {
    match node.state {
        _ if node.refused.is_some() => "refused",
        NodeState::Available if node.read_only => "read-only",
        NodeState::Available if !node.merged => "merging",
        NodeState::Available => "available",
        NodeState::Unavailable => "unavailable",
        NodeState::Draining => "draining",
        NodeState::Unknown => "unknown",
    }
}

//! `dfs drain`.

use super::DrainArgs;
use crate::out::{Out, count, left};
use crate::outcome::Outcome;
use crate::signals::interrupted;
use anyhow::{Result, anyhow};
use client::{Client, CountedDrain, Drains};
use std::time::Duration;

/// Between two looks.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) async fn drain(client: &Client, args: &DrainArgs, out: &Out) -> Result<Outcome> {
    let nodes: Vec<&str> = args.nodes.iter().map(String::as_str).collect();
    if args.cancel {
        for node in nodes {
            client.cancel_drain(node).await?;
            let done = serde_json::json!({"node": node, "cancelled": true});
            out.done(&done, || format!("{node} takes files again"));
        }
        return Ok(Outcome::Done);
    }
    let drains = match nodes[..] {
        [] => client.drains().await?,
        _ => client.drain(&nodes).await?,
    };
    // Before anybody sees that it has begun.
    let interrupted = interrupted()?;
    print(&drains, out)?;
    if !args.wait {
        return Ok(Outcome::Done);
    }
    tokio::select! {
        ended = watch(client, &nodes, drains, out) => ended,
        () = interrupted => {
            out.note("interrupted: the drains go on");
            Ok(Outcome::Interrupted)
        }
    }
}

/// Prints what changes until all are empty; those of no node are all that there are.
async fn watch(client: &Client, nodes: &[&str], mut last: Drains, out: &Out) -> Result<Outcome> {
    let wanted =
        |drain: &&CountedDrain| nodes.is_empty() || nodes.contains(&drain.drain.node.as_str());
    loop {
        let drained = |node: &&&str| last.drains.iter().any(|drain| drain.drain.node == ***node);
        if let Some(node) = nodes.iter().find(|node| !drained(node)) {
            // Somebody has cancelled it.
            out.failed(None, &anyhow!("{node} is drained no more"));
            return Ok(Outcome::Failed);
        }
        if last.drains.iter().filter(wanted).all(is_empty) {
            return Ok(Outcome::Done);
        }
        tokio::time::sleep(AGAIN).await;
        let now = match client.drains().await {
            Ok(now) => now,
            Err(error) if error.is_retryable() => {
                out.failed(None, &error.into());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let new = |drain: &&CountedDrain| wanted(drain) && !last.drains.contains(drain);
        for drain in now.drains.iter().filter(new) {
            out.result(drain, || line(drain))?;
        }
        last = now;
    }
}

/// Whether the node can go: nothing that is on its disk is needed any more.
fn is_empty(counted: &CountedDrain) -> bool {
    let drain = &counted.drain;
    let nothing = drain.files_left == Some(0) && drain.quarantined == 0;
    drain.sealed && counted.records_left == 0 && nothing
}

fn print(drains: &Drains, out: &Out) -> Result<()> {
    for drain in &drains.drains {
        out.result(drain, || line(drain))?;
    }
    if drains.drains.is_empty() {
        out.note("no node is drained");
    }
    if let Some(hint) = who_knows_more(drains) {
        out.note(&hint);
    }
    Ok(())
}

/// Which manager knows why files stay, where the one that was asked does not move them.
fn who_knows_more(drains: &Drains) -> Option<String> {
    let unexplained = |drain: &CountedDrain| drain.records_left > 0 && drain.drain.holds.is_none();
    let leader = drains.leader.as_ref()?;
    drains
        .drains
        .iter()
        .any(unexplained)
        .then(|| format!("the manager that moves files is {leader}: if they stay, it knows why"))
}

fn line(counted: &CountedDrain) -> String {
    let drain = &counted.drain;
    let mut line = match (is_empty(counted), drain.files_left) {
        (true, _) => format!("{} is empty", drain.node),
        (false, Some(files)) => format!("{} has {}", drain.node, count(files, "file")),
        (false, None) => format!("{} has an unknown number of files", drain.node),
    };
    if !is_empty(counted) && drain.files_left == Some(0) && counted.records_left > 0 {
        let records = count(counted.records_left, "record");
        line += &format!(", {records} to be settled");
    }
    if drain.quarantined > 0 {
        line += &format!(", {} in quarantine", drain.quarantined);
    }
    if drain.rate > 0.0 && !is_empty(counted) {
        line += &format!(", {:.1} files/s{}", drain.rate, left(drain.seconds_left));
    }
    if let Some(why) = &drain.holds {
        line += &format!("; holds: {why}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::Drain;

    fn drain(sealed: bool, files_left: Option<u64>, records_left: u64) -> CountedDrain {
        let drain = Drain {
            node: "n1".to_owned(),
            sealed,
            files_left,
            ..Drain::default()
        };
        CountedDrain {
            drain,
            records_left,
        }
    }

    #[test]
    fn a_node_is_empty_once_it_is_sealed_and_no_record_lists_it() {
        for (counted, told) in [
            (drain(true, Some(0), 0), "n1 is empty"),
            (drain(false, Some(0), 0), "n1 has 0 files"),
            (drain(true, None, 0), "n1 has an unknown number of files"),
            (
                drain(true, Some(0), 2),
                "n1 has 0 files, 2 records to be settled",
            ),
            (drain(true, Some(1), 1), "n1 has 1 file"),
            (drain(true, None, 1), "n1 has an unknown number of files"),
        ] {
            assert_eq!(line(&counted), told);
        }
    }

    #[test]
    fn a_node_that_holds_copies_in_quarantine_is_not_empty() {
        let mut counted = drain(true, Some(0), 0);
        counted.drain.quarantined = 3;
        assert!(!is_empty(&counted));
        assert_eq!(line(&counted), "n1 has 0 files, 3 in quarantine");
    }

    #[test]
    fn a_drain_without_a_reason_names_the_manager_that_may_know_one() {
        let told = |leader: Option<&str>, records, holds: Option<&str>| {
            let mut drain = drain(true, Some(records), records);
            drain.drain.holds = holds.map(str::to_owned);
            let leader = leader.map(str::to_owned);
            let drains = vec![drain];
            who_knows_more(&Drains { drains, leader })
        };
        let hint = told(Some("host:9000"), 5, None).expect("a hint");
        assert!(hint.contains("host:9000"));
        assert_eq!(told(None, 5, None), None, "it leads itself");
        assert_eq!(told(Some("host:9000"), 0, None), None);
        assert_eq!(told(Some("host:9000"), 5, Some("it is away")), None);
    }
}

//! `manager nodes`, `drain`, `drains` and `abandon`.

use super::connect;
use crate::config::{AbandonArgs, DrainArgs, RemoteArgs};
use proto::v1::{
    AbandonReply, AbandonRequest, DrainLine, DrainRequest, DrainsReply, ListDrainsRequest,
    ListNodesRequest,
};
use std::process::ExitCode;

/// `abandon` only reported what it would cost.
const NOT_DONE: u8 = 1;

/// `manager nodes`.
///
/// # Errors
/// When the manager can't be asked.
pub async fn nodes(args: RemoteArgs) -> anyhow::Result<()> {
    let asked = ListNodesRequest {
        pool: String::new(),
    };
    let reply = connect(&args).await?.list_nodes(asked).await?.into_inner();
    for node in reply.nodes {
        let volume = uuid::Uuid::from_slice(&node.volume_id).unwrap_or_default();
        println!(
            "{} pool={} {} files={} bytes={} free={} quarantined={} endpoint={} volume={volume}",
            node.id,
            node.pool,
            node.state,
            node.files,
            node.bytes,
            node.free,
            node.quarantined,
            node.endpoint
        );
    }
    Ok(())
}

/// `manager drain`.
///
/// # Errors
/// When the manager can't be asked, or refuses.
pub async fn drain(args: DrainArgs) -> anyhow::Result<()> {
    let mut client = connect(&args.remote).await?;
    let request = DrainRequest {
        node_ids: args.node.iter().map(ToString::to_string).collect(),
        strangers_too: false,
    };
    let reply = if args.cancel {
        client.cancel_drain(request).await?
    } else {
        client.drain(request).await?
    };
    let reply = reply.into_inner();
    for drain in &reply.drains {
        println!("{}", line(drain));
    }
    if let Some(hint) = who_knows_more(&reply) {
        println!("{hint}");
    }
    Ok(())
}

/// `manager drains`.
///
/// # Errors
/// When the manager can't be asked.
pub async fn drains(args: RemoteArgs) -> anyhow::Result<()> {
    let mut client = connect(&args).await?;
    let reply = client.list_drains(ListDrainsRequest {}).await?.into_inner();
    for drain in &reply.drains {
        println!("{}", line(drain));
    }
    println!("{} drains", reply.drains.len());
    if let Some(hint) = who_knows_more(&reply) {
        println!("{hint}");
    }
    Ok(())
}

/// Which manager to ask why files stay, where the one that was asked does not move them.
fn who_knows_more(reply: &DrainsReply) -> Option<String> {
    let unexplained = |drain: &DrainLine| drain.files_left > 0 && drain.holds.is_empty();
    let asks = !reply.leader.is_empty() && reply.drains.iter().any(unexplained);
    asks.then(|| {
        format!(
            "the manager that moves files is {}, not this one: if files stay, ask that one why \
             (in its pod, or with --manager)",
            reply.leader
        )
    })
}

fn line(drain: &DrainLine) -> String {
    let mut text = format!(
        "{} sealed={} files-left={} quarantined={} records-left={}",
        drain.node_id, drain.sealed, drain.files_left, drain.quarantined, drain.records_left,
    );
    if let Some(seconds) = drain.seconds_left {
        text += &format!(" rate={:.1}/s seconds-left={seconds:.0}", drain.rate);
    }
    if !drain.holds.is_empty() {
        text += &format!(" holds: {}", drain.holds);
    }
    text
}

/// `manager abandon`: exit status 1 where it only reported what it would cost.
///
/// # Errors
/// When the manager can't be asked, or refuses.
pub async fn abandon(args: AbandonArgs) -> anyhow::Result<ExitCode> {
    let request = AbandonRequest {
        node_id: args.node.to_string(),
        volume_id: args.volume.as_bytes().to_vec().into(),
        lose_files: args.lose_files,
    };
    let reply = connect(&args.remote).await?.abandon(request).await?;
    let reply = reply.into_inner();
    let cost = cost(&reply);
    if reply.abandoned {
        println!("{} is given up: {cost}", args.node);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} is unavailable; giving it up costs {cost}", args.node);
    println!(
        "to do that: manager abandon --node {} --volume {} --lose-files {}",
        args.node, args.volume, reply.files
    );
    Ok(ExitCode::from(NOT_DONE))
}

fn cost(reply: &AbandonReply) -> String {
    let mut text = format!("{} files, {} bytes", reply.files, reply.bytes);
    if !reply.names.is_empty() {
        let more = match reply.files > reply.names.len() as u64 {
            true => ", …",
            false => "",
        };
        text += &format!(" ({}{more})", reply.names.join(", "));
    }
    if reply.unfinished > 0 {
        text += &format!(", {} uploads and deletes under way", reply.unfinished);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_without_a_reason_names_the_manager_that_may_know_one() {
        for (leader, files_left, holds, told) in [
            ("host:9000", 5, "", true),
            // This one leads.
            ("", 5, "", false),
            ("host:9000", 0, "", false),
            ("host:9000", 5, "the node is unavailable", false),
        ] {
            let drain = DrainLine {
                files_left,
                holds: holds.to_owned(),
                ..DrainLine::default()
            };
            let reply = DrainsReply {
                drains: vec![drain],
                leader: leader.to_owned(),
            };
            let hint = who_knows_more(&reply);
            assert_eq!(hint.is_some(), told, "{reply:?}");
            assert!(hint.is_none_or(|hint| hint.contains("host:9000")));
        }
    }
}

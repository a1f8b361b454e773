//! `manager quarantine`.

use super::connect;
use crate::config::{AdoptArgs, QuarantineArgs, QuarantineCommand, QuarantinedArgs, RemoteArgs};
use crate::format;
use anyhow::Context;
use proto::NodeId;
use proto::v1::{ListQuarantineRequest, QuarantinedRef};

/// `manager quarantine`.
///
/// # Errors
/// When the manager can't be asked, or refuses.
pub async fn quarantine(args: QuarantineArgs) -> anyhow::Result<()> {
    match args.command {
        QuarantineCommand::List(remote) => list(remote).await,
        QuarantineCommand::Adopt(args) if args.all => adopt_all(args).await,
        QuarantineCommand::Adopt(args) => adopt(args).await,
        QuarantineCommand::Remove(copy) => remove(copy).await,
    }
}

async fn list(remote: RemoteArgs) -> anyhow::Result<()> {
    let asked = on_node(None);
    let mut client = connect(&remote).await?;
    let mut all = client.list_quarantine(asked).await?.into_inner();
    while let Some(held) = all.message().await? {
        let meta = held.meta.unwrap_or_default();
        println!(
            "--node {} --id {} --generation {} name={:?} size={} {}",
            held.node_id,
            format::id(&meta.id),
            meta.generation,
            meta.name,
            meta.size,
            held.reason
        );
    }
    Ok(())
}

async fn adopt(args: AdoptArgs) -> anyhow::Result<()> {
    let wanted = QuarantinedRef {
        node_id: args.node.context("--node: is needed")?.to_string(),
        id: args.id.context("--id: is needed")?.to_wire(),
        generation: args.generation.context("--generation: is needed")?,
    };
    let mut client = connect(&args.remote).await?;
    let answer = client.adopt_quarantined(wanted).await?;
    println!("adopted {}", answer.into_inner().filename);
    Ok(())
}

async fn adopt_all(args: AdoptArgs) -> anyhow::Result<()> {
    let mut client = connect(&args.remote).await?;
    let asked = on_node(args.node.as_ref());
    let mut told = client.adopt_all(asked).await?.into_inner();
    let (mut adopted, mut kept) = (0u64, 0u64);
    while let Some(copy) = told.message().await? {
        if copy.kept.is_empty() {
            adopted += 1;
            println!("adopted {}", copy.filename);
        } else {
            kept += 1;
            println!(
                "kept --node {} --id {} --generation {} name={:?} {}",
                copy.node_id,
                format::id(&copy.id),
                copy.generation,
                copy.filename,
                copy.kept
            );
        }
    }
    println!("{adopted} adopted, {kept} kept in quarantine");
    Ok(())
}

async fn remove(copy: QuarantinedArgs) -> anyhow::Result<()> {
    let wanted = QuarantinedRef {
        node_id: copy.node.to_string(),
        id: copy.id.to_wire(),
        generation: copy.generation,
    };
    let mut client = connect(&copy.remote).await?;
    let answer = client.remove_quarantined(wanted).await?;
    println!("removed {}", answer.into_inner().filename);
    Ok(())
}

fn on_node(node: Option<&NodeId>) -> ListQuarantineRequest {
    ListQuarantineRequest {
        node_id: node.map(ToString::to_string).unwrap_or_default(),
    }
}

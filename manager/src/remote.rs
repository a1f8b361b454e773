//! The commands that ask a running manager: fsck, quarantine, nodes, drain.

use crate::config::{DrainArgs, QuarantineArgs, QuarantineCommand, QuarantinedArgs, RemoteArgs};
use anyhow::Context;
use kit::token::Bearer;
use proto::FileId;
use proto::v1::admin_client::AdminClient;
use proto::v1::{
    DrainRequest, FsckRequest, ListNodesRequest, ListQuarantineRequest, QuarantinedRef,
};
use std::process::ExitCode;
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// `fsck` found differences.
const DIFFERENT: u8 = 1;

async fn connect(
    args: &RemoteArgs,
) -> anyhow::Result<AdminClient<InterceptedService<Channel, Bearer>>> {
    let token = args.token.load()?;
    let channel = Endpoint::from_shared(args.manager.clone())
        .with_context(|| format!("--manager {}", args.manager))?
        .connect_timeout(CONNECT)
        .connect()
        .await
        .with_context(|| format!("--manager {}: no manager answers", args.manager))?;
    Ok(AdminClient::with_interceptor(channel, token.bearer()))
}

/// `manager fsck`: exit status 0 for no difference, 1 for some, 2 when it
/// could not be told.
///
/// # Errors
/// When the manager can't be asked, or could not finish.
pub async fn fsck(args: RemoteArgs) -> anyhow::Result<ExitCode> {
    let mut findings = connect(&args)
        .await?
        .fsck(FsckRequest {})
        .await?
        .into_inner();
    let mut differences = 0u64;
    while let Some(found) = findings.message().await? {
        differences += 1;
        let id = FileId::from_wire(&found.id)
            .map(|id| id.to_string())
            .unwrap_or_default();
        println!(
            "{} node={} name={:?} id={id} generation={} {}",
            found.kind, found.node_id, found.name, found.generation, found.detail
        );
    }
    println!("{differences} differences");
    Ok(if differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERENT)
    })
}

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
        println!(
            "{} pool={} {} files={} bytes={} free={} quarantined={} endpoint={}",
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
/// When the manager can't be asked, or the node is out.
pub async fn drain(args: DrainArgs) -> anyhow::Result<()> {
    let mut client = connect(&args.remote).await?;
    let request = DrainRequest {
        node_id: args.node.to_string(),
    };
    let reply = if args.cancel {
        client.cancel_drain(request).await?
    } else {
        client.drain(request).await?
    }
    .into_inner();
    println!(
        "{} sealed={} files-left={} quarantined={} records-left={} {}",
        args.node,
        reply.sealed,
        reply.files_left,
        reply.quarantined,
        reply.records_left,
        reply.holds
    );
    Ok(())
}

/// `manager quarantine`.
///
/// # Errors
/// When the manager can't be asked, or refuses.
pub async fn quarantine(args: QuarantineArgs) -> anyhow::Result<()> {
    match args.command {
        QuarantineCommand::List(remote) => list(remote).await,
        QuarantineCommand::Adopt(copy) => {
            let wanted = wanted(&copy);
            let answer = connect(&copy.remote)
                .await?
                .adopt_quarantined(wanted)
                .await?;
            println!("adopted {}", answer.into_inner().filename);
            Ok(())
        }
        QuarantineCommand::Remove(copy) => {
            let wanted = wanted(&copy);
            let answer = connect(&copy.remote)
                .await?
                .remove_quarantined(wanted)
                .await?;
            println!("removed {}", answer.into_inner().filename);
            Ok(())
        }
    }
}

async fn list(remote: RemoteArgs) -> anyhow::Result<()> {
    let asked = ListQuarantineRequest {
        node_id: String::new(),
    };
    let mut all = connect(&remote)
        .await?
        .list_quarantine(asked)
        .await?
        .into_inner();
    while let Some(held) = all.message().await? {
        let meta = held.meta.unwrap_or_default();
        let id = FileId::from_wire(&meta.id)
            .map(|id| id.to_string())
            .unwrap_or_default();
        println!(
            "--node {} --id {id} --generation {} name={:?} size={} {}",
            held.node_id, meta.generation, meta.name, meta.size, held.reason
        );
    }
    Ok(())
}

fn wanted(copy: &QuarantinedArgs) -> QuarantinedRef {
    QuarantinedRef {
        node_id: copy.node.to_string(),
        id: copy.id.to_wire(),
        generation: copy.generation,
    }
}

//! The commands that ask a running manager.

mod nodes;
mod quarantine;

pub use nodes::{abandon, drain, drains, nodes};
pub use quarantine::quarantine;

use crate::config::RemoteArgs;
use anyhow::Context;
use kit::inner::Way;
use proto::FileId;
use proto::v1::FsckRequest;
use proto::v1::admin_client::AdminClient;
use std::process::ExitCode;
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// `fsck` found differences.
const DIFFERENT: u8 = 1;

type Client = AdminClient<InterceptedService<Channel, Way>>;

async fn connect(args: &RemoteArgs) -> anyhow::Result<Client> {
    let way = args.inner.load()?.way_of_commands();
    let endpoint = Endpoint::from_shared(args.manager.clone())
        .with_context(|| format!("--manager {}", args.manager))?
        .connect_timeout(CONNECT);
    let channel = way
        .connect(&endpoint)
        .await
        .with_context(|| format!("--manager {}: no manager answers", args.manager))?;
    let client = AdminClient::with_interceptor(channel, way);
    Ok(client.max_decoding_message_size(proto::MESSAGE_BYTES))
}

/// A file's id as people read it; empty where there is none.
fn id_of(wire: &[u8]) -> String {
    FileId::from_wire(wire)
        .map(|id| id.to_string())
        .unwrap_or_default()
}

/// `manager fsck`: exit status 0 for no difference, 1 for some, 2 when the comparison failed.
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
        println!(
            "{} node={} name={:?} id={} generation={} {}",
            found.kind,
            found.node_id,
            found.name,
            id_of(&found.id),
            found.generation,
            found.detail
        );
    }
    println!("{differences} differences");
    Ok(if differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERENT)
    })
}

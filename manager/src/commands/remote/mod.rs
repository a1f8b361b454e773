//! The commands that ask a running manager.

mod nodes;
mod quarantine;

pub use nodes::{abandon, drain, drains, nodes};
pub use quarantine::quarantine;

use crate::config::RemoteArgs;
use crate::format;
use anyhow::{Context, bail};
use kit::inner::{Way, chain};
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
    let inner = args.inner.load()?;
    // TLS is spoken with --certs, whatever the scheme; the library knows but one.
    let url = match args.manager.strip_prefix("https://") {
        Some(_) if !inner.is_secured() => bail!("--manager {}: needs --certs", args.manager),
        Some(rest) => format!("http://{rest}"),
        None => args.manager.clone(),
    };
    let way = inner.way_of_commands();
    let endpoint = Endpoint::from_shared(url)
        .with_context(|| format!("--manager {}", args.manager))?
        .connect_timeout(CONNECT);
    let channel = way
        .connect(&endpoint)
        .await
        .with_context(|| format!("--manager {}: no manager answers", args.manager))?;
    let client = AdminClient::with_interceptor(channel, way);
    Ok(client.max_decoding_message_size(proto::MESSAGE_BYTES))
}

/// An error as people read it: of a manager's answer its words alone, and of a connection
/// that broke what that may mean.
pub fn said(error: &anyhow::Error) -> String {
    let Some(status) = error.downcast_ref::<tonic::Status>() else {
        return format!("{error:#}");
    };
    match std::error::Error::source(status) {
        None => status.message().to_owned(),
        Some(cause) => format!(
            "the manager broke the connection ({}): its inner port may want --certs, or refuse \
             the certificate",
            chain(cause)
        ),
    }
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
            format::id(&found.id),
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

//! `pools`: a real API server, the real operator, and hundreds of pools that nobody
//! touches. What the operator asks the API server for then must not grow with their
//! number. Pods, volumes and managers are stand-ins.

mod admin;
mod handover;
mod objects;
mod requests;

use crate::cluster::{Launch, binaries};
use crate::crd::{definition, install};
use crate::kube::ApiServer;
use crate::ports;
use crate::wait;
use admin::Managers;
use anyhow::{Result, ensure};
use objects::Pools;
use requests::{Rates, during};
use std::net::SocketAddr;
use std::time::Duration;

/// The release's namespace, and those that it watches.
const NAMESPACES: [&str; 3] = ["files", "team-a", "team-b"];
/// How long the requests are counted that an API server makes by itself.
const IDLE: Duration = Duration::from_secs(5);
/// How long requests are counted.
const COUNTED: Duration = Duration::from_secs(20);
/// After this time the latest change causes no more requests.
const CALM: Duration = Duration::from_secs(10);
/// How long it may take until all pools are reconciled, or are ready.
const LOOKED_AT: Duration = Duration::from_secs(180);
/// How often that is checked.
const LOOK: Duration = Duration::from_secs(2);
/// Requests a second while nothing is to be done, however many pools there are: a few
/// for each namespace, and for the lease.
const AT_REST: f64 = 4.0;

/// Flags of `pools`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of pools.
    #[arg(long, default_value_t = 300)]
    pub pools: usize,
}

/// Does the run and prints what came of it.
///
/// # Errors
/// At the first thing that is not as it should be.
pub async fn run(args: Args) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("pools-")
        .tempdir_in(binaries::scratch()?)?;
    let server = ApiServer::start(folder.path()).await?;
    install(&server, &definition()?).await?;
    let pools = Pools::make(&server, &NAMESPACES, args.pools)?;
    let idle = during(&server, IDLE).await?;
    let manager = ports::free()?;
    let operator = operator(&server, "files", &NAMESPACES, manager)?;
    let operator = operator.start().await?;
    wait::until(LOOKED_AT, async || {
        tokio::time::sleep(LOOK).await;
        pools.all(&server, "ManagerReachable", "False")
    })
    .await?;
    println!("{} pools were looked at; no manager answers", args.pools);
    let rates = calm(&server, &idle).await?;
    judge("without managers and pods", &rates, AT_REST)?;
    pools.pretend_volumes_and_pods(&server)?;
    let managers = Managers::start(manager, pools.names());
    wait::until(LOOKED_AT, async || {
        tokio::time::sleep(LOOK).await;
        pools.pretend_controller(&server)?;
        pools.all(&server, "Ready", "True")
    })
    .await?;
    println!("{} pools are ready", args.pools);
    let rates = calm(&server, &idle).await?;
    judge("at rest", &rates, AT_REST)?;
    drop(operator);
    handover::run(&server, manager).await?;
    drop(managers);
    Ok(())
}

/// The requests that are made once there is nothing left to do.
async fn calm(server: &ApiServer, idle: &Rates) -> Result<Rates> {
    tokio::time::sleep(CALM).await;
    Ok(during(server, COUNTED).await?.without(idle))
}

fn judge(what: &str, rates: &Rates, most: f64) -> Result<()> {
    let (total, words) = (rates.total(), rates.words());
    println!("{what}: {total:.2} requests a second, of {most:.0} that may be ({words})");
    ensure!(
        total <= most,
        "{what}: {total:.2} requests a second, more than {most:.0}: {words}"
    );
    Ok(())
}

/// The operator of a release, as the chart starts it; the first of the namespaces is
/// the release's own.
fn operator(
    server: &ApiServer,
    release: &str,
    namespaces: &[&str],
    manager: SocketAddr,
) -> Result<Launch> {
    let own = namespaces.first().copied().unwrap_or_default();
    let of = |what: &str| format!("{release}-{what}");
    let env = [
        ("DFS_NAMESPACE", own.to_owned()),
        ("DFS_WATCH_NAMESPACES", namespaces.join(",")),
        ("DFS_RELEASE", release.to_owned()),
        ("DFS_MANAGER", format!("http://{manager}")),
        ("DFS_NODE_IMAGE", "node:test".to_owned()),
        ("DFS_TOKEN_SECRET", of("token")),
        ("DFS_KEYS_SECRET", of("nodes")),
        ("DFS_LEASE", of("operator")),
        ("DFS_IDENTITY", of("operator-0")),
        ("DFS_OPS", "127.0.0.1:0".to_owned()),
    ];
    server.launch("operator", &["run"], &env)
}

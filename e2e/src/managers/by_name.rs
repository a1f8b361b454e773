//! Nodes find all managers behind one name, and managers that are added to it later:
//! each node has an `/etc/hosts` of its own, in a mount namespace of its own.

use super::{Run, sees};
use crate::cluster::{Cluster, Launch, Options, SOON};
use crate::mongo::Server;
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// The name that all managers share.
const NAME: &str = "managers.test";
/// Where they listen, on one port.
const FIRST: &str = "127.0.0.1";
const SECOND: &str = "127.0.0.2";
/// How long no node may join a manager that none can know of.
const UNKNOWN: Duration = Duration::from_secs(2);
/// Twice the time after which a name is resolved anew.
const RESOLVED: Duration = Duration::from_secs(10);

impl Run {
    /// When a manager's address is added to the name, the nodes join that
    /// manager; a new node finds both at once.
    pub(super) async fn found_by_name(&mut self, server: &Server) -> Result<()> {
        let begun = Instant::now();
        let mut cluster = Cluster::prepare(Options {
            store: Some(server.url("by-name")),
            ..Options::default()
        })?;
        let hosts = cluster.folder().join("hosts");
        write_hosts(&hosts, &[FIRST])?;
        cluster.start_manager().await?;
        add_node(&mut cluster, &hosts).await?;
        cluster.wait_available(1).await?;

        let grpc = SocketAddr::new(SECOND.parse()?, cluster.grpc().port());
        let second = cluster.add_manager_reached_at(grpc).await?;
        let client = cluster.client_of(second)?;
        tokio::time::sleep(UNKNOWN).await;
        ensure!(client.status().await?.available() == 0, "it is not named");
        write_hosts(&hosts, &[FIRST, SECOND])?;
        let named = Instant::now();
        sees(&client, 1, RESOLVED).await?;
        let found = named.elapsed();
        client.put("by name", "x").await?;
        cluster.client()?.get("by name").await?.bytes().await?;

        add_node(&mut cluster, &hosts).await?;
        cluster.wait_available(2).await?;
        sees(&client, 2, SOON).await?;
        cluster.stop().await?;
        let seen = format!(
            "a second address was found after {:.1} s",
            found.as_secs_f64()
        );
        self.tell("managers by one name", begun, seen);
        Ok(())
    }
}

/// Written in place, so that processes that have the file mounted see the change.
fn write_hosts(file: &Path, addresses: &[&str]) -> Result<()> {
    let lines = addresses
        .iter()
        .map(|address| format!("{address} {NAME}\n"));
    std::fs::write(file, lines.collect::<String>()).context("writing the hosts")
}

/// Starts one more node, which is given nothing but the name.
async fn add_node(cluster: &mut Cluster, hosts: &Path) -> Result<()> {
    let index = cluster.new_node()?;
    let mut launch = cluster.node_launch(index);
    let flag = launch.args.iter().position(|arg| arg == "--manager");
    let flag = flag.context("a node without --manager")?;
    launch.args[flag + 1] = format!("http://{NAME}:{}", cluster.grpc().port()).into();
    let process = with_hosts(launch, hosts)?.start().await?;
    cluster.nodes[index].process = Some(process);
    Ok(())
}

/// The same program with another file as its `/etc/hosts`; it runs in the very
/// process that is started.
pub(super) fn with_hosts(launch: Launch, hosts: &Path) -> Result<Launch> {
    let root = rustix::process::geteuid().is_root();
    let spaces = if root { "-m" } else { "-rm" };
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut args: Vec<OsString> = [spaces, "sh", "-c", script].map(Into::into).into();
    args.extend([hosts.into(), launch.program.into()]);
    args.extend(launch.args);
    Ok(Launch {
        program: tools::which("unshare")?,
        args,
        ..launch
    })
}

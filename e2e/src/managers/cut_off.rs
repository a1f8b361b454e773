//! A manager that can't reach a node must not be able to declare it lost while
//! another manager uses it (invariants 7 and 8).

use super::by_name::with_hosts;
use super::{NOTICED, Run, sees};
use crate::cluster::{Cluster, Options};
use crate::library::names;
use crate::mongo::Server;
use anyhow::{Result, ensure};
use client::Client;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The name that the node advertises. For the first manager it leads to a way that
/// can be cut, for all others to the node itself.
const NAME: &str = "localhost";
/// Where that way begins, at the node's port.
const WAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const FILES: usize = 5;

impl Run {
    /// One of two managers loses its way to a node and is ordered to abandon the
    /// node: it refuses, no file is lost, and the node stays as it was.
    pub(super) async fn cut_one_manager_off(&mut self, server: &Server) -> Result<()> {
        let begun = Instant::now();
        let mut cluster = Cluster::prepare(Options {
            store: Some(server.url("cut-off")),
            ..Options::default()
        })?;
        let (node, way) = start(&mut cluster).await?;
        let (first, second) = (cluster.client()?, cluster.client_of(0)?);
        for at in [&first, &second] {
            sees(at, 1, NOTICED).await?;
        }
        for number in 0..FILES {
            let name = format!("f{number}");
            second.put(&name, "content").await?;
            first.get(&name).await?.bytes().await?;
        }
        let volume = cluster.volume_of("node-1").await?;

        drop(way);
        sees(&first, 0, NOTICED).await?;
        let mut order = vec!["abandon", "--node", "node-1", "--volume", &volume];
        let (code, told) = cluster.ask(&order).await?;
        let costs = format!("costs {FILES} files");
        ensure!(code == 1 && told.contains(&costs), "{told}");
        let files = FILES.to_string();
        order.extend(["--lose-files", &files]);
        let refused = match cluster.ask(&order).await {
            Ok((_, told)) => anyhow::bail!("it was given up: {told}"),
            Err(error) => format!("{error:#}"),
        };
        ensure!(refused.contains("joined to another manager"), "{refused}");
        whole(&second).await?;

        let _way = Way::open(node).await?;
        sees(&first, 1, NOTICED).await?;
        whole(&first).await?;
        cluster.wait_fsck_clean(NOTICED).await?;
        cluster.stop().await?;
        let seen = format!("{FILES} files stay that one manager could not reach");
        self.tell("one manager cut off", begun, seen);
        Ok(())
    }
}

/// Two managers and a node, and the first manager's way to it.
async fn start(cluster: &mut Cluster) -> Result<(SocketAddr, Way)> {
    let hosts = cluster.folder().join("hosts");
    std::fs::write(&hosts, format!("{WAY} {NAME}\n"))?;
    let first = with_hosts(cluster.manager_launch(), &hosts)?;
    cluster.manager = Some(first.start().await?);
    cluster.add_manager().await?;
    // The node's port is known once it has run, and stays the same.
    let index = cluster.add_node().await?;
    let node = cluster.node(index)?.address("listen")?;
    cluster.kill_node(index).await?;
    let way = Way::open(node).await?;
    let advertised = format!("{NAME}:{}", node.port());
    cluster.nodes[index].args = vec!["--advertise".to_owned(), advertised];
    cluster.start_node(index).await?;
    Ok((node, way))
}

/// Every file is there, and one more can come and go.
async fn whole(manager: &Client) -> Result<()> {
    let all = names(manager).await?;
    ensure!(all.len() == FILES, "{all:?}");
    for name in all {
        let body = manager.get(&name).await?.bytes().await?;
        ensure!(body == "content", "{name}: {body:?}");
    }
    manager.put("another", "x").await?;
    Ok(manager.delete("another").await?)
}

/// A way to a node beside the direct one; dropping it cuts it, with all connections.
struct Way(JoinHandle<()>);

impl Way {
    async fn open(node: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((WAY, node.port())).await?;
        Ok(Self(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut to = TcpStream::connect(node).await?;
                    tokio::io::copy_bidirectional(&mut from, &mut to).await
                });
            }
        })))
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.0.abort();
    }
}

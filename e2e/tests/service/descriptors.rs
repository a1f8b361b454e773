//! Connections never use up the file descriptors: whatever a crowd does, there are
//! some left for files, links and the store.

use anyhow::{Context, Result, ensure};
use e2e::cluster::process::Launch;
use e2e::cluster::{Cluster, Options};
use e2e::wire::Route;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// The hard limit of open files that the programs are given.
const LIMIT: usize = 300;
/// A connection that takes longer waits in a queue that is full.
const QUEUED: Duration = Duration::from_secs(1);

/// The same program under a hard limit of open files.
fn limited(launch: Launch) -> Launch {
    let script = format!("ulimit -n {LIMIT} && exec \"$0\" \"$@\"");
    let mut args = vec!["-c".into(), script.into(), launch.program.into()];
    args.extend(launch.args);
    Launch {
        program: "/bin/sh".into(),
        args,
        env: launch.env,
        stderr: launch.stderr,
    }
}

/// More connections than the limit, until the system's queue of them is full.
async fn crowd(at: SocketAddr) -> Vec<TcpStream> {
    let mut held = Vec::new();
    while held.len() < 2 * LIMIT {
        match tokio::time::timeout(QUEUED, TcpStream::connect(at)).await {
            Ok(Ok(connection)) => held.push(connection),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn crowds_on_every_port_use_up_no_descriptor_that_the_service_needs() -> Result<()> {
    kit::descriptors::raise();
    let mut cluster = Cluster::prepare(Options {
        nodes: 0,
        ..Options::default()
    })?;
    cluster.manager = Some(limited(cluster.manager_launch()).start().await?);
    let index = cluster.new_node()?;
    let node = limited(cluster.node_launch(index)).start().await?;
    let (listen, node_ops) = (node.address("listen")?, node.address("metrics")?);
    cluster.nodes[index].process = Some(node);
    cluster.wait_available(1).await?;
    let client = cluster.wire();
    client.put("before", "x").await?.expect(201)?;

    let mut held = Vec::new();
    for at in [cluster.grpc(), cluster.ops(), listen, node_ops] {
        held.extend(crowd(at).await);
    }
    for i in 0..50 {
        for route in Route::ALL {
            let name = format!("beside-{i}-{route:?}");
            client.upload(route, &name, "x").await?.expect(201)?;
        }
    }
    // Idle connections hold all places of the REST port for a while.
    drop(crowd(cluster.http()).await);
    for i in 0..50 {
        client.put(&format!("f{i}"), "x").await?.expect(201)?;
    }
    drop(held);
    for name in ["before", "f49", "beside-49-Put"] {
        client.get(name).await?.expect(200)?;
    }
    ensure!(cluster.manager.as_mut().context("started")?.is_running());
    Ok(())
}

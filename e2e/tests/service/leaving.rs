//! An orderly end waits for requests, never for connections, strangers or throttles.

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::{content, wait};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Far below every deadline that might end the processes as well.
const AT_ONCE: Duration = Duration::from_secs(8);

async fn silent_and_half(at: std::net::SocketAddr) -> Result<Vec<TcpStream>> {
    let silent = TcpStream::connect(at).await?;
    let mut begun = TcpStream::connect(at).await?;
    begun.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    let mut half = TcpStream::connect(at).await?;
    half.write_all(b"GET /").await?;
    Ok(vec![silent, begun, half])
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_on_any_port_hold_up_no_end() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    cluster.client()?.put("f", "x").await?;
    let node = cluster.nodes[0].process.take().unwrap();
    let mut held = Vec::new();
    for at in [
        cluster.http(),
        cluster.grpc(),
        cluster.ops(),
        node.address("listen")?,
        node.address("metrics")?,
    ] {
        held.extend(silent_and_half(at).await?);
    }
    for process in [node, cluster.manager.take().unwrap()] {
        let begun = Instant::now();
        let status = process.terminate(SOON).await?;
        let took = begun.elapsed();
        ensure!(
            status.success() && took < AT_ONCE,
            "{status} after {took:?}"
        );
    }
    drop(held);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_move_holds_up_no_end() -> Result<()> {
    let slow = ["--move-bytes-per-second", "1KiB"].map(str::to_owned);
    let mut cluster = Cluster::start_with(Options {
        nodes: 1,
        manager_args: slow.to_vec(),
        ..Options::default()
    })
    .await?;
    let client = cluster.client()?;
    for i in 0..8 {
        let data = content::bytes(i, 60_000);
        client.put(&format!("f{i}"), data).await?;
    }
    cluster.add_node().await?;
    cluster.wait_available(2).await?;
    wait::until(SOON, async || {
        let status = cluster.client()?.status().await?;
        ensure!(!status.moves.is_empty(), "{status:?}");
        ensure!(status.moved_files >= 1, "{status:?}");
        Ok(())
    })
    .await?;
    let begun = Instant::now();
    let status = cluster.manager.take().unwrap().terminate(SOON).await?;
    let took = begun.elapsed();
    ensure!(
        status.success() && took < AT_ONCE,
        "{status} after {took:?}"
    );
    cluster.start_manager().await?;
    cluster.wait_available(2).await?;
    for i in 0..8 {
        let data = content::bytes(i, 60_000);
        ensure!(client.get(&format!("f{i}")).await?.bytes().await? == data);
    }
    Ok(())
}

//! Transfers between nodes whose connection breaks.

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, SOON};
use e2e::content;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 96 * MIB;
/// A connection breaks after this many bytes.
const BREAKS: u64 = 20 * MIB;
/// How many connections break.
const BROKEN: usize = 3;
/// How many bytes may be on their way, and be lost, where a connection breaks.
const UNDER_WAY: u64 = 5 * MIB;

/// A relay to a node. The first connections that carry much break.
struct Relay {
    address: SocketAddr,
    node: watch::Sender<Option<SocketAddr>>,
    /// Bytes that came for the node.
    carried: Arc<AtomicU64>,
    broken: Arc<AtomicUsize>,
}

impl Relay {
    async fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let relay = Self {
            address: listener.local_addr()?,
            node: watch::Sender::new(None),
            carried: Arc::default(),
            broken: Arc::default(),
        };
        let (node, carried) = (relay.node.subscribe(), Arc::clone(&relay.carried));
        let broken = Arc::clone(&relay.broken);
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let (node, carried) = (node.clone(), Arc::clone(&carried));
                let broken = Arc::clone(&broken);
                // It ends by itself, or with the caller or the node.
                tokio::spawn(async move { pass(caller, node, &carried, &broken).await });
            }
        });
        Ok(relay)
    }
}

async fn pass(
    mut caller: TcpStream,
    mut node: watch::Receiver<Option<SocketAddr>>,
    carried: &AtomicU64,
    broken: &AtomicUsize,
) -> Result<()> {
    let address = *node.wait_for(Option::is_some).await?;
    let mut node = TcpStream::connect(address.unwrap()).await?;
    let (mut there, mut back) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut own = 0;
    loop {
        tokio::select! {
            read = caller.read(&mut there) => {
                let read = read?;
                ensure!(read > 0, "the caller has ended");
                carried.fetch_add(read as u64, Ordering::Relaxed);
                own += read as u64;
                node.write_all(&there[..read]).await?;
                if own >= BREAKS && broken.load(Ordering::Relaxed) < BROKEN {
                    broken.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
            }
            read = node.read(&mut back) => {
                let read = read?;
                ensure!(read > 0, "the node has ended");
                caller.write_all(&back[..read]).await?;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_moves_once_however_often_the_connection_breaks() -> Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let client = cluster.client()?;
    let data = content::bytes(1, SIZE as usize);
    client.put("large", data.clone()).await?;
    let relay = Relay::new().await?;
    let target = cluster.new_node()?;
    cluster.nodes[target].args = vec!["--advertise".to_owned(), relay.address.to_string()];
    cluster.start_node(target).await?;
    let listens = cluster.node(target)?.address("listen")?;
    relay.node.send_replace(Some(listens));
    cluster.wait_available(2).await?;
    cluster.wait_drained("node-1", SOON * 4).await?;
    let broken = relay.broken.load(Ordering::Relaxed);
    let carried = relay.carried.load(Ordering::Relaxed);
    println!("{} of {} MiB", carried / MIB, SIZE / MIB);
    ensure!(broken == BROKEN, "{broken} connections broke");
    let most = SIZE + (BROKEN as u64 + 1) * UNDER_WAY;
    ensure!(carried < most, "{carried} bytes were sent");
    ensure!(cluster.tree(target)?.files.len() == 1, "it is there");
    let body = client.get("large").await?.bytes().await?;
    ensure!(body == data, "other bytes");
    cluster.wait_fsck_clean(SOON).await
}

//! A flood of connections that say nothing keeps no node from joining: those in a handshake
//! of TLS have places of their own, and the next one takes that of the oldest.

use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::wait;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Connections of the flood in a second.
const RATE: usize = 2000;
/// The flood comes in small waves.
const WAVES: usize = 200;
/// As many of them are held at the most, more than an inner port has places and room in its
/// queue for: one that is let go would make room there.
const KEPT: usize = 4 * kit::descriptors::INNER;
/// How long one of them waits for room in the port's queue, before the next one tries.
const CONNECTS: Duration = Duration::from_secs(1);
/// What a network between node and manager takes for one way.
const DELAY: Duration = Duration::from_millis(5);
/// Nodes that join, one after the other, and what they may take for it in all: far longer
/// than they need, and too short for each to wait until the flood's oldest have had their
/// time, as it would be if nobody made room.
const NODES: usize = 8;
const JOIN: Duration = Duration::from_secs(60);

/// Connections to an address, opened again and again without a byte sent, until it is
/// dropped.
struct Flood {
    opened: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Flood {
    /// Never takes more than a part of the open files that there may be.
    fn start(at: SocketAddr, files: u64) -> Self {
        let most = KEPT.min(usize::try_from(files / 4).unwrap_or(KEPT));
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        let task = tokio::spawn(async move {
            let mut waves = tokio::time::interval(Duration::from_secs(1) / WAVES as u32);
            let (mut kept, mut connecting) = (VecDeque::new(), JoinSet::new());
            loop {
                waves.tick().await;
                while let Some(done) = connecting.try_join_next() {
                    if let Ok(Ok(Ok(socket))) = done {
                        count.fetch_add(1, Ordering::Relaxed);
                        kept.push_back(socket);
                    }
                }
                while kept.len() > most {
                    kept.pop_front();
                }
                for _ in connecting.len()..most.min(connecting.len() + RATE / WAVES) {
                    connecting.spawn(tokio::time::timeout(CONNECTS, TcpStream::connect(at)));
                }
            }
        });
        Self { opened, task }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

/// A way to an address that takes [`DELAY`], in both directions.
struct Way {
    begins: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Way {
    async fn open(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let begins = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                connections.spawn(async move {
                    let to = TcpStream::connect(to).await?;
                    for socket in [&from, &to] {
                        socket.set_nodelay(true)?;
                    }
                    let ((from, back), (answers, to)) = (from.into_split(), to.into_split());
                    tokio::try_join!(late(from, to), late(answers, back)).map(drop)
                });
            }
        });
        Ok(Self { begins, task })
    }
}

/// Passes on what comes, each piece later.
async fn late(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut piece).await?;
        tokio::time::sleep(DELAY).await;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..read]).await?;
    }
}

/// A service whose certificates `manager certs init` makes; its manager runs.
async fn with_certificates() -> Result<Cluster> {
    let mut cluster = Cluster::prepare(Options::default())?;
    let dir = cluster.folder().join("certs");
    let path = dir.display().to_string();
    let command = cluster.manager_command(["certs", "init", &path]);
    let (status, out, errors) = command.output(SOON).await?;
    ensure!(status.success(), "{out}{errors}");
    let certs = |of: &str| ("DFS_CERTS".to_owned(), dir.join(of).display().to_string());
    cluster.manager_env = vec![certs("manager")];
    for _ in 0..NODES {
        let index = cluster.new_node()?;
        cluster.nodes[index].env = vec![certs("node-default")];
    }
    cluster.start_manager().await?;
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_join_while_connections_that_say_nothing_flood_the_port() -> Result<()> {
    let files = kit::descriptors::raise();
    let mut cluster = with_certificates().await?;
    let (at, way) = (cluster.grpc(), Way::open(cluster.grpc()).await?);
    let flood = Flood::start(at, files);
    wait::until(SOON, async || {
        let opened = flood.opened();
        ensure!(opened >= RATE, "{opened} connections were opened");
        Ok(())
    })
    .await?;
    let (direct, late) = (format!("http://{at}"), format!("http://{}", way.begins));
    let begun = Instant::now();
    for index in 0..NODES {
        let mut launch = cluster.node_launch(index);
        let manager = launch.args.iter_mut().find(|arg| **arg == *direct);
        *manager.context("no manager's address")? = late.as_str().into();
        let before = flood.opened();
        cluster.nodes[index].process = Some(launch.start().await?);
        let left = JOIN.saturating_sub(begun.elapsed());
        cluster
            .wait_status("one node more", left, |status| {
                status.available() == index + 1
            })
            .await?;
        ensure!(flood.opened() > before, "the flood stopped");
    }
    // What a manager asks of its nodes is not held up either.
    let client = cluster.client()?;
    client.put("f", "x").await?;
    ensure!(client.get("f").await?.bytes().await? == "x");
    Ok(())
}

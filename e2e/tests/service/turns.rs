//! Of what is ready at the same moment a client with many connections or streams is served
//! a little, and then the others. The manager has one thread here, and stands still until
//! all have asked; its log has the order of its answers. To a node clients have different
//! connections.

use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::wire::{Http2, Pieces, connect_from};
use e2e::{content, raw, wait};
use futures::future::try_join_all;
use http::Request;
use rustix::process::Signal;
use std::cell::Cell;
use std::net::Ipv4Addr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const MANY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const FEW: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// What the requests of both are called.
const OF_MANY: &str = "00000000000000aa";
const OF_FEW: &str = "00000000000000bb";
/// Connections to a node beside those for streams: one for small operations, and one on which
/// it was compared with the store.
const OWN: usize = 2;
/// How many answers of the one the other may have to wait for.
const BEFORE: usize = 10;

async fn one_thread() -> Result<Cluster> {
    let env = [
        ("TOKIO_WORKER_THREADS", "1"),
        ("RUST_LOG", "manager::rest::front=debug"),
    ];
    Cluster::start_with(Options {
        nodes: 0,
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Options::default()
    })
    .await
}

/// Stops the manager. What is sent after that waits until it goes on.
async fn stands_still(cluster: &Cluster) -> Result<()> {
    let manager = cluster.manager()?;
    manager.signal(Signal::STOP)?;
    let threads = format!("/proc/{}/task", manager.pid());
    wait::until(SOON, async || {
        for thread in std::fs::read_dir(&threads)? {
            let status = std::fs::read_to_string(thread?.path().join("status"))?;
            ensure!(status.contains("State:\tT"), "{status}");
        }
        Ok(())
    })
    .await
}

/// Answers of the one before the last one of the other.
fn before(cluster: &Cluster) -> Result<usize> {
    let log = std::fs::read_to_string(cluster.log_of_manager(0))?;
    let answers: Vec<bool> = log
        .lines()
        .filter(|line| line.contains("answered"))
        .filter_map(
            |line| match (line.contains(OF_MANY), line.contains(OF_FEW)) {
                (false, false) => None,
                (of_many, _) => Some(of_many),
            },
        )
        .collect();
    let last = answers.iter().rposition(|of_many| !of_many);
    let last = last.context("no answer of the other one")?;
    Ok(answers[..last].iter().filter(|of_many| **of_many).count())
}

/// A connection on which something was asked already.
async fn http1(from: Ipv4Addr, cluster: &Cluster) -> Result<TcpStream> {
    let mut stream = connect_from(from.into(), cluster.http()).await?;
    ask(&mut stream, "0000000000000001").await?;
    ensure!(raw::read_answer(&mut stream).await?.status == 200);
    Ok(stream)
}

async fn ask(stream: &mut TcpStream, id: &str) -> Result<()> {
    let request =
        format!("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}\r\n\r\n");
    Ok(stream.write_all(request.as_bytes()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_connections() -> Result<()> {
    let cluster = one_thread().await?;
    let mut many = Vec::new();
    for _ in 0..200 {
        many.push(http1(MANY, &cluster).await?);
    }
    let mut one = http1(FEW, &cluster).await?;
    stands_still(&cluster).await?;
    let (first, then) = many.split_at_mut(100);
    for stream in first {
        ask(stream, OF_MANY).await?;
    }
    ask(&mut one, OF_FEW).await?;
    // What was woken last runs first.
    for stream in then {
        ask(stream, OF_MANY).await?;
    }
    cluster.manager()?.signal(Signal::CONT)?;
    for stream in many.iter_mut().chain([&mut one]) {
        let answer = wait::at_most(SOON, raw::read_answer(stream)).await??;
        ensure!(answer.status == 200, "{answer:?}");
    }
    let before = before(&cluster)?;
    ensure!(before <= BEFORE, "{before} answers");
    Ok(())
}

async fn get(connection: &Http2, id: &str) -> Result<()> {
    let request = Request::get("/openapi.json").header("x-request-id", id);
    let answer = connection
        .send(request.body(Pieces::empty().into())?)
        .await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

/// Sends so many requests to a manager that stands still.
async fn send(
    cluster: &Cluster,
    (connection, from, id): (&Http2, Ipv4Addr, &'static str),
    requests: usize,
) -> Result<JoinHandle<Result<Vec<()>>>> {
    // Updates of windows, after the answers of before.
    let left = unread(cluster, from)?;
    let connection = connection.clone();
    let answers = tokio::spawn(async move {
        let all = (0..requests).map(|_| get(&connection, id));
        try_join_all(all).await
    });
    arrived(cluster, from, left).await?;
    Ok(answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_streams() -> Result<()> {
    let cluster = one_thread().await?;
    let many = Http2::open_from(MANY.into(), cluster.http()).await?;
    let few = Http2::open_from(FEW.into(), cluster.http()).await?;
    let last = Http2::open_from(MANY.into(), cluster.http()).await?;
    for connection in [&many, &few, &last] {
        get(connection, "0000000000000001").await?;
    }
    stands_still(&cluster).await?;
    // The connection that was woken last runs first, and the stream that began last.
    let sent = [
        send(&cluster, (&many, MANY, OF_MANY), 90).await?,
        send(&cluster, (&few, FEW, OF_FEW), 2).await?,
        send(&cluster, (&last, MANY, OF_MANY), 1).await?,
    ];
    cluster.manager()?.signal(Signal::CONT)?;
    for answers in sent {
        wait::at_most(SOON, answers).await???;
    }
    let before = before(&cluster)?;
    ensure!(before <= BEFORE, "{before} answers");
    Ok(())
}

/// What an address has sent that a manager which stands still has not read.
fn unread(cluster: &Cluster, from: Ipv4Addr) -> Result<usize> {
    let all = connections(cluster.http().port())?;
    let of = all.iter().filter(|(peer, _)| *peer == from);
    Ok(of.map(|(_, unread)| unread).sum())
}

/// Waits until more than so much lies there, and no more comes.
async fn arrived(cluster: &Cluster, from: Ipv4Addr, more_than: usize) -> Result<()> {
    let last = Cell::new(0);
    wait::until(SOON, async || {
        let now = unread(cluster, from)?;
        let before = last.replace(now);
        ensure!(now > more_than && now == before, "{before}, {now} bytes");
        Ok(())
    })
    .await
}

/// The peer and the unread bytes of each connection that a port of this machine has.
fn connections(port: u16) -> Result<Vec<(Ipv4Addr, usize)>> {
    let port = format!(":{port:04X}");
    let all = std::fs::read_to_string("/proc/net/tcp")?;
    let connection = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, peer, "01", queues, ..] = fields[..] else {
            return None;
        };
        let (_, unread) = queues.split_once(':').filter(|_| local.ends_with(&port))?;
        let (peer, _) = peer.split_once(':')?;
        let peer = u32::from_str_radix(peer, 16).ok()?.to_ne_bytes();
        Some((peer.into(), usize::from_str_radix(unread, 16).ok()?))
    };
    Ok(all.lines().filter_map(connection).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_one_of_four_connections_to_a_node() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let port = cluster.inner_of(0).port();
    let client = cluster.wire();
    client
        .put("large", content::bytes(1, 1 << 20))
        .await?
        .expect(201)?;
    for (host, lanes) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (2, 4)] {
        let from = Ipv4Addr::new(127, 0, 0, host);
        let client = client.calling_from(from.into());
        client.get("large").await?.expect(200)?;
        wait::until(SOON, async || {
            let open = connections(port)?.len();
            ensure!(open == OWN + lanes, "{from}: {open}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

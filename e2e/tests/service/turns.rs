//! Of what is ready at the same moment a client with many connections or streams is served
//! a little, and then the others. The manager has one thread here, and stands still until
//! all have asked; its log has the order of its answers. To a node clients have different
//! connections.

use anyhow::{Context, Result, ensure};
use e2e::client::{Answer, Http2, Pieces};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::{content, raw, wait};
use futures::future::try_join_all;
use http::Request;
use rustix::process::Signal;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

const MANY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const FEW: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// What the requests of both are called.
const OF_MANY: &str = "00000000000000aa";
const OF_FEW: &str = "00000000000000bb";
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

/// Has a manager that stands still go on, once all that was sent has reached its sockets.
async fn goes_on(cluster: &Cluster) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    cluster.manager()?.signal(Signal::CONT)
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
async fn http1(from: IpAddr, cluster: &Cluster) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(cluster.http()).await?;
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
    cluster.manager()?.signal(Signal::STOP)?;
    let (first, then) = many.split_at_mut(100);
    for stream in first {
        ask(stream, OF_MANY).await?;
    }
    ask(&mut one, OF_FEW).await?;
    // What was woken last runs first.
    for stream in then {
        ask(stream, OF_MANY).await?;
    }
    goes_on(&cluster).await?;
    for stream in many.iter_mut().chain([&mut one]) {
        let answer = wait::at_most(SOON, raw::read_answer(stream)).await??;
        ensure!(answer.status == 200, "{answer:?}");
    }
    let before = before(&cluster)?;
    ensure!(before <= BEFORE, "{before} answers");
    Ok(())
}

async fn get(connection: &Http2, id: &str) -> Result<Answer> {
    let request = Request::get("/openapi.json").header("x-request-id", id);
    let answer = connection
        .send(request.body(Pieces::empty().into())?)
        .await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_streams() -> Result<()> {
    let cluster = one_thread().await?;
    let many = Http2::open_from(MANY, cluster.http()).await?;
    let few = Http2::open_from(FEW, cluster.http()).await?;
    for connection in [&many, &few] {
        get(connection, "0000000000000001").await?;
    }
    cluster.manager()?.signal(Signal::STOP)?;
    let of_many = try_join_all((0..90).map(|_| get(&many, OF_MANY)));
    // Two, since the stream that began last runs first.
    let of_few = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        try_join_all((0..2).map(|_| get(&few, OF_FEW))).await
    };
    let goes_on = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        goes_on(&cluster).await
    };
    let all = async { tokio::try_join!(of_many, of_few, goes_on) };
    wait::at_most(SOON, all).await??;
    let before = before(&cluster)?;
    ensure!(before <= BEFORE, "{before} answers");
    Ok(())
}

/// Connections that a port of this machine has.
fn connections(port: u16) -> Result<usize> {
    let port = format!(":{port:04X}");
    let all = std::fs::read_to_string("/proc/net/tcp")?;
    let open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().is_some_and(|local| local.ends_with(&port));
        // Established.
        local && fields.nth(1) == Some("01")
    };
    Ok(all.lines().filter(open).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_one_of_four_connections_to_a_node() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    let port = cluster.inner_of(0).port();
    // One for small operations, and one on which the node was compared with the store.
    let own = connections(port)?;
    let client = cluster.client();
    client
        .put("large", content::bytes(1, 1 << 20))
        .await?
        .expect(201)?;
    for (host, lanes) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (2, 4)] {
        let from = Ipv4Addr::new(127, 0, 0, host);
        let client = client.calling_from(from.into());
        client.get("large").await?.expect(200)?;
        wait::until(SOON, async || {
            let open = connections(port)?.saturating_sub(own);
            ensure!(open == lanes, "{from}: {open} in place of {lanes}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

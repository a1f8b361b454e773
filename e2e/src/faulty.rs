//! A way to the service on which things go wrong: answers get lost, connections break, bytes
//! change.

use anyhow::Result;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// What passes at once.
const PIECE: usize = 64 << 10;
/// What lies in the socket of a request that passes slowly.
const RECEIVED: u32 = 64 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// What goes wrong on a connection.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It breaks once this many bytes of answers have passed; with 0 an answer is lost that
    /// was given.
    CutAnswer(usize),
    /// It stands still once this many bytes of answers have passed.
    StallAnswer(usize),
    /// This byte of the answers has a bit turned.
    FlipAnswer(usize),
    /// This byte of the requests has a bit turned.
    FlipRequest(usize),
    /// Requests wait so long after each [`PIECE`].
    SlowRequest(Duration),
}

/// Passes connections on, the first of them with faults, the others as they are.
#[derive(Debug)]
pub struct Faulty {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    task: JoinHandle<()>,
}

impl Faulty {
    /// Listens in front of an address.
    ///
    /// # Errors
    /// Where it can't listen.
    pub async fn start(to: SocketAddr, faults: impl IntoIterator<Item = Fault>) -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), to, faults).await
    }

    /// The same at this address.
    ///
    /// # Errors
    /// Where it can't listen there.
    pub async fn start_at(
        at: SocketAddr,
        to: SocketAddr,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Result<Self> {
        let socket = match at {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        // What has not passed stays with who sends it.
        socket.set_recv_buffer_size(RECEIVED)?;
        socket.bind(at)?;
        let listener = socket.listen(BACKLOG)?;
        let connections = Arc::new(AtomicUsize::new(0));
        let faults = Arc::new(Mutex::new(faults.into_iter().collect::<VecDeque<_>>()));
        let (counted, left) = (connections.clone(), faults.clone());
        Ok(Self {
            address: listener.local_addr()?,
            connections,
            faults,
            task: tokio::spawn(async move {
                while let Ok((from, _)) = listener.accept().await {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let fault = left.lock().pop_front();
                    tokio::spawn(async move {
                        // Either side may end it at any time.
                        let _ = pass(from, to, fault).await;
                    });
                }
            }),
        })
    }

    /// The URL of the service behind it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The next connections have these faults.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().extend(faults);
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(from: TcpStream, to: SocketAddr, fault: Option<Fault>) -> Result<()> {
    let to = TcpStream::connect(to).await?;
    let (mut client, mut to_client) = from.into_split();
    let (mut service, mut to_service) = to.into_split();
    let (mut requests, mut answers) = (Rule::default(), Rule::default());
    match fault {
        None => {}
        Some(Fault::CutAnswer(at) | Fault::StallAnswer(at)) => answers.most = Some(at),
        Some(Fault::FlipAnswer(at)) => answers.flip = Some(at),
        Some(Fault::FlipRequest(at)) => requests.flip = Some(at),
        Some(Fault::SlowRequest(pause)) => requests.pause = Some(pause),
    }
    let passed = tokio::select! {
        // A client that has sent all may still wait for its answer.
        Err(error) = copy(&mut client, &mut to_service, requests) => Err(error),
        done = copy(&mut service, &mut to_client, answers) => done,
    };
    if let Some(Fault::StallAnswer(_)) = fault {
        std::future::pending().await
    }
    passed
}

/// How bytes of one direction pass.
#[derive(Default, Clone, Copy)]
struct Rule {
    flip: Option<usize>,
    most: Option<usize>,
    pause: Option<Duration>,
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    rule: Rule,
) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut passed = 0;
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(to.shutdown().await?);
        }
        let piece = &mut buffer[..read];
        if let Some(byte) = rule
            .flip
            .and_then(|at| piece.get_mut(at.checked_sub(passed)?))
        {
            *byte ^= 1;
        }
        let passes = rule.most.map_or(read, |most| read.min(most - passed));
        to.write_all(&piece[..passes]).await?;
        passed += passes;
        if rule.most == Some(passed) {
            return Ok(());
        }
        if let Some(pause) = rule.pause {
            tokio::time::sleep(pause).await;
        }
    }
}

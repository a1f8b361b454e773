//! Clients that cost a service much and give it little: idle, slow, or silent after
//! they announced an upload.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// How often a slow client reads or writes a little.
const BEAT: Duration = Duration::from_secs(1);
/// What it reads or writes then.
const LITTLE: usize = 4 << 10;
/// How long one of them waits for its connection before it tries again.
const CONNECT: Duration = Duration::from_secs(5);

/// How many of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    /// Connections that ask for one small thing, without which they would soon be closed,
    /// and then for nothing.
    pub idle: usize,
    /// Downloads of a large file that are hardly read.
    pub readers: usize,
    /// Uploads without a declared length that hardly send anything.
    pub writers: usize,
    /// Uploads that declare a length and whose body never comes.
    pub announcers: usize,
}

/// All of them, until it is dropped.
#[derive(Debug)]
pub struct Crowd {
    _clients: JoinSet<()>,
    /// How many of them have an open connection.
    pub open: Arc<AtomicU64>,
}

impl Crowd {
    /// Starts them. They hammer nobody: one that is cut off waits for `BEAT`.
    pub fn gather(address: SocketAddr, large: &str, numbers: Numbers) -> Self {
        let mut clients = JoinSet::new();
        let open = Arc::new(AtomicU64::new(0));
        let kinds = [
            (
                numbers.idle,
                "GET /files?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                Act::Wait,
            ),
            (
                numbers.readers,
                format!("GET /file/{large} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                Act::Read,
            ),
            (
                numbers.writers,
                "PUT /file/slow-{} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .to_owned(),
                Act::Write,
            ),
            (
                numbers.announcers,
                "PUT /file/announced-{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n"
                    .to_owned(),
                Act::Wait,
            ),
        ];
        for (count, head, act) in kinds {
            for number in 0..count {
                let head = head.replace("{}", &number.to_string());
                let open = open.clone();
                clients.spawn(async move {
                    loop {
                        // However the connection ended, the client comes again.
                        let _ = stay(address, &head, act, &open).await;
                        tokio::time::sleep(BEAT).await;
                    }
                });
            }
        }
        Self {
            _clients: clients,
            open,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Wait,
    Read,
    Write,
}

/// Counts an open connection.
struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// From another address than the well-behaved client's, since each has its own share.
async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0)))?;
    socket.connect(address).await
}

async fn stay(address: SocketAddr, head: &str, act: Act, open: &AtomicU64) -> Result<()> {
    let mut stream = tokio::time::timeout(CONNECT, connect(address)).await??;
    open.fetch_add(1, Ordering::Relaxed);
    let _counted = Counted(open);
    stream.write_all(head.as_bytes()).await?;
    let mut some = vec![0; LITTLE];
    loop {
        match act {
            Act::Wait => {
                // Until it is cut off.
                if stream.read(&mut some).await? == 0 {
                    return Ok(());
                }
            }
            Act::Read => {
                if stream.read(&mut some).await? == 0 {
                    return Ok(());
                }
                tokio::time::sleep(BEAT).await;
            }
            Act::Write => {
                stream.write_all(b"400\r\n").await?;
                stream.write_all(&[b'x'; 1024]).await?;
                stream.write_all(b"\r\n").await?;
                tokio::time::sleep(BEAT).await;
            }
        }
    }
}

//! Uploads that share an HTTP/2 connection: those that wait for a place hold up none
//! that has one.

use anyhow::{Result, ensure};
use e2e::cluster::{Cluster, Options, SOON};
use e2e::wire::{Answer, Http2, Route};
use e2e::{content, raw, wait};
use futures::future::try_join_all;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const UPLOADS: u64 = 40;
const SIZE: usize = 2 << 20;
/// What a body may pause: less than an upload may wait.
const PAUSE: &str = "--body-idle-timeout=5s";

/// One client may have 10 uploads, two streams of the node, and one connection with
/// wide windows. An upload may wait for its place for longer than a body may pause.
async fn cluster(pause: &str) -> Result<Cluster> {
    let flags = ["--client-share=1", "--max-wait=60s", pause];
    Cluster::start_with(Options {
        nodes: 1,
        manager_args: flags.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await
}

async fn upload(connection: &Http2, number: u64) -> Result<Answer> {
    let data = content::bytes(number, SIZE);
    let request = Route::Put.request(&number.to_string(), &data)?;
    connection.send(request).await
}

async fn all_there(cluster: &Cluster) -> Result<()> {
    let client = cluster.wire();
    for number in 0..UPLOADS {
        let got = client.get(&number.to_string()).await?.expect(200)?;
        ensure!(got.body == content::bytes(number, SIZE), "{number} differs");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_wide_windows_serves_uploads_that_wait() -> Result<()> {
    let cluster = cluster(PAUSE).await?;
    let connection = Http2::open(cluster.http()).await?;
    let uploads = (0..UPLOADS).map(|number| upload(&connection, number));
    for answer in try_join_all(uploads).await? {
        answer.expect(201)?;
    }
    all_there(&cluster).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_with_narrow_windows_refuses_at_once_those_that_would_fill_them() -> Result<()> {
    let cluster = cluster(PAUSE).await?;
    let wide = Http2::open(cluster.http()).await?;
    upload(&wide, UPLOADS).await?.expect(201)?;
    let narrow = Http2::open(cluster.http()).await?;
    let mut left: Vec<u64> = (0..UPLOADS).collect();
    let (begun, mut refused) = (Instant::now(), 0);
    while !left.is_empty() {
        ensure!(begun.elapsed() < SOON, "{left:?} are left");
        let answers = try_join_all(left.iter().map(|&number| upload(&narrow, number))).await?;
        ensure!(begun.elapsed() < SOON, "some waited with their answer");
        let mut again = Vec::new();
        for (&number, answer) in left.iter().zip(answers) {
            if answer.status != 429 {
                answer.expect(201)?;
                continue;
            }
            let text = String::from_utf8_lossy(&answer.body);
            ensure!(text.contains("of this HTTP/2 connection wait"), "{text}");
            ensure!(!answer.header("retry-after").is_empty(), "{answer:?}");
            again.push(number);
        }
        ensure!(again.len() < left.len(), "all of {left:?} were refused");
        refused += again.len();
        left = again;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ensure!(refused > 0, "nothing was refused");
    drop(wide);
    all_there(&cluster).await
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [
        length[1], length[2], length[3], kind, flags, 0, 0, 0, stream,
    ];
    [&head, payload].concat()
}

/// The head of a PUT, in literals (RFC 7541, section 6.2.2).
fn put(stream: u8, name: &str) -> Vec<u8> {
    let path = format!("/file/{name}");
    let mut block = vec![0x86];
    for (index, value) in [(1, "localhost"), (2, "PUT"), (4, path.as_str())] {
        block.extend([index, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// A connection whose frames are written by hand.
struct Raw {
    socket: TcpStream,
    /// Bytes of DATA that its window has room for.
    room: u32,
}

impl Raw {
    async fn open(cluster: &Cluster, settings: &[u8]) -> Result<Self> {
        let mut socket = TcpStream::connect(cluster.http()).await?;
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        socket.write_all(&begin).await?;
        Ok(Self {
            socket,
            room: 65_535,
        })
    }

    /// The kind and the stream of the next frame.
    async fn next(&mut self) -> Result<(u8, u8)> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.socket.read_exact(&mut payload).await?;
        let (kind, stream) = (head[3], head[8]);
        if (kind, stream) == (WINDOW_UPDATE, 0) {
            self.room += u32::from_be_bytes(payload[..4].try_into()?);
        }
        Ok((kind, stream))
    }

    async fn head(&mut self, stream: u8, name: &str) -> Result<()> {
        Ok(self.socket.write_all(&put(stream, name)).await?)
    }

    /// Sends DATA as soon as the connection's window has room for it.
    async fn data(&mut self, flags: u8, stream: u8, data: &[u8]) -> Result<()> {
        let length = u32::try_from(data.len())?;
        while self.room < length {
            self.next().await?;
        }
        self.room -= length;
        Ok(self
            .socket
            .write_all(&frame(DATA, flags, stream, data))
            .await?)
    }

    /// Sends the body of the upload that has a place, and waits for its answer.
    async fn first_ends(&mut self, cluster: &Cluster) -> Result<()> {
        wait::at_most(SOON, async {
            self.data(END_STREAM, 1, b"Hello, world!\n").await?;
            while self.next().await? != (HEADERS, 1) {}
            anyhow::Ok(())
        })
        .await??;
        let stored = cluster.wire().get("first").await?.expect(200)?;
        ensure!(stored.body == "Hello, world!\n", "{stored:?}");
        Ok(())
    }
}

/// What a connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_before_it_has_the_settings_leaves_room_for_others() -> Result<()> {
    let cluster = cluster("--body-idle-timeout=60s").await?;
    let wide = Http2::open(cluster.http()).await?;
    upload(&wide, UPLOADS).await?.expect(201)?;
    // All places of this client but one.
    let mut held = Vec::new();
    for number in 0..9 {
        let stream = TcpStream::connect(cluster.http()).await?;
        held.push(raw::hold_upload(stream, &format!("held-{number}")).await?);
    }
    cluster.wait_uploads_in_flight(9).await?;
    // One upload takes the last place.
    let mut by_hand = Raw::open(&cluster, &[]).await?;
    by_hand.head(1, "first").await?;
    cluster.wait_uploads_in_flight(10).await?;
    // The next one waits, and fills the window that every connection begins with.
    by_hand.head(3, "second").await?;
    for piece in [0; 65_535].chunks(16_384) {
        by_hand.data(0, 3, piece).await?;
    }
    by_hand.first_ends(&cluster).await?;
    drop((held, wide));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_refused_uploads_keep_no_room_though_nobody_takes_the_answers() -> Result<()> {
    let cluster = cluster("--body-idle-timeout=60s").await?;
    let wide = Http2::open(cluster.http()).await?;
    upload(&wide, UPLOADS).await?.expect(201)?;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0: the heads of answers come, and no bodies.
    let mut by_hand = Raw::open(&cluster, &[0, 4, 0, 0, 0, 0]).await?;
    by_hand.head(1, "first").await?;
    let refused = [3, 5, 7, 9, 11, 13];
    for stream in refused {
        by_hand.head(stream, &UPLOADS.to_string()).await?;
    }
    let mut answered = 0;
    wait::at_most(SOON, async {
        while answered < refused.len() {
            let (kind, stream) = by_hand.next().await?;
            answered += usize::from(kind == HEADERS && refused.contains(&stream));
        }
        anyhow::Ok(())
    })
    .await??;
    // Longer than a refused body is read.
    tokio::time::sleep(Duration::from_secs(6)).await;
    for stream in refused {
        wait::at_most(SOON, by_hand.data(0, stream, &[0; 16_000])).await??;
    }
    by_hand.first_ends(&cluster).await?;
    drop(wide);
    Ok(())
}
